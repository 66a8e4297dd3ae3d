"""Statistics of spectrograms, and corrections that move a spectrogram towards a style.

All take magnitudes `[frames, bins]`. Logarithms of a style are passed as its statistics, so that
they can be kept without its audio. The spectra of a long piece are large, so what is computed of
each frame alone is computed block by block, and spectra are changed in place.
"""

import numpy as np

from research.audio.median import running_median
from research.transfer.reorchestration.blocks import spans
from research.transfer.reorchestration.grid import bands

_MEDIAN_FRAMES, _MEDIAN_BINS = 17, 31
_LEAST_PERCUSSION = 0.4
_NOISY_BINS, _AVERAGED_BINS = 370, 25  # 0 to 4 kHz, and 270 Hz.
_TONAL, _NOISY = 0.95, 0.70  # Standard deviations.
NUM_BANDS, NUM_QUANTILES = 64, 50
_REST_DB = 40.0
_SMOOTHED_BINS = 8  # Standard deviation.
_MOST_CHANGE = 1.5  # Of a logarithm: 13 dB.
_QUANTILES = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES


def noisiness(magnitude: np.ndarray) -> float:
    """Noisiness of magnitudes `[frames, bins]`: 0 is tonal, 1 like noise or distorted guitars.

    It falls with the standard deviation of the log spectrum about its mean over 270 Hz, in loud
    frames up to 4 kHz: a tonal spectrum has peaks. Where nothing within 130 Hz is above -60 dB,
    between the few partials of a pure tone, there is no spectrum to compare.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    energy = _energies(magnitude)
    loud = energy > 1e-3 * np.quantile(energy, 0.95)
    if not loud.any():
        return 0.0
    squares, count = 0.0, 0
    for span in spans(len(magnitude)):
        block = magnitude[span][loud[span]]
        floor = 1e-4 * block.max(axis=1, keepdims=True) + 1e-5
        block = block[:, : _NOISY_BINS + _AVERAGED_BINS]  # Those that count, and around them.
        logs = np.log(block + floor)
        spread = logs - uniform_filter1d(logs, _AVERAGED_BINS, axis=1)
        counted = maximum_filter1d(block, _AVERAGED_BINS, axis=1) > 10 * floor
        squares += np.square(spread * counted)[:, :_NOISY_BINS].sum(dtype=np.float64)
        count += counted[:, :_NOISY_BINS].sum()
    deviation = np.sqrt(squares / max(count, 1))
    return float(np.clip((_TONAL - deviation) / (_TONAL - _NOISY), 0, 1))


def find_percussion(magnitude: np.ndarray) -> np.ndarray:
    """Percussive part by median filters over time and frequency (Fitzgerald 2010).

    The harmonic part is the rest.
    """
    percussion = np.empty_like(magnitude)
    side, num_frames = _MEDIAN_FRAMES // 2, len(magnitude)
    mirrored = np.pad(np.arange(num_frames), side, mode="symmetric")
    for span in spans(num_frames):
        block = magnitude[span]
        around = magnitude[mirrored[span.start : span.stop + 2 * side]]
        harmonic = np.square(running_median(around.T, _MEDIAN_FRAMES).T[side:-side])
        percussive = np.square(running_median(block, _MEDIAN_BINS))
        percussion[span] = block * (1 - harmonic / (harmonic + percussive + 1e-12))
    return percussion


def percussive_share(magnitude: np.ndarray) -> float:
    """Energy of the percussive part as a fraction of both parts, 0 to 1."""
    harmonic, percussive = _part_energies(magnitude, find_percussion(magnitude))
    return percussive / max(harmonic + percussive, 1e-12)


def limit_percussion(magnitude: np.ndarray, share: float) -> np.ndarray:
    """Lower the percussive part in place to a style's fraction of energy, by at most 8 dB."""
    percussion = find_percussion(magnitude)
    harmonic, percussive = _part_energies(magnitude, percussion)
    own, wanted = percussive / max(harmonic, 1e-12), share / max(1 - share, 1e-12)
    gain = np.clip(np.sqrt(wanted / max(own, 1e-12)), _LEAST_PERCUSSION, 1)
    percussion *= np.float32(1 - gain)
    magnitude -= percussion
    return magnitude


def _part_energies(magnitude: np.ndarray, percussion: np.ndarray) -> tuple[float, float]:
    """Energies of the harmonic and of the percussive part."""
    harmonic = sum(
        np.square(magnitude[span] - percussion[span]).sum(dtype=np.float64)
        for span in spans(len(magnitude))
    )
    return float(harmonic), float(_energies(percussion).sum())


def _energies(magnitude: np.ndarray) -> np.ndarray:
    """Sum of squares of each frame, `[frames]` in double precision."""
    return np.concatenate(
        [np.square(magnitude[span]).sum(axis=1, dtype=np.float64) for span in spans(len(magnitude))]
    )


def add_percussion(
    played: np.ndarray,
    content: np.ndarray,
    levels: np.ndarray,
    spectra: np.ndarray,
    share: np.ndarray,
) -> np.ndarray:
    """Add the content's percussion in place, at its level relative to the notes in the content.

    Percussion is the magnitude above the model of the notes, in frames that have percussion.

    Args:
      played: the notes on other instruments, `[frames, bins]`.
      content: of the same frames.
      levels: activations of the content's notes, `[frames, pitches]`.
      spectra: how they sound in the content, `[pitches, bins]`.
      share: fraction of the energy of each frame that is percussion, `[frames]`.
    """
    energy = sum(
        np.square(levels[span] @ spectra).sum(dtype=np.float64) for span in spans(len(played))
    )
    gain = np.sqrt(_energies(played).sum() / max(energy, 1e-12))
    gains = (gain * np.sqrt(share))[:, None].astype(np.float32)
    for span in spans(len(played)):
        played[span] += np.maximum(content[span] - levels[span] @ spectra, 0) * gains[span]
    return played


def between(one: np.ndarray, other: np.ndarray, share: float, floor: float) -> np.ndarray:
    """A fraction of the way from one array to another in dB, both above a floor; not negative."""
    reached = (one + floor) ** (1 - share) * (other + floor) ** share - floor
    return np.maximum(reached, 0).astype(np.float32)


def mean_log(magnitude: np.ndarray) -> np.ndarray:
    """Mean over time of the log magnitudes, `[bins]`."""
    sums = [
        np.log(magnitude[span] + 1e-3).sum(axis=0, dtype=np.float64)
        for span in spans(len(magnitude))
    ]
    return np.sum(sums, axis=0) / len(magnitude)


def spectral_gains(magnitude: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Gains of the bins to the smoothed mean power of other magnitudes, 13 dB at most, `[bins]`.

    Args:
      magnitude: `[frames, bins]`.
      wanted: the same.
    """
    from scipy.ndimage import gaussian_filter1d

    own, others = (
        gaussian_filter1d(_mean_power(each), _SMOOTHED_BINS) + 1e-9 for each in (magnitude, wanted)
    )
    return np.exp(np.clip(0.5 * np.log(others / own), -_MOST_CHANGE, _MOST_CHANGE))


def _mean_power(magnitude: np.ndarray) -> np.ndarray:
    """Mean over time of the squared magnitudes, `[bins]`."""
    sums = [
        np.square(magnitude[span]).sum(axis=0, dtype=np.float64) for span in spans(len(magnitude))
    ]
    return np.sum(sums, axis=0) / len(magnitude)


def lower_excess(magnitude: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Halve in place the excess of the mean log spectrum over a style's, `wanted` `[bins]`."""
    from scipy.ndimage import gaussian_filter1d

    difference = gaussian_filter1d(wanted - mean_log(magnitude), _SMOOTHED_BINS)
    magnitude *= np.exp(0.5 * np.minimum(difference, 0)).astype(np.float32)
    return magnitude


def keep_rests(magnitude: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Lower frames in place to the content's relative level where that is under -40 dB."""

    def below(values: np.ndarray) -> np.ndarray:
        decibels = 10 * np.log10(_energies(values) + 1e-9)
        return np.minimum(decibels - np.quantile(decibels, 0.95) + _REST_DB, 0)

    change = np.minimum(below(content) - below(magnitude), 0)
    magnitude *= (10 ** (change / 20))[:, None].astype(np.float32)
    return magnitude


def level_quantiles(magnitude: np.ndarray) -> np.ndarray:
    """Quantiles over time of log power in 64 mel bands, `[50, 64]`."""
    return np.quantile(_log_bands(magnitude), _QUANTILES, axis=0)


def pull_levels(magnitude: np.ndarray, wanted: np.ndarray, amount: float) -> np.ndarray:
    """Each band's level moved, in place, part of the way to the style's level of the same rank.

    Args:
      magnitude: `[frames, bins]`.
      wanted: of `level_quantiles`.
      amount: fraction of the way, 0 to 1.
    """
    filters, logs = bands(NUM_BANDS), _log_bands(magnitude)
    own = np.quantile(logs, _QUANTILES, axis=0) + 1e-7 * np.arange(NUM_QUANTILES)[:, None]
    gains = np.stack(
        [
            np.interp(logs[:, band], own[:, band], wanted[:, band]) - logs[:, band]
            for band in range(NUM_BANDS)
        ],
        axis=1,
    )
    to_bins = filters.T / np.maximum(filters.sum(axis=1), 1e-9)
    for span in spans(len(magnitude)):
        of_bins = np.exp(np.clip(amount / 2 * (gains[span] @ to_bins), -3, 3))
        magnitude[span] = magnitude[span] * of_bins
    return magnitude


def _log_bands(magnitude: np.ndarray) -> np.ndarray:
    powers = [np.square(magnitude[span]) @ bands(NUM_BANDS) for span in spans(len(magnitude))]
    return np.log(np.concatenate(powers) + 1e-6)


def match_energy(magnitude: np.ndarray, energy: float) -> np.ndarray:
    """Magnitudes scaled, in place, to a mean square."""
    own = _energies(magnitude).sum() / magnitude.size
    magnitude *= np.float32(np.sqrt(energy / max(own, 1e-12)))
    return magnitude
