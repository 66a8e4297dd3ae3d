"""From target magnitudes to a waveform, in every channel of the content."""

import numpy as np

from research.transfer.reorchestration.spectra import between
from research.transfer.reorchestration.target import Target
from research.transfer.reorchestration.transform import griffin_lim, inverse, spectrum

_NUM_ITERATIONS, _MOMENTUM = 20, 0.5
_FILTERED, _NOISY_FILTERED = 0.1, 0.9  # Share of the filtered content.
_LARGEST_GAIN = 200.0
_RANGE = 10.0
_FLOOR = 1e-5  # Of the loudest bin, for logarithms.
_LEVELS, _PHASES = (9, 33), (3, 7)  # Frames and bins that those of a channel are means of.
_SILENT = 1e-20


def render(samples: np.ndarray, mix: np.ndarray, target: Target, amount: float) -> np.ndarray:
    """Waveform of a target, with the content's phases to start from.

    `T = M^(1 - b) F^b` with the content filtered by the ratio of the target to the content's own
    model, `F = |C| M / Mc`. Noise-like sound keeps its fine structure by a b close to 1; a tonal
    target has b = 0.1. The phase is that of 20 iterations of fast Griffin-Lim from the content's,
    of the mix. Channels keep their levels and phases beside it.

    Args:
      samples: the content, `[channels, samples]` at 22 050 Hz.
      mix: spectrum of its channels mixed, `[frames, bins]`.
      target: of the same mix.
      amount: fraction of the way from the content's log magnitudes to the target's, 0 to 1.

    Returns:
      `[channels, samples]`.
    """
    magnitude, loudest = np.abs(mix), target.magnitude.max()
    gain = target.magnitude / (target.model + 1e-4 * loudest + 1e-12)
    filtered = magnitude * np.clip(gain, 0, _LARGEST_GAIN)
    filtered = np.clip(filtered, target.magnitude / _RANGE, _RANGE * target.magnitude)
    share = _FILTERED + _NOISY_FILTERED * target.noisiness
    wanted = target.magnitude ** (1 - share) * filtered**share
    played = griffin_lim(
        _between(magnitude, wanted, amount),
        _sign(mix),
        samples.shape[1],
        num_iterations=_NUM_ITERATIONS,
        momentum=_MOMENTUM,
    )
    if len(samples) == 1:
        return played[None]
    return _spread(samples, mix, _sign(spectrum(played)), wanted, amount)


def _between(magnitude: np.ndarray, wanted: np.ndarray, amount: float) -> np.ndarray:
    """Magnitudes a fraction of the way to those that are wanted, in dB."""
    return between(magnitude, wanted, amount, _FLOOR * wanted.max() + 1e-12)


def _spread(
    samples: np.ndarray, content: np.ndarray, phase: np.ndarray, wanted: np.ndarray, amount: float
) -> np.ndarray:
    """What is played by the mix, in every channel.

    Channel c has the magnitudes `wanted sqrt(P_c / mean(P))`, with powers P smoothed in time and
    frequency, and the phase of the mix turned by that of `C_c conj(C)`, the more smoothed the more
    style there is: partials that the content lacks lie where those around them do.

    Args:
      samples: the content, `[channels, samples]`.
      content: spectrum of its mix, `[frames, bins]`.
      phase: of the mix as it is played, complex `[frames, bins]`.
      wanted: magnitudes of the mix.
      amount: 0 to 1.
    """
    channels = [spectrum(channel) for channel in samples]
    powers = [_smooth(np.square(np.abs(channel)), _LEVELS) for channel in channels]
    mean, spread = np.maximum(np.mean(powers, axis=0), 1e-12), []
    for channel, power in zip(channels, powers, strict=True):
        cross = channel * content.conj()
        cross = (1 - amount) * cross + amount * _smooth(cross, _PHASES)
        level = np.sqrt(power.clip(0) / mean)  # Running sums fall below 0 by rounding.
        magnitude = _between(np.abs(channel), wanted * level, amount)
        spread.append(inverse(magnitude * _sign(cross) * phase, samples.shape[1]))
    return np.stack(spread)


def _smooth(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over so many frames and bins."""
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(uniform_filter1d(values, size[0], axis=0), size[1], axis=1)


def _sign(spectrum: np.ndarray) -> np.ndarray:
    """`z / |z|`, and 1 where z is 0."""
    magnitude = np.abs(spectrum)
    silent = magnitude < _SILENT
    return np.where(silent, 1, spectrum / np.where(silent, 1, magnitude)).astype(np.complex64)
