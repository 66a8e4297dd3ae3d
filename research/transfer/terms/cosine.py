"""Cosine distances between vectors of each frame, for content terms of pitch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.products import einsum, matmul
from research.transfer.representations import FLOOR
from research.transfer.terms.base import ContentTerm


class Directions(NamedTuple):
    """A unit vector for each frame, and the weight of the frame.

    Attributes:
      vectors: `[channels, frames, dims]`.
      weights: fractions of the energy of all channels and frames, `[channels, frames]`, sum 1.
    """

    vectors: jax.Array
    weights: jax.Array


def directions(vectors: jax.Array, tone: jax.Array) -> Directions:
    """Normalise vectors `[channels, frames, dims]`; `tone` gives the energy of frames.

    Frames of no energy, such as those after a recording, have no weight.
    """
    squared = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    energy = tone.sum(axis=-1)
    weights = energy / jnp.maximum(energy.sum(), 1e-9)
    return Directions(vectors * jax.lax.rsqrt(squared + FLOOR), weights)


def mean_direction(observed: Directions) -> jax.Array:
    """Weighted mean of the unit vectors, `[dims]`."""
    return einsum("ct,ctd->d", observed.weights, observed.vectors)


class CosineTerm(ContentTerm):
    """`1 - cos` of each frame, weighted by the energy of the target's frames."""

    def distance(self, observed: Directions, target: Directions) -> jax.Array:
        """From 0, the same directions, to 2, opposite ones."""
        cosine = jnp.sum(observed.vectors * target.vectors, axis=-1)
        return jnp.sum(target.weights * (1 - cosine))

    def profile(self, observed: Directions) -> jax.Array:
        """The mean direction, `[dims]`."""
        return mean_direction(observed)

    def unrelated(self, target: Directions, profile: jax.Array) -> jax.Array:
        """Expected distance of frames drawn at random: `1 - mean . mean`."""
        return jnp.maximum(1 - matmul(mean_direction(target), profile), 1e-3)
