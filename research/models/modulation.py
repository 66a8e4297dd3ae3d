"""Joint modulation spectrum of log-mel frames: how fast levels ripple, and over how many bins.

Ripples that rise and ripples that fall in frequency are told apart, as receptive fields of the
auditory cortex do (Chi, Ru & Shamma 2005, "Multiresolution spectrotemporal analysis of complex
sounds").
"""

import jax
import jax.numpy as jnp
import numpy as np

from research.models.texture import wider_bands

_NUM_WINDOWS = 5
_WINDOW_PART = 3  # A window has a third of the bins.
_NUM_EDGES = 9  # Between bands of rates or of scales.
_FLOOR = 1e-3  # Added to amplitudes; smaller ones are noise.


def modulation(frames: jax.Array) -> jax.Array:
    """Statistics of each segment, `[batch, frames, bins]` from 0 to 1 to `[batch, statistics]`.

    For each of five windows, a third of the bins and all frames: logarithm of the amplitudes of a
    two-dimensional Fourier transform, averaged in bands of rates and scales that get wider. The
    mean of each bin over time is subtracted first, and each window is multiplied by a Hann window
    in both directions. The order is windows, rates, scales: scale 0, the same level in all bins,
    then falling ripples, then rising ones.
    """
    num_frames, num_bins = frames.shape[1:]
    width = num_bins // _WINDOW_PART
    starts = np.linspace(0, num_bins - width, _NUM_WINDOWS).round().astype(int)
    frames = frames - frames.mean(1, keepdims=True)
    windows = jnp.stack([frames[:, :, start : start + width] for start in starts], axis=1)
    windows = windows * np.outer(np.hanning(num_frames), np.hanning(width)).astype(np.float32)
    # The sum of a Hann window is half its length; a ripple has half its energy at each sign.
    spectrum = jnp.abs(jnp.fft.rfft2(windows, axes=(3, 2))) * (8 / (num_frames * width))
    rates = wider_bands(spectrum, 2, num_frames // 2, _NUM_EDGES)
    # Of negative scales, the smallest comes last.
    scales = (
        rates[..., :1],
        wider_bands(rates, 3, width // 2, _NUM_EDGES),
        wider_bands(jnp.roll(rates[..., ::-1], 1, axis=3), 3, width // 2, _NUM_EDGES),
    )
    return jnp.log(jnp.concatenate(scales, axis=3) + _FLOOR).reshape(len(frames), -1)
