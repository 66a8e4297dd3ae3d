"""Squared errors of arrays, and functions of arrays applied to each layer of features."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def squared_error(observed: jax.Array, target: jax.Array) -> jax.Array:
    """Sum of squared differences."""
    return jnp.sum(jnp.square(observed - target))


def mean_squared_error(observed: jax.Array, target: jax.Array) -> jax.Array:
    """Mean of squared differences."""
    return jnp.mean(jnp.square(observed - target))


def by_layer(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """A function of arrays, as one of dicts of arrays by layer."""

    def over_layers(*layers: dict[str, Any]) -> dict[str, Any]:
        return {name: function(*(layer[name] for layer in layers)) for name in layers[0]}

    return over_layers
