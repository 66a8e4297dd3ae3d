"""Representations over time that are padded, see `research.audio.padding`.

Each says how many of its frames are those of the recording. The frames after them are zeros, so
that sums need not know of them.
"""

import dataclasses
from collections.abc import Callable
from typing import Self

import jax
import jax.numpy as jnp

from research.audio.padding import first


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Frames:
    """Values over time.

    Attributes:
      values: `[channels, frames, dims]`, zeros after the first `count` frames.
      count: number of frames of the recording; traced.
    """

    values: jax.Array
    count: jax.Array | int

    @classmethod
    def of(cls, values: jax.Array, count: jax.Array | int | None = None) -> Self:
        """The first `count` frames of values, by default all of them."""
        num_frames = values.shape[1]
        if count is None:
            return cls(values, num_frames)
        return cls(jnp.where(first(count, num_frames)[:, None], values, 0.0), count)

    def map(self, function: Callable[[jax.Array], jax.Array]) -> "Frames":
        """The frames after a function of their values that keeps their number."""
        return Frames.of(function(self.values), self.count)

    def mean(self) -> jax.Array:
        """Mean over time, `[channels, 1, dims]`."""
        return self.values.sum(axis=1, keepdims=True) / self.count

    def variance(self) -> jax.Array:
        """Variance over time, `[channels, 1, dims]`."""
        mean = self.mean()
        return self.map(lambda values: jnp.square(values - mean)).mean()
