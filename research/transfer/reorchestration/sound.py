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
_FLOOR = 1e-5  # Of the loudest bin, for logarithms.
_CHANNEL_FRAMES, _CHANNEL_BINS = 9, 33


def render(samples: np.ndarray, mixed: np.ndarray, target: Target, amount: float) -> np.ndarray:
    """Waveform of a target, with the content's phases to start from.

    `T = M^(1 - b) F^b` with the content filtered by the ratio of the target to the content's own
    model, `F = |C| M / Mc`. Noise-like sound keeps its fine structure by a b close to 1; a tonal
    target has b = 0.1. The phase is that of 20 iterations of fast Griffin-Lim from the content's.

    Args:
      samples: the content, `[channels, samples]` at 22 050 Hz.
      mixed: magnitudes of its channels mixed, `[frames, bins]`.
      target: of the same mix.
      amount: fraction of the way from the content's log magnitudes to the target's, 0 to 1.

    Returns:
      `[channels, samples]`.
    """
    gain = target.magnitude / (target.model + 1e-4 * target.magnitude.max() + 1e-12)
    filtered = mixed * np.clip(gain, 0, _LARGEST_GAIN)
    filtered = np.clip(filtered, target.magnitude / _RANGE, _RANGE * target.magnitude)
    share = _FILTERED + _NOISY_FILTERED * target.noisiness
    wanted = target.magnitude ** (1 - share) * filtered**share
    levels = _channel_levels(samples)
    # One by one, which needs less memory, and one program for any number of channels.
    return np.concatenate(
        [
            _render_channel(channel[None], wanted * level, amount)
            for channel, level in zip(samples, levels, strict=True)
        ]
    )


def _render_channel(samples: np.ndarray, wanted: np.ndarray, amount: float) -> np.ndarray:
    """Waveform `[1, samples]` of the magnitudes wanted, `[frames, bins]`."""
    content = spectrum(samples)
    magnitude = np.abs(content)
    floor = _FLOOR * wanted.max() + 1e-12
    reached = (magnitude + floor) ** (1 - amount) * (wanted + floor) ** amount - floor
    return np.asarray(
        griffin_lim(
            jnp.asarray(np.maximum(reached, 0).astype(np.float32)),
            jnp.asarray((content / np.maximum(magnitude, 1e-12)).astype(np.complex64)),
            STFT,
            length=samples.shape[-1],
            num_iterations=_NUM_ITERATIONS,
            momentum=_MOMENTUM,
        )
    )


def _channel_levels(samples: np.ndarray) -> np.ndarray:
    """Level of each channel beside their mean, smoothed in time and frequency.

    `[channels, samples]` to `[channels, frames, bins]`, or to ones for one channel.
    """
    from scipy.ndimage import uniform_filter1d

    if len(samples) == 1:
        return np.ones((1, 1, 1), np.float32)
    power = np.stack([np.square(np.abs(spectrum(channel))) for channel in samples])
    power = uniform_filter1d(power, _CHANNEL_FRAMES, axis=1)
    power = uniform_filter1d(power, _CHANNEL_BINS, axis=2).clip(0)  # Sums run below 0 by rounding.
    return np.sqrt(power / np.maximum(power.mean(axis=0), 1e-12))
