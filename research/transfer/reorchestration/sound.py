"""From target magnitudes to a waveform, in every channel of the content."""

import jax.numpy as jnp
import numpy as np

from research.audio.phase import griffin_lim
from research.transfer.reorchestration.grid import STFT, spectrum
from research.transfer.reorchestration.target import Target

_NUM_ITERATIONS, _MOMENTUM = 20, 0.5
_FILTERED, _NOISY_FILTERED = 0.1, 0.9  # Share of the filtered content.
_LARGEST_GAIN = 200.0
_RANGE = 10.0
_CHANNEL_FRAMES, _CHANNEL_BINS = 9, 33


def render(samples: np.ndarray, target: Target, amount: float) -> np.ndarray:
    """Waveform of a target, with the content's phases to start from.

    `T = M^(1 - b) F^b` with the content filtered by the ratio of the target to the content's own
    model, `F = |C| M / Mc`. Noise-like sound keeps its fine structure by a b close to 1; a tonal
    target has b = 0.1. The phase is that of 20 iterations of fast Griffin-Lim from the content's.

    Args:
      samples: the content, `[channels, samples]` at 22 050 Hz.
      target: of the mean of its channels.
      amount: fraction of the way from the content's log magnitudes to the target's, 0 to 1.

    Returns:
      `[channels, samples]`.
    """
    content = spectrum(samples)
    mean = np.abs(content.mean(axis=0))
    gain = target.magnitude / (target.model + 1e-4 * target.magnitude.max() + 1e-12)
    filtered = mean * np.clip(gain, 0, _LARGEST_GAIN)
    filtered = np.clip(filtered, target.magnitude / _RANGE, _RANGE * target.magnitude)
    share = _FILTERED + _NOISY_FILTERED * target.noisiness
    wanted = target.magnitude ** (1 - share) * filtered**share * _channel_levels(content)
    floor = 1e-5 * wanted.max() + 1e-12
    magnitude = np.abs(content)
    wanted = (magnitude + floor) ** (1 - amount) * (wanted + floor) ** amount - floor
    phase = content / np.maximum(magnitude, 1e-12)
    return np.asarray(
        griffin_lim(
            jnp.asarray(np.maximum(wanted, 0).astype(np.float32)),
            jnp.asarray(phase.astype(np.complex64)),
            STFT,
            length=samples.shape[-1],
            num_iterations=_NUM_ITERATIONS,
            momentum=_MOMENTUM,
        )
    )


def _channel_levels(content: np.ndarray) -> np.ndarray:
    """Level of each channel beside their mean, smoothed in time and frequency.

    Ones for one channel. `[channels, frames, bins]` for a complex spectrum of the same shape.
    """
    from scipy.ndimage import uniform_filter1d

    if len(content) == 1:
        return np.ones((1, 1, 1), np.float32)
    power = uniform_filter1d(np.square(np.abs(content)), _CHANNEL_FRAMES, axis=1)
    power = uniform_filter1d(power, _CHANNEL_BINS, axis=2).clip(0)  # Sums run below 0 by rounding.
    return np.sqrt(power / np.maximum(power.mean(axis=0), 1e-12))
