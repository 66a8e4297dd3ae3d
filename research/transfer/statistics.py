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

from research.audio.stft import StftConfig
from research.transfer.views import FAST, NUM_FAST_MELS, NUM_MELS, Views

NUM_QUANTILES = 256
_PATCH, _FAST_PATCH, _GRAM_PATCH = 8, 12, 5  # Frames: 0.2 s, 75 ms, 0.14 s.
_STRIDE = 2  # Fast patches overlap by all but one frame: every other says the same.
_NUM_PROJECTIONS, _NUM_FAST_PROJECTIONS, _NUM_FILTERS = 128, 96, 256
_NUM_FEATURE_PROJECTIONS = 128
_MODULATION = StftConfig(n_fft=512, hop_length=256)  # Of fast frames: 3 s.
_NUM_MODULATIONS, _LOWEST_MODULATION_HZ = 12, 0.5


class Projections(NamedTuple):
    """Random directions in which patches and features are looked at.

    Attributes:
      patches: unit columns, `[8 mels, projections]`.
      fast_patches: unit columns, `[12 fast_mels, projections]`.
      filters: normal columns of mean square 1 / rows, `[5 mels, filters]`.
      features: unit columns for each layer of features, `[dims, projections]`.
    """

    patches: jax.Array
    fast_patches: jax.Array
    filters: jax.Array
    features: dict[str, jax.Array]


def make_projections(seed: int, feature_sizes: dict[str, int]) -> Projections:
    """Projections of a seed, for features of so many dims a layer."""
    key = jax.random.key(seed)

    def draw(number: int, rows: int, columns: int) -> jax.Array:
        values = jax.random.normal(jax.random.fold_in(key, number), (rows, columns))
        return values / jnp.linalg.norm(values, axis=0)

    return Projections(
        patches=draw(0, _PATCH * NUM_MELS, _NUM_PROJECTIONS),
        fast_patches=draw(1, _FAST_PATCH * NUM_FAST_MELS, _NUM_FAST_PROJECTIONS),
        filters=draw(2, _GRAM_PATCH * NUM_MELS, _NUM_FILTERS),
        features={
            name: draw(3 + i, size, _NUM_FEATURE_PROJECTIONS)
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


def patches(values: jax.Array, width: int, stride: int = 1) -> jax.Array:
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
    return quantiles(patches(views.mel, _PATCH) @ projections.patches)


def fast_patch_levels(views: Views, projections: Projections) -> jax.Array:
    """The same of 75 ms of fast mel bands: attacks and grain."""
    return quantiles(patches(views.fast_mel, _FAST_PATCH, _STRIDE) @ projections.fast_patches)


def patch_gram(views: Views, projections: Projections) -> jax.Array:
    """Gram matrix of ReLU random filters over 0.14 s of mel bands, by frames.

    `[channels, filters, filters]` (Gatys et al. 2016; Ulyanov & Lebedev 2016).
    """
    # Log power over 3 is about -2 at rms 0.1: the shift lets the filters see it around zero.
    seen = jax.nn.relu(patches(views.mel + 2.0, _GRAM_PATCH) @ projections.filters)
    return jnp.einsum("ctf,ctg->cfg", seen, seen) / seen.shape[1]


def modulation(views: Views, projections: Projections) -> jax.Array:
    """Log power of the envelopes of fast mel bands in twelve ranges from 0.5 Hz: rhythm, flutter.

    Welch's method over 3 s, `[channels, modulations, fast_mels]`. A shorter piece is filled up with
    its mean, and its power scaled to what there is of it.
    """
    envelope = views.fast_mel - views.fast_mel.mean(axis=1, keepdims=True)
    size, hop = _MODULATION.n_fft, _MODULATION.hop_length
    num_frames = envelope.shape[1]
    envelope = jnp.pad(envelope, ((0, 0), (0, max(size - num_frames, 0)), (0, 0)))
    starts = range(0, envelope.shape[1] - size + 1, hop)
    blocks = jnp.stack([envelope[:, start : start + size] for start in starts], axis=1)
    window = _MODULATION.window_values()[:, None]
    spectra = jnp.fft.rfft(blocks * window, axis=2)
    power = (jnp.square(spectra.real) + jnp.square(spectra.imag)).mean(axis=1)
    seen = np.sum(np.square(window[: min(size, num_frames)]))
    return jnp.log(jnp.einsum("mk,ckb->cmb", _modulation_ranges(), power / seen) + 1e-4)


def _modulation_ranges() -> np.ndarray:
    """Mean over each of the ranges that hold a frequency at all, `[modulations, frequencies]`."""
    # In parts of the frame rate, so that a style is the same at any sample rate.
    frame_rate = 22050 / FAST.hop_length
    frequencies = np.fft.rfftfreq(_MODULATION.n_fft, 1 / frame_rate)
    edges = np.geomspace(_LOWEST_MODULATION_HZ, frame_rate / 2, _NUM_MODULATIONS + 1)
    inside = (frequencies >= edges[:-1, None]) & (frequencies < edges[1:, None])
    inside = inside[inside.any(axis=1)]
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


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
