"""Signs of damage in audio, and naturalness: how little of it an output has beyond its inputs."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from research.programs import load_librosa

SAMPLE_RATE = 22050
"""Hz of the spectra and of the samples of `gaps` and `tremolo`."""
_BLOCK = 110  # Samples of a level for gaps, 5 ms.
_GAP_SPAN = 30  # Blocks on either side of a gap, 150 ms.
_GAP_DB = 40.0
_N_FFT, _HOP = 512, 256  # For tremolo: 23 ms, so that 16 Hz is not smoothed away.
_TREMOLO_SECONDS, _TREMOLO_HZ = 2.0, (4.0, 16.0)
_LEVELS = 200  # Of the histogram of samples.
_NOISE_ROUGHNESS = 0.45  # Of white noise.
_FLOOR_DB = 60.0  # Under the loudest octave, or a frame's mean, nothing is heard.
_TONAL_DB = -30.0
_HIGH_OCTAVES = 3  # From 1.4 kHz on. How much bass there is depends on the notes.
# The excess over the worse input that undamaged music can have, and how much more halves
# naturalness.
_LIMITS = {
    "clipped": (0.0, 0.003),
    "clicks": (0.5, 0.5),  # Per second.
    "gaps": (0.5, 0.5),  # Per second.
    "tremolo": (1.0, 2.0),  # dB.
    "roughness": (0.2, 0.25),  # Of the way to white noise.
    "flatness": (3.0, 4.0),  # dB.
    "dull": (0.0, 1.5),  # Octaves.
}
_TINY = 1e-12


class Damage(NamedTuple):
    """Signs of damage of a recording. Octaves are the 8 under the Nyquist frequency.

    Attributes:
      clipped: fraction of the samples that pile up at one level of the upper half.
      clicks: per second.
      gaps: short drops by 40 dB, per second.
      tremolo: depth in dB of the strongest periodic change of level between 4 and 16 Hz that the
        bands have in common.
      flatness: spectral flatness in dB, -30 to 0.
      roughness: how badly phases follow from the frames before, of each octave, `[8]`.
      levels: of the octaves in dB relative to their sum, `[8]`.
    """

    clipped: float
    clicks: float
    gaps: float
    tremolo: float
    flatness: float
    roughness: np.ndarray
    levels: np.ndarray

    @property
    def numbers(self) -> dict[str, float]:
        """The signs by name; `roughness` is the mean of the octaves, weighted by magnitude."""
        single = {name: value for name, value in self._asdict().items() if np.ndim(value) == 0}
        return single | {"roughness": self.mean(self.roughness)}

    def mean(self, octaves: np.ndarray) -> float:
        """Mean of `[8]`, weighted by the magnitudes of the octaves."""
        return float(np.average(octaves, weights=10 ** (self.levels / 20)))


def measure_damage(
    recording: np.ndarray, rate: int, samples: np.ndarray, spectrum: np.ndarray
) -> Damage:
    """Damage of a recording.

    Args:
      recording: mono `[samples]`, as it is.
      rate: its sample rate, Hz.
      samples: the same at 22 050 Hz, at any level.
      spectrum: complex STFT of these, 2048/512, `[1025, frames]`.
    """
    power = np.real(spectrum) ** 2 + np.imag(spectrum) ** 2
    return Damage(
        clipped=measure_clipping(recording),
        clicks=count_clicks(recording, rate),
        gaps=count_gaps(samples),
        tremolo=measure_tremolo(samples),
        flatness=measure_flatness(power),
        roughness=measure_roughness(spectrum),
        levels=octave_levels(power),
    )


def worse_of(damages: Iterable[Damage]) -> Damage:
    """The worst of each sign and octave."""
    columns = zip(*(damage._replace(levels=-damage.levels) for damage in damages), strict=True)
    worst = Damage(*(np.max(column, axis=0) for column in columns))
    return worst._replace(levels=-worst.levels)


def judge_damage(damage: Damage, inputs: Damage) -> dict[str, float]:
    """What each sign of damage leaves of naturalness, 0 to 1: `1 / (1 + (excess / halving) ** 2)`.

    The excess is over the worse input and over a tolerance, since an undamaged third recording,
    such as the content played on the instruments of the style, differs from both. That of
    `roughness` is of each octave, relative to white noise. `dull` counts the high octaves that are
    30 dB under the lower of the inputs; 6 dB do not count.

    Args:
      damage: of the output.
      inputs: the worse of the two inputs.
    """
    more = {name: value - inputs.numbers[name] for name, value in damage.numbers.items()}
    room = np.maximum(_NOISE_ROUGHNESS - inputs.roughness, 0.05)
    more["roughness"] = damage.mean(np.maximum(0, damage.roughness - inputs.roughness) / room)
    lost = np.maximum(inputs.levels, -_FLOOR_DB) - np.maximum(damage.levels, -_FLOOR_DB)
    more["dull"] = float(np.clip((lost[-_HIGH_OCTAVES:] - 6) / 24, 0, 1).sum())
    return {
        name: float(1 / (1 + (max(0.0, more[name] - tolerance) / halving) ** 2))
        for name, (tolerance, halving) in _LIMITS.items()
    }


def measure_clipping(samples: np.ndarray) -> float:
    """Fraction of the samples that pile up at one level, which clipping does at any later gain.

    It is the highest peak of the histogram of absolute samples, in steps of 0.5 % of the largest
    one and in the upper half, as in Aleinik & Matveev 2014. A step counts by what exceeds 2.5 times
    the one below: that is how a sine wave, which is not clipped, piles up. Later resampling hides
    most clipping.
    """
    magnitudes = np.abs(samples)
    counts = np.histogram(magnitudes, _LEVELS, (0, max(float(magnitudes.max()), _TINY)))[0]
    excess = counts[_LEVELS // 2 :] - 2.5 * counts[_LEVELS // 2 - 1 : -1]
    return max(0.0, float(excess.max()) / len(samples))


def count_clicks(samples: np.ndarray, sample_rate: int) -> float:
    """Clicks per second in mono `[samples]`.

    A click is a difference of neighbouring samples over 4 times the ninth decile of the absolute
    differences within 3 ms on either side, plus a hundredth of the RMS level. Several within a
    millisecond are one. Those less than 30 ms from the next do not count: they are the pulses of a
    buzzing tone. A click below the level of loud noise is not found.
    """
    from scipy import ndimage

    jumps = np.abs(np.diff(np.asarray(samples, np.float64)))
    half = int(0.003 * sample_rate)
    loudness = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    # Candidates, without sorting: a jump over 4 times the ninth decile is over 3 times the mean.
    mean = ndimage.uniform_filter1d(jumps, 2 * half + 1)
    places = np.flatnonzero(jumps > np.maximum(3 * mean, 0.01 * loudness))
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(jumps, half, "symmetric"), 2 * half + 1
    )
    deciles = np.sort(around[places], axis=1)[:, int(0.9 * (2 * half + 1))]
    places = places[jumps[places] > 4 * deciles + 0.01 * loudness] / sample_rate
    starts = places[np.diff(places, prepend=-1.0) > 0.001]
    gaps = np.diff(starts, prepend=-1.0, append=np.inf)
    isolated = np.minimum(gaps[:-1], gaps[1:]) > 0.03
    return float(np.count_nonzero(isolated) / (len(samples) / sample_rate))


def count_gaps(samples: np.ndarray) -> float:
    """Gaps per second: where the level is 40 dB under that within 150 ms before and after.

    Args:
      samples: mono at 22 050 Hz.
    """
    from scipy import ndimage

    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    powers = np.square(blocks, dtype=np.float64).mean(axis=1)
    before, after = (
        ndimage.maximum_filter1d(powers, _GAP_SPAN, origin=origin, mode="nearest")
        for origin in (_GAP_SPAN // 2 - 1, -(_GAP_SPAN // 2))
    )
    low = powers < 10 ** (-_GAP_DB / 10) * np.minimum(before, after)
    count = np.count_nonzero(np.diff(low.astype(np.int8), prepend=0) > 0)
    return float(count / (len(samples) / SAMPLE_RATE))


def measure_tremolo(samples: np.ndarray) -> float:
    """Depth in dB of the strongest line of the modulation spectrum between 4 and 16 Hz.

    The levels of 8 octaves in dB, averaged over the audible ones: a change of level that all have
    in common stays, others cancel. The spectrum is that of Hann windows of 2 s, RMS over windows.
    A full tremolo has about 7 dB, music with regular fast notes up to 3. The modulation spectrum
    is that of Houtgast & Steeneken 1985.

    Args:
      samples: mono at 22 050 Hz.
    """
    librosa = load_librosa()
    spectrum = librosa.stft(samples, n_fft=_N_FFT, hop_length=_HOP)
    power = np.real(spectrum) ** 2 + np.imag(spectrum) ** 2
    bands = np.add.reduceat(power[1:-1], 2 ** np.arange(8) - 1, axis=0)
    means = bands.mean(axis=1, keepdims=True)
    bands, means = (part[means[:, 0] >= 1e-5 * means.sum()] for part in (bands, means))
    level = (10 * np.log10(bands / np.maximum(means, _TINY) + 1e-3)).mean(axis=0)
    rate = SAMPLE_RATE / _HOP
    size = min(len(level), int(_TREMOLO_SECONDS * rate))
    runs = np.lib.stride_tricks.sliding_window_view(level, size)[:: max(1, size // 4)]
    window = np.hanning(size)
    lines = np.fft.rfft((runs - runs.mean(axis=1, keepdims=True)) * window, axis=1)
    depths = 2 / window.sum() * np.sqrt((np.abs(lines) ** 2).mean(axis=0))
    rates = np.fft.rfftfreq(size, 1 / rate)
    return float(depths[(rates >= _TREMOLO_HZ[0]) & (rates <= _TREMOLO_HZ[1])].max())


def measure_roughness(spectrum: np.ndarray) -> np.ndarray:
    """Mean of `1 - cos(error of the phase)` of an STFT, weighted by magnitude, `[8]`.

    The phase of a steady partial goes on as in the two frames before; the error is the second
    difference of phase, as in the unpredictability of Brandenburg & Johnston 1990. The weight is
    the least magnitude of the three frames, so that starts of notes count little. It is about 0.1
    for an organ, 0.35 for an orchestra and 0.45 for white noise. Octaves are apart, so that an
    equaliser changes nothing; the highest, over 5.5 kHz, gets 0.

    Args:
      spectrum: complex, 2048/512 at 22 050 Hz, `[bins, frames]`.
    """
    starts = _octave_edges(len(spectrum))[:-2]
    spectrum = spectrum[: len(spectrum) // 2]
    magnitudes = np.abs(spectrum)
    steps = spectrum[:, 1:] * np.conj(spectrum[:, :-1])
    sizes = magnitudes[:, 1:] * magnitudes[:, :-1] + _TINY
    real, imaginary = np.real(steps) / sizes, np.imag(steps) / sizes
    agreement = real[:, 1:] * real[:, :-1] + imaginary[:, 1:] * imaginary[:, :-1]
    pairs = np.minimum(magnitudes[:, 1:], magnitudes[:, :-1])
    weights = np.minimum(pairs[:, 1:], pairs[:, :-1])
    agreeing, total = (
        np.add.reduceat(values.sum(axis=1, dtype=np.float64), starts)
        for values in (weights * agreement, weights)
    )
    return np.append(1 - agreeing / np.maximum(total, _TINY), 0.0)


def measure_flatness(power: np.ndarray) -> float:
    """Ratio of the geometric to the arithmetic mean over bins, in dB, at least -30.

    It is the first quartile of the sounding frames: noise that stays is in all of them, drums are
    not. White noise has -2.5 dB, partials alone have less than -30 dB.

    Args:
      power: of the STFT, `[bins, frames]`.
    """
    energy = power.sum(axis=0)
    power = power[1:, energy >= 1e-3 * energy.mean()]
    ratios = power / np.maximum(power.mean(axis=0), _TINY) + 10 ** (-_FLOOR_DB / 10)
    flatness = 10 / np.log(10) * np.log(ratios).mean(axis=0)
    return max(_TONAL_DB, float(np.quantile(flatness, 0.25)))


def octave_levels(power: np.ndarray) -> np.ndarray:
    """Levels of the 8 octaves under the Nyquist frequency in dB relative to their sum, `[8]`.

    Args:
      power: of the STFT, `[bins, frames]`.
    """
    edges = _octave_edges(len(power))
    sums = np.add.reduceat(power.sum(axis=1)[: edges[-1]], edges[:-1])
    return 10 * np.log10(sums / max(float(sums.sum()), _TINY) + _TINY)


def _octave_edges(num_bins: int) -> np.ndarray:
    """First bins of the 8 octaves under the Nyquist frequency, and its own, `[9]`."""
    return np.round((num_bins - 1) / 2.0 ** np.arange(8, -1, -1)).astype(int)
