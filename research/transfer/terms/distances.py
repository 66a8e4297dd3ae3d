"""Squared errors of arrays, and functions of arrays applied to each layer of features."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from research.transfer.frames import Frames


def squared_error(observed: Frames, target: Frames) -> jax.Array:
    """Sum of squared differences of as many frames."""
    return jnp.sum(jnp.square(observed.values - target.values))


def num_values(frames: Frames) -> jax.Array:
    """How many numbers there are in the frames of a recording."""
    num_channels, _, num_dims = frames.values.shape
    return jnp.float32(num_channels * num_dims) * frames.count


def mean_squared_error(observed: jax.Array, target: jax.Array) -> jax.Array:
    """Mean of squared differences."""
    return jnp.mean(jnp.square(observed - target))


def by_layer(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """A function of arrays, as one of dicts of arrays by layer."""

    def over_layers(*layers: dict[str, Any]) -> dict[str, Any]:
        return {name: function(*(layer[name] for layer in layers)) for name in layers[0]}

    return over_layers
