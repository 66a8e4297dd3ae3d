"""Squared errors of features and of the spectrogram, as in the published systems.

They keep the timbre of the content along with its notes and rhythm.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.transfer.frames import Frames
from research.transfer.representations import Representations
from research.transfer.terms.base import ContentTerm, Context
from research.transfer.terms.distances import by_layer, num_values, squared_error


class Moments(NamedTuple):
    """Mean and variance over time, each `[dims]`."""

    mean: jax.Array
    variance: jax.Array


def moments(observed: Frames) -> Moments:
    """Moments over channels and frames of `[channels, frames, dims]`."""
    means = observed.mean()
    mean = means.mean(axis=(0, 1))
    variance = observed.variance() + jnp.square(means - mean)
    return Moments(mean, variance.mean(axis=(0, 1)))


def unrelated_squared_error(target: Frames, profile: Moments) -> jax.Array:
    """Squared error between frames that are unrelated in time.

    `E sum ||c - s||^2` over all pairs of a content and a style frame, which for channels of mean
    `m` and variance `v` is `frames sum (v_c + v_s + (m_c - m_s)^2)`; at least a millionth of the
    content's energy, for equal recordings.
    """
    means = jnp.square(target.mean() - profile.mean)
    distance = target.count * jnp.sum(target.variance() + profile.variance + means)
    return jnp.maximum(distance, 1e-6 * jnp.sum(jnp.square(target.values)))


class LayerSquaredError(ContentTerm):
    """Sum of squared differences, for each layer `[channels, frames, dims]` of an observation."""

    def distance(
        self, observed: dict[str, Frames], target: dict[str, Frames]
    ) -> dict[str, jax.Array]:
        """Sum of squared differences."""
        return by_layer(squared_error)(observed, target)

    def profile(self, observed: dict[str, Frames]) -> dict[str, Moments]:
        """Mean and variance over time."""
        return by_layer(moments)(observed)

    def unrelated(
        self, target: dict[str, Frames], profile: dict[str, Moments]
    ) -> dict[str, jax.Array]:
        """See `unrelated_squared_error`."""
        return by_layer(unrelated_squared_error)(target, profile)

    def count(self, observed: dict[str, Frames]) -> dict[str, jax.Array]:
        """Size of each layer."""
        return by_layer(num_values)(observed)


class Features(LayerSquaredError):
    """Keeps the outputs of random filters and classifier layers."""

    name = "features"
    reads = ("features",)

    def observe(self, representations: Representations, context: Context) -> dict[str, Frames]:
        """The features by layer, `[channels, positions, dims]`."""
        return representations.features


class Spectrogram(LayerSquaredError):
    """Keeps `log(1 + |STFT|)`."""

    name = "spectrogram"
    reads = ("log_magnitude",)

    def observe(self, representations: Representations, context: Context) -> dict[str, Frames]:
        """The spectrogram as a single layer, `[channels, frames, bins]`."""
        return {"spectrogram": representations.log_magnitude}
