"""Beats by dynamic programming (Ellis 2007, "Beat tracking by dynamic programming").

The steps and constants are those of `librosa.beat.beat_track`, whose import compiles for seconds in
every process.
"""

import numpy as np

_TIGHTNESS = 100.0  # How much a beat off the tempo costs, as in librosa.


def find_beats(onsets: np.ndarray, frames_per_beat: int) -> np.ndarray:
    """Frames of the beats, ascending; none where nothing begins.

    The beats maximise the sum of `strength(beat) - 100 log(interval / frames_per_beat)^2`, where
    the strength is that of the onsets, smoothed. Weak beats at both ends are left out.

    Args:
      onsets: onset strength, `[frames]`.
      frames_per_beat: the tempo, at least 1.
    """
    if len(onsets) < 2 or not onsets.std():
        return np.zeros(0, int)
    strength = _smooth(onsets / onsets.std(ddof=1), frames_per_beat)
    score, before = _connect(strength, frames_per_beat)
    peaks = np.flatnonzero(_are_peaks(score))
    high = peaks[score[peaks] >= 0.5 * np.median(score[peaks])] if len(peaks) else peaks
    beats, beat = [], high[-1] if len(high) else len(score) - 1
    while beat >= 0:
        beats.append(beat)
        beat = before[beat]
    return _trim(np.array(beats[::-1]), strength)


def _smooth(onsets: np.ndarray, frames_per_beat: int) -> np.ndarray:
    """Onsets through a normal window of 1/32 of a beat."""
    offsets = np.arange(-frames_per_beat, frames_per_beat + 1)
    window = np.exp(-0.5 * (32.0 * offsets / frames_per_beat) ** 2)
    return np.convolve(onsets, window)[frames_per_beat:][: len(onsets)]


def _connect(strength: np.ndarray, frames_per_beat: int) -> tuple[np.ndarray, np.ndarray]:
    """Score of the best beats up to each frame, and the beat before it, -1 if there is none."""
    intervals = np.arange(round(frames_per_beat / 2), 2 * frames_per_beat + 1)
    intervals = intervals[intervals > 0]
    costs = _TIGHTNESS * np.log(intervals / frames_per_beat) ** 2
    score, before = strength.copy(), np.full(len(strength), -1)
    threshold, started = 0.01 * strength.max(), False
    for frame in range(len(strength)):
        started |= strength[frame] >= threshold
        count = np.searchsorted(intervals, frame, side="right")  # Not before the first frame.
        if not count:
            continue
        scores = score[frame - intervals[:count]] - costs[:count]
        best = scores.argmax()
        score[frame] += scores[best]
        if started:
            before[frame] = frame - intervals[best]
    return score, before


def _are_peaks(values: np.ndarray) -> np.ndarray:
    """True for a value above the one before it and not below the one after it."""
    padded = np.pad(values, 1, mode="edge")
    return (values > padded[:-2]) & (values >= padded[2:])


def _trim(beats: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Beats between the first and the last frame that are not weak."""
    smooth = np.convolve(strength[beats], np.hanning(5))[2 : len(strength) + 2]
    strong = np.flatnonzero(strength > 0.5 * np.sqrt(np.mean(smooth**2)))
    return beats[(beats >= strong[0]) & (beats <= strong[-1])] if len(strong) else beats[:0]
