"""How notes rise and fall: the style's course of level over the age of a note, for the content's.

A piano note falls from its attack on; that of an organ does not. The course is the median over all
notes of a piece. The difference between two courses turns notes of one into notes of the other.
"""

import numpy as np

_RISE_DB, _BACK = 6.0, 12  # A note begins where its level rises by 6 dB within 12 frames.
_SOFTEST = 0.03  # Of the loudest pitch around.
_AROUND = 21  # Frames.
_FLOOR = 1e-3
LONGEST = 90  # Frames of a course.
_ATTACK = 12  # Frames in which a course may rise.
_SHRINK = 30  # Steps of this number count half.
_LIMIT_DB = 18.0
_OVER_DB = 10.0  # A note is over where it is this far under its course.
_NEVER = 10**8  # Frames.


def find_onsets(levels: np.ndarray) -> np.ndarray:
    """Where notes begin, bool `[frames, pitches]`, by activations of the same shape."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    smooth = gaussian_filter1d(levels, 0.7, axis=0)
    loud = maximum_filter1d(smooth.max(axis=1), _AROUND)
    loud = np.maximum(loud, 0.1 * smooth.max())[:, None]
    decibels = 20 * np.log10(smooth + _FLOOR * smooth.max() + 1e-30)

    def ahead(values: np.ndarray) -> np.ndarray:
        """The largest of each frame and the 12 after it."""
        return maximum_filter1d(values, _BACK + 1, axis=0, origin=-(_BACK // 2))

    rise = ahead(decibels) - np.concatenate([decibels[:1], decibels[:-1]])
    step = np.diff(decibels, axis=0, prepend=decibels[:1])
    gain = np.maximum(np.diff(smooth, axis=0, prepend=smooth[:1]), 0)
    gain += np.concatenate([gain[1:], np.zeros_like(gain[:1])])
    steepest = gain == maximum_filter1d(gain, _BACK - 1, axis=0)
    return (rise > _RISE_DB) & (ahead(smooth) > _SOFTEST * loud) & (step > 0.5) & steepest


def find_ages(onsets: np.ndarray) -> np.ndarray:
    """Frames since a pitch began last, `[frames, pitches]`; 100 million and more before."""
    frames = np.arange(len(onsets))[:, None]
    last = np.maximum.accumulate(np.where(onsets, frames, -_NEVER), axis=0)
    return frames - last


def find_course(levels: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Level in dB over the age of a note, `[90]`, with a maximum of 0.

    Sums up the median step from frame to frame of notes that sound. Steps up count in the first 12
    frames only. Ages that few notes reach have steps close to 0.
    """
    ages, peaks = find_ages(onsets)[1:], np.zeros_like(levels)
    steps = np.diff(20 * np.log10(levels + _FLOOR * levels.max() + 1e-30), axis=0).clip(-6, 6)
    peak = np.zeros(levels.shape[1])
    for frame, (level, begins) in enumerate(zip(levels, onsets, strict=True)):
        peak = np.where(begins, level, np.maximum(0.995 * peak, level))
        peaks[frame] = peak
    sounds = (levels[1:] > 0.1 * peaks[1:]) & (levels[1:] > 0.02 * levels.max())
    ages, steps = ages[sounds], steps[sounds]
    course = np.zeros(LONGEST)
    for age in range(1, LONGEST):
        near = steps[np.abs(ages - age) <= age // 4]
        if near.size > 5:
            step = np.median(near) * near.size / (near.size + _SHRINK)
        else:
            step = 0.9 * course[age - 1]
        course[age] = min(step, 0) if age > _ATTACK else step
    total = np.cumsum(course)
    return total - total.max()


def change_course(
    levels: np.ndarray, onsets: np.ndarray, own: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Activations with another course than their own.

    A note that falls 10 dB under its own course is over, and is raised no further from there.

    Args:
      levels: `[frames, pitches]`.
      onsets: of `find_onsets`.
      own: course of these notes, of `find_course`.
      wanted: the other course.
    """
    ages = find_ages(onsets)
    decibels = 20 * np.log10(levels + 1e-4 * levels.max() + 1e-30)
    gains = np.clip(wanted - own, -_LIMIT_DB, _LIMIT_DB)
    of_age = np.minimum(ages, len(own) - 1)
    changed, num_pitches = np.zeros_like(decibels), levels.shape[1]
    peak, gain = np.full(num_pitches, -200.0), np.zeros(num_pitches)
    over = np.zeros(num_pitches, bool)
    for frame, level in enumerate(decibels):
        begins, age, place = onsets[frame], ages[frame], of_age[frame]
        peak = np.where(begins, level, peak)
        peak = np.where(age <= _ATTACK, np.maximum(peak, level), peak)
        over &= ~begins
        over |= (level < peak + own[place] - _OVER_DB) & (age > 4)
        gain = np.where(over, np.minimum(gain, gains[place]), gains[place])
        gain = np.where(age >= _NEVER, 0, gain)
        changed[frame] = gain
    return levels * 10 ** (changed / 20)
