"""Statistics of log-mel frames over time: level, variation, speed of change and covariance.

They tell genres apart without learnt features, from few examples (Tzanetakis & Cook 2002).
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from research.products import einsum, matmul

MIN_FRAMES = 8
MIN_BINS = 30
_NUM_CEPSTRA = 30
_NUM_CORRELATED = 20
_NUM_WIDE_BANDS = 16
_NUM_EDGES = 11  # Between bands of rates.
_UNIT = 40.0  # Value of a sinusoid of amplitude 1 in the modulation spectrum.
_FLOOR = 0.05  # Added to that spectrum; smaller values are noise.
_TINY = 1e-6  # Added to variances, so that the gradient of their root is finite.


def texture(frames: jax.Array) -> jax.Array:
    """Statistics of each segment, `[batch, frames, bins]` from 0 to 1 to `[batch, statistics]`.

    In this order: mean and standard deviation of each bin; mean of the first 30 cepstra (an
    orthonormal DCT-II over the bins), covariance of the first 20 of them, standard deviation of
    their change from frame to frame; logarithm of the modulation spectrum of 16 wide bands, in
    bands of rates that get wider; mean absolute change along time and along bins; standard
    deviation of the positive changes along time.

    Raises:
      ValueError: there are fewer than 8 frames or 30 bins.
    """
    num_frames, num_bins = frames.shape[1:]
    if num_frames < MIN_FRAMES or num_bins < MIN_BINS:
        raise ValueError(
            f"{num_frames} frames by {num_bins} bins are less than {MIN_FRAMES} by {MIN_BINS}"
        )
    change = jnp.diff(frames, axis=1)
    cepstrum = matmul(frames, _dct(num_bins))
    first = cepstrum[:, :, :_NUM_CORRELATED]
    first = first - first.mean(1, keepdims=True)
    covariance = einsum("bti,btj->bij", first, first) / num_frames
    return jnp.concatenate(
        [
            frames.mean(1),
            _standard_deviation(frames),
            cepstrum.mean(1),
            covariance[:, *np.triu_indices(_NUM_CORRELATED)],
            _standard_deviation(jnp.diff(cepstrum, axis=1)),
            jnp.log(_modulation(frames).reshape(len(frames), -1) + _FLOOR),
            jnp.abs(change).mean(1),
            jnp.abs(jnp.diff(frames, axis=2)).mean(1),
            _standard_deviation(jnp.maximum(change, 0.0)),
        ],
        axis=1,
    )


def _modulation(frames: jax.Array) -> jax.Array:
    """Modulation spectrum of wide bands, `[batch, rates, wide bands]`."""
    num_frames, num_bins = frames.shape[1:]
    wide = matmul(frames, _wide_bands(num_bins))
    wide = (wide - wide.mean(1, keepdims=True)) * np.hanning(num_frames)[:, None]
    # The sum of a Hann window is half its length; a sinusoid has half its energy at each sign.
    spectrum = jnp.abs(jnp.fft.rfft(wide, axis=1)) * (4 * _UNIT / num_frames)
    return wider_bands(spectrum, 1, num_frames // 2, _NUM_EDGES)


def wider_bands(spectrum: jax.Array, axis: int, highest: int, num_edges: int) -> jax.Array:
    """Means of a spectrum over bands of an axis, from 1 to `highest`, that get wider.

    The edges are a geometric series of `num_edges` whole numbers; those of low bands coincide.
    """
    edges = np.unique(np.geomspace(1, highest + 1, num_edges).round().astype(int))
    bands = (
        jax.lax.slice_in_dim(spectrum, low, high, axis=axis).mean(axis)
        for low, high in itertools.pairwise(edges)
    )
    return jnp.stack(list(bands), axis=axis)


def _standard_deviation(values: jax.Array) -> jax.Array:
    return jnp.sqrt(values.var(1) + _TINY)


def _dct(num_bins: int) -> np.ndarray:
    """The first columns of an orthonormal DCT-II, `[bins, cepstra]` float32."""
    number, place = np.arange(_NUM_CEPSTRA), np.arange(num_bins)[:, None] + 0.5
    basis = np.cos(np.pi * number * place / num_bins) * np.sqrt(2 / num_bins)
    basis[:, 0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _wide_bands(num_bins: int) -> np.ndarray:
    """Means over equal groups of bins, `[bins, wide bands]` float32."""
    band = np.arange(num_bins) * _NUM_WIDE_BANDS // num_bins
    members = band[:, None] == np.arange(_NUM_WIDE_BANDS)
    return (members / members.sum(0)).astype(np.float32)
