"""Notes found in audio: pitches by sums over partials and their cancellation, Klapuri 2006."""

import itertools

import numpy as np

from research.programs import load_librosa

_HOP = 512  # Samples.
_BINS, _OCTAVES = 3, 8  # A semitone.
_BOTTOM, _LOWEST, _HIGHEST = 24, 28, 96  # MIDI: the lowest bin, the lowest and highest pitch.
_PARTIALS = 8
_MOST_PITCHES = 5  # At a time.
_RELATIVE, _ABSOLUTE = 0.4, 0.3  # Least salience, of the frame's first and of the loud frames'.
_SHORTEST, _LONGEST_GAP = 5, 3  # Frames.
_RISE_DB = 8.0
_TINY = 1e-9


def find_notes(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Start and end in seconds and MIDI pitch of notes, `[notes, 3]`, sorted.

    In each frame of a whitened constant-Q spectrum, the pitch with the largest weighted sum of
    partials is taken and its partials are cancelled, up to five times. A run of frames with one
    pitch is a note. It is split where the level of its partials rises by 8 dB or more.

    The constants were chosen by F1 on the triples that are not held out. It is .66 on
    their truths, and .78 that of basic-pitch (Bittner et al. 2022).

    Args:
      samples: mono `[samples]`.
      sample_rate: Hz.
    """
    librosa = load_librosa()
    spectrum = np.abs(
        librosa.cqt(
            samples,
            sr=sample_rate,
            hop_length=_HOP,
            fmin=float(librosa.midi_to_hz(_BOTTOM)),
            n_bins=12 * _OCTAVES * _BINS,
            bins_per_octave=12 * _BINS,
            tuning=0.0,
        )
    )
    if spectrum.max() < _TINY:
        return np.zeros((0, 3))
    saliences, levels = _saliences(spectrum)
    seconds = _HOP / sample_rate
    notes = [
        (first * seconds, last * seconds, _LOWEST + index)
        for index in range(len(saliences))
        for first, last in _runs(saliences[index] > 0, levels[index])
    ]
    return np.array(sorted(notes), np.float64).reshape(-1, 3)


def _partials() -> tuple[np.ndarray, np.ndarray]:
    """Bins of the partials of each pitch, `[pitches, partials]`, and weights, 0 above the top."""
    pitches = np.arange(_LOWEST, _HIGHEST + 1)[:, None]
    numbers = np.arange(1, _PARTIALS + 1)
    bins = np.rint(_BINS * (pitches - _BOTTOM + 12 * np.log2(numbers))).astype(int)
    inside = bins < 12 * _OCTAVES * _BINS - 1
    return np.where(inside, bins, 0), np.where(inside, 0.8 ** (numbers - 1), 0.0)


def _saliences(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Salience of the pitches that sound, else 0, and level in dB, both `[pitches, frames]`."""
    from scipy import ndimage

    bins, weights = _partials()
    power = spectrum**2
    local = ndimage.uniform_filter1d(power, 18 * _BINS, axis=0) + 1e-4 * power.mean()
    white = spectrum / local**0.35
    level = 10 * np.log10(_sums(power, bins, weights) + _TINY * power.max())
    floor = _ABSOLUTE * np.quantile(_sums(white, bins, weights).max(axis=0), 0.9)
    frames = np.arange(white.shape[1])
    found = np.zeros((len(bins), len(frames)))
    first = None
    for _ in range(_MOST_PITCHES):
        sums = _sums(white, bins, weights)
        sums[found > 0] = 0
        best = sums.argmax(axis=0)
        salience = sums[best, frames]
        first = salience if first is None else first
        kept = salience > np.maximum(floor, _RELATIVE * first)
        found[best[kept], frames[kept]] = salience[kept]
        # A partial keeps what exceeds a smooth envelope of its pitch.
        places, times = bins[best].T, frames[None]
        peaks = np.max([white[places + shift, times] for shift in (-1, 0, 1)], axis=0)
        smooth = np.minimum(peaks, ndimage.uniform_filter1d(peaks, 3, axis=0))
        share = np.where(weights[best].T > 0, 0.8 * smooth / np.maximum(peaks, _TINY), 0.0)
        for shift in (-1, 0, 1):
            np.multiply.at(white, (places + shift, times), 1 - share)
    return found, level


def _sums(spectrum: np.ndarray, bins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sums over partials, each the largest of three bins, `[pitches, frames]`."""
    from scipy import ndimage

    widest = ndimage.maximum_filter1d(spectrum, 3, axis=0)
    return np.einsum("ph,phf->pf", weights, widest[bins])


def _runs(sounds: np.ndarray, level: np.ndarray) -> list[tuple[int, int]]:
    """First frame and end of each note of one pitch."""
    from scipy import ndimage

    closed = ndimage.binary_closing(np.pad(sounds, 4), np.ones(_LONGEST_GAP + 1))[4:-4]
    edges = np.flatnonzero(np.diff(np.pad(closed.astype(int), 1)))
    notes = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        rise = np.zeros(len(level))
        rise[3:] = level[3:] - level[:-3]
        again = [
            frame
            for frame in range(start + _SHORTEST, end - 2)
            if rise[frame] >= _RISE_DB and rise[frame] == rise[frame - 3 : frame + 4].max()
        ]
        cuts = [start, *again, end]
        notes += [(a, b) for a, b in itertools.pairwise(cuts) if b - a >= _SHORTEST]
    return notes
