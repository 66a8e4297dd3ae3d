"""From target magnitudes to a waveform, in every channel of the content."""

import numpy as np

from research.transfer.reorchestration.blocks import spans
from research.transfer.reorchestration.spectra import between
from research.transfer.reorchestration.target import Target
from research.transfer.reorchestration.transform import (
    MARGIN,
    Synthesis,
    griffin_lim,
    spectrum_around,
)

_NUM_ITERATIONS, _MOMENTUM = 20, 0.5
_FILTERED, _NOISY_FILTERED = 0.1, 0.9  # Exponent b of the filtered content, see `render`.
_LARGEST_GAIN = 200.0
_RANGE = 10.0
_FLOOR = 1e-5  # Of the loudest bin, for logarithms.
_LEVELS, _PHASES = (9, 33), (3, 7)  # Frames and bins over which levels and phases are smoothed.
_AROUND, _LEAST_LOCAL = (9, 513), 1e-3  # 2.8 kHz on each side; -30 dB of it is added.
_SILENT = 1e-20


def render(samples: np.ndarray, mix: np.ndarray, target: Target, amount: float) -> np.ndarray:
    """Waveform of a target, with the content's phases to start from.

    `T = M^(1 - b) F^b` with the content filtered by the ratio of the target to the content's own
    model, `F = |C| M / Mc`. Noise-like sound keeps its fine structure by a b close to 1; a tonal
    target has b = 0.1. The phase is that of 20 iterations of fast Griffin-Lim from the content's,
    of the mix. Channels keep their levels and phases beside it.

    Args:
      samples: the content, `[channels, samples]` at 22 050 Hz.
      mix: its channels mixed, `[samples]`.
      target: of the same mix.
      amount: fraction of the way from the content's log magnitudes to the target's, 0 to 1.

    Returns:
      `[channels, samples]`.
    """
    wanted = _filter_content(target)
    floor = _FLOOR * float(wanted.max()) + 1e-12
    between_both = wanted
    if amount < 1:
        between_both = np.empty_like(wanted)
        for span in spans(len(wanted)):
            between_both[span] = between(target.content[span], wanted[span], amount, floor)
    del target  # As large as what is still needed.
    played = griffin_lim(between_both, mix, _NUM_ITERATIONS, _MOMENTUM)
    if len(samples) == 1:
        return played[None]
    return _spread(samples, mix, played, wanted, floor, amount)


def _filter_content(target: Target) -> np.ndarray:
    """`M^(1 - b) F^b`, see `render`, `[frames, bins]`."""
    least = 1e-4 * target.magnitude.max() + 1e-12
    share = _FILTERED + _NOISY_FILTERED * target.noisiness
    wanted = np.empty_like(target.magnitude)
    for span in spans(len(wanted)):
        magnitude = target.magnitude[span]
        model = target.own.levels[span] @ target.own.spectra
        gain = np.clip(magnitude / (model + least), 0, _LARGEST_GAIN)
        filtered = np.clip(target.content[span] * gain, magnitude / _RANGE, _RANGE * magnitude)
        wanted[span] = magnitude ** (1 - share) * filtered**share
    return wanted


def _spread(
    samples: np.ndarray,
    mix: np.ndarray,
    played: np.ndarray,
    wanted: np.ndarray,
    floor: float,
    amount: float,
) -> np.ndarray:
    """Waveform of each channel from the rendered mix, `[channels, samples]`.

    Channel c has the magnitudes `wanted sqrt(P_c / mean(P))`, with powers P smoothed in time and
    frequency, and the phase of the mix turned by that of `C_c conj(C)`, the more smoothed the more
    style there is: partials that the content lacks lie where those around them do, and where there
    is only noise, 30 dB below its surroundings, where these do.

    Args:
      samples: the content, `[channels, samples]`.
      mix: its channels mixed, `[samples]`.
      played: the mix as it is played, `[samples]`.
      wanted: magnitudes of the mix, `[frames, bins]`.
      floor: of magnitudes, for logarithms.
      amount: 0 to 1.
    """
    synthesis, inner = [Synthesis(len(mix)) for _ in samples], slice(MARGIN, -MARGIN)
    for span in spans(len(wanted)):
        content = spectrum_around(mix, span)
        phase = _sign(spectrum_around(played, span)[inner])
        channels = [spectrum_around(channel, span) for channel in samples]
        powers = [_local(np.square(np.abs(channel)), _LEVELS)[inner] for channel in channels]
        mean = np.maximum(np.mean(powers, axis=0), 1e-12)
        for channel, power, output in zip(channels, powers, synthesis, strict=True):
            cross = channel * content.conj()
            cross = ((1 - amount) * cross + amount * _local(cross, _PHASES))[inner]
            level = np.sqrt(power.clip(0) / mean)  # Running sums fall below 0 by rounding.
            magnitude = between(np.abs(channel[inner]), wanted[span] * level, amount, floor)
            output.add((magnitude * _sign(cross) * phase).astype(np.complex64))
    return np.stack([output.samples() for output in synthesis])


def _local(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over so many frames and bins, and -30 dB of the mean over 5.5 kHz."""
    return _smooth(values, size) + _LEAST_LOCAL * _smooth(values, _AROUND)


def _smooth(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over so many frames and bins."""
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(uniform_filter1d(values, size[0], axis=0), size[1], axis=1)


def _sign(spectrum: np.ndarray) -> np.ndarray:
    """`z / |z|`, and 1 where z is 0."""
    magnitude = np.abs(spectrum)
    silent = magnitude < _SILENT
    return np.where(silent, 1, spectrum / np.where(silent, 1, magnitude)).astype(np.complex64)
