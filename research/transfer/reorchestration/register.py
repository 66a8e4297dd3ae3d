"""Notes in the register of the style: a pitch that the style hardly plays moves by octaves."""

import numpy as np

_SPREAD = 4.0  # Semitones.
_OCTAVES = (-24, -12, 12, 24)
_TWO_OCTAVES = 0.8  # Two octaves away count less.
_LEAST = 0.75  # Share of the other place in the activity of both: three times that of the pitch.
_LOWERED = 0.5


def find_register(levels: np.ndarray) -> np.ndarray:
    """How much a piece plays around each pitch, `[pitches]`, by activations `[frames, pitches]`."""
    from scipy.ndimage import gaussian_filter1d

    return np.sqrt(gaussian_filter1d(np.square(levels).sum(axis=0), _SPREAD)) + 1e-9


def move_to_register(levels: np.ndarray, register: np.ndarray) -> np.ndarray:
    """Activations with pitches added where the style plays.

    A pitch p is added one or two octaves away with the gain d, from 0 where the style plays there
    less than three times as much as at p, to 1 where it does not play at p; p falls by d / 2.

    Args:
      levels: of the content, `[frames, pitches]`.
      register: of the style, from `find_register`.
    """
    moved, num_pitches = levels.copy(), levels.shape[1]
    added = np.zeros_like(levels)
    for pitch in range(num_pitches):
        places = [pitch + shift for shift in _OCTAVES if 0 <= pitch + shift < num_pitches]
        weights = [
            register[place] * (_TWO_OCTAVES if abs(place - pitch) == 24 else 1) for place in places
        ]
        place = places[int(np.argmax(weights))]
        share = register[place] / (register[pitch] + register[place])
        gain = np.clip((share - _LEAST) / (1 - _LEAST), 0, 1)
        added[:, place] += gain * levels[:, pitch]
        moved[:, pitch] = levels[:, pitch] * (1 - _LOWERED * gain)
    return moved + added
