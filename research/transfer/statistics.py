"""What a style is: statistics of sound that have no time in them, each of one size for any length.

A statistic maps views to an array. A style is asked for by the mean squared error between its
statistics and those of the output, so statistics may be saved, averaged over several pieces, and
compared with a piece of another length. Sorted values are read off as quantiles: the squared error
of two quantile functions is the squared Wasserstein distance of the two distributions.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.transfer.views import NUM_FAST_MELS, NUM_MELS, Views

NUM_QUANTILES = 256
_PATCH, _FAST_PATCH = 8, 12  # Frames: 0.2 s, 75 ms.
_STRIDE, _FAST_STRIDE = 2, 4  # Of patches that overlap by two thirds at least.
_NUM_PROJECTIONS, _NUM_FAST_PROJECTIONS = 128, 96
_NUM_FEATURE_PROJECTIONS = 128


class Projections(NamedTuple):
    """Random directions in which patches and features are looked at.

    Attributes:
      patches: unit columns, `[8 mels, projections]`.
      fast_patches: unit columns, `[12 fast_mels, projections]`.
      features: unit columns for each layer of features, `[dims, projections]`.
    """

    patches: jax.typing.ArrayLike
    fast_patches: jax.typing.ArrayLike
    features: dict[str, jax.typing.ArrayLike]


def make_projections(seed: int, feature_sizes: dict[str, int]) -> Projections:
    """Projections of a seed, for features of so many dims a layer."""

    def draw(number: int, rows: int, columns: int) -> np.ndarray:
        values = np.random.default_rng([seed, number]).standard_normal((rows, columns))
        return (values / np.linalg.norm(values, axis=0)).astype(np.float32)

    return Projections(
        patches=draw(0, _PATCH * NUM_MELS, _NUM_PROJECTIONS),
        fast_patches=draw(1, _FAST_PATCH * NUM_FAST_MELS, _NUM_FAST_PROJECTIONS),
        features={
            name: draw(2 + i, size, _NUM_FEATURE_PROJECTIONS)
            for i, (name, size) in enumerate(sorted(feature_sizes.items()))
        },
    )


def quantiles(values: jax.Array, num_quantiles: int = NUM_QUANTILES) -> jax.Array:
    """Quantile functions over time, `[channels, frames, dims]` to `[channels, quantiles, dims]`.

    At `(i + 1/2) / num_quantiles`, between sorted values of which the `j`-th of `n` stands at
    `(j + 1/2) / n`, linearly.
    """
    num_frames = values.shape[1]
    ordered = jnp.sort(jnp.swapaxes(values, 1, 2), axis=-1)
    position = (np.arange(num_quantiles) + 0.5) * num_frames / num_quantiles - 0.5
    position = np.clip(position, 0, num_frames - 1)
    below = np.minimum(position.astype(int), max(num_frames - 2, 0))
    above = np.minimum(below + 1, num_frames - 1)
    share = (position - below).astype(np.float32)
    between = ordered[..., below] * (1 - share) + ordered[..., above] * share
    return jnp.swapaxes(between, 1, 2)


def patches(values: jax.Array, width: int, stride: int) -> jax.Array:
    """Stacks of `width` frames, `[channels, frames, dims]` to `[channels, patches, width dims]`.

    A piece of fewer frames holds its last one.
    """
    missing = max(width - values.shape[1], 0)
    values = jnp.pad(values, ((0, 0), (0, missing), (0, 0)), mode="edge")
    last = values.shape[1] - width
    return jnp.concatenate([values[:, i : i + last + 1 : stride] for i in range(width)], axis=-1)


def band_levels(views: Views, projections: Projections) -> jax.Array:
    """How loud each mel band is, how often: quantiles, `[channels, quantiles, mels]`."""
    return quantiles(views.mel)


def spectrum(views: Views, projections: Projections) -> jax.Array:
    """Long-term mean of the log spectrum, `[channels, 1, bins]`."""
    return views.spectrum.mean(axis=1, keepdims=True)


def patch_levels(views: Views, projections: Projections) -> jax.Array:
    """Quantiles of projections of 0.2 s of mel bands: a sliced Wasserstein distance of texture."""
    return quantiles(patches(views.mel, _PATCH, _STRIDE) @ projections.patches)


def fast_patch_levels(views: Views, projections: Projections) -> jax.Array:
    """The same of 75 ms of fast mel bands: attacks and grain."""
    return quantiles(patches(views.fast_mel, _FAST_PATCH, _FAST_STRIDE) @ projections.fast_patches)


def band_correlation(views: Views, projections: Projections) -> jax.Array:
    """Correlation between the envelopes of fast mel bands, `[channels, fast_mels, fast_mels]`."""
    bands = views.fast_mel - views.fast_mel.mean(axis=1, keepdims=True)
    deviation = jnp.sqrt(jnp.mean(jnp.square(bands), axis=1, keepdims=True) + 1e-4)
    standard = bands / deviation
    return jnp.einsum("ctf,ctg->cfg", standard, standard) / standard.shape[1]


def feature_levels(views: Views, projections: Projections) -> dict[str, jax.Array]:
    """Quantiles of projections of features, by layer: a sliced Wasserstein distance."""
    return {
        name: quantiles(values @ projections.features[name])
        for name, values in views.features.items()
    }
