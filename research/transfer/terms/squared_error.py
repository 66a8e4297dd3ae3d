"""Squared errors of features and of the spectrogram, as in the published systems.

They keep the timbre of the content along with its notes and rhythm.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.transfer.representations import Representations
from research.transfer.terms.base import ContentTerm, Context
from research.transfer.terms.distances import by_layer, squared_error


class Moments(NamedTuple):
    """Mean and variance over time, each `[dims]`."""

    mean: jax.Array
    variance: jax.Array


def moments(observed: jax.Array) -> Moments:
    """Moments over channels and frames of `[channels, frames, dims]`."""
    return Moments(observed.mean(axis=(0, 1)), observed.var(axis=(0, 1)))


def unrelated_squared_error(target: jax.Array, profile: Moments) -> jax.Array:
    """Squared error between frames that are unrelated in time.

    `E sum ||c - s||^2` over all pairs of a content and a style frame, which for channels of mean
    `m` and variance `v` is `frames sum (v_c + v_s + (m_c - m_s)^2)`; at least a millionth of the
    content's energy, for equal recordings.
    """
    means = jnp.square(target.mean(axis=1) - profile.mean)
    distance = target.shape[1] * jnp.sum(target.var(axis=1) + profile.variance + means)
    return jnp.maximum(distance, 1e-6 * jnp.sum(jnp.square(target)))


class LayerSquaredError(ContentTerm):
    """Sum of squared differences, for each layer `[channels, frames, dims]` of an observation."""

    def distance(
        self, observed: dict[str, jax.Array], target: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """Sum of squared differences."""
        return by_layer(squared_error)(observed, target)

    def profile(self, observed: dict[str, jax.Array]) -> dict[str, Moments]:
        """Mean and variance over time."""
        return by_layer(moments)(observed)

    def unrelated(
        self, target: dict[str, jax.Array], profile: dict[str, Moments]
    ) -> dict[str, jax.Array]:
        """See `unrelated_squared_error`."""
        return by_layer(unrelated_squared_error)(target, profile)

    def count(self, observed: dict[str, jax.Array]) -> dict[str, float]:
        """Size of each layer."""
        return by_layer(lambda layer: float(layer.size))(observed)


class Features(LayerSquaredError):
    """Keeps the outputs of random filters and classifier layers."""

    name = "features"
    reads = ("features",)

    def observe(self, representations: Representations, context: Context) -> dict[str, jax.Array]:
        """The features by layer, `[channels, positions, dims]`."""
        return representations.features


class Spectrogram(LayerSquaredError):
    """Keeps `log(1 + |STFT|)`."""

    name = "spectrogram"
    reads = ("log_magnitude",)

    def observe(self, representations: Representations, context: Context) -> dict[str, jax.Array]:
        """The spectrogram as a single layer, `[channels, frames, bins]`."""
        return {"spectrogram": representations.log_magnitude}
