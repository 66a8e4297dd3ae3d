"""Distribution of short patches of mel bands: sliced Wasserstein distances of texture."""

from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.products import matmul
from research.transfer.frames import Frames
from research.transfer.quantiles import quantiles, random_projections
from research.transfer.representations import NUM_FAST_MELS, NUM_MELS, Representations
from research.transfer.terms.base import Context
from research.transfer.terms.statistic import Statistic


def patches(frames: Frames, width: int, stride: int) -> Frames:
    """Stacks of `width` frames, `[channels, frames, dims]` to `[channels, patches, width dims]`.

    If there are fewer frames, the last one is repeated.
    """
    missing = max(width - frames.values.shape[1], 0)
    values = jnp.pad(frames.values, ((0, 0), (0, missing), (0, 0)))
    # A patch ends before the frames after a recording do, unless it is the only one.
    held = jnp.minimum(jnp.arange(width), frames.count - 1)
    values = values.at[:, :width].set(values[:, held])
    last = values.shape[1] - width
    stacks = [values[:, i : i + last + 1 : stride] for i in range(width)]
    count = jnp.maximum(frames.count - width, 0) // stride + 1
    return Frames.of(jnp.concatenate(stacks, axis=-1), count)


class Patches(Statistic):
    """Transfers the texture of 0.2 s: the distribution of patches of 8 frames of mel bands."""

    name = "patches"
    weight = 1.0
    reads = ("mel",)
    num_bands: ClassVar[int] = NUM_MELS
    width: ClassVar[int] = 8  # Frames, 0.2 s.
    stride: ClassVar[int] = 2  # Frames.
    num_projections: ClassVar[int] = 128
    stream: ClassVar[int] = 0  # Of random numbers.

    def make_constants(self, seed: int, feature_dims: Mapping[str, int]) -> np.ndarray:
        """Random projections of patches, `[width bands, projections]`."""
        num_dims = self.width * self.num_bands
        return random_projections([seed, self.stream], num_dims, self.num_projections)

    def observe(self, representations: Representations, context: Context) -> jax.Array:
        """Quantiles over time of projected patches, `[1, quantiles, projections]`."""
        [source] = self.reads
        bands = getattr(representations, source)
        stacks = patches(bands, self.width, self.stride)
        return quantiles(stacks.map(lambda values: matmul(values, context.constants)))


class FastPatches(Patches):
    """Transfers attacks and grain: the same over 75 ms, at four times the frame rate."""

    name = "fast_patches"
    reads = ("fast_mel",)
    num_bands = NUM_FAST_MELS
    width = 12  # Frames, 75 ms.
    stride = 4
    num_projections = 96
    stream = 1
