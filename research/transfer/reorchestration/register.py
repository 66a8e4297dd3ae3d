"""Notes in the register of the style: a pitch that the style hardly plays moves by octaves."""

import numpy as np

_SPREAD = 4.0  # Semitones.
_OCTAVES = (-24, -12, 12, 24)
_WEIGHTS = (0.8, 1.0, 1.0, 0.8)  # Two octaves away count less.
_LEAST = 0.75  # Share of the other place in the activity of both: three times that of the pitch.
_LOWERED = 0.5


def find_register(levels: np.ndarray) -> np.ndarray:
    """How much a piece plays around each pitch, `[pitches]`, by activations `[frames, pitches]`.

    The root of the energy of each pitch, smoothed by a Gaussian, as a fraction of the sum.
    """
    from scipy.ndimage import gaussian_filter1d

    played = np.sqrt(gaussian_filter1d(np.square(levels).sum(axis=0), _SPREAD))
    return played / max(played.sum(), 1e-30) + 1e-9


def move_to_register(levels: np.ndarray, register: np.ndarray) -> np.ndarray:
    """Activations with pitches added where the style plays: `A R`, R `[pitches, pitches]`.

    A pitch p is added one or two octaves away at q, where the style plays most, with the gain

        d = clip((r[q] / (r[p] + r[q]) - 0.75) / 0.25, 0, 1)

    so from 0, where the style plays at q three times as much as at p, to 1, where it does not play
    at p; p falls by d / 2.

    Args:
      levels: of the content, `[frames, pitches]`.
      register: of the style, from `find_register`.
    """
    pitch = np.arange(len(register))
    places = pitch[:, None] + np.asarray(_OCTAVES)
    exists = (places >= 0) & (places < len(register))
    found = np.where(exists, register[places % len(register)] * _WEIGHTS, -1.0)
    place = places[pitch, found.argmax(axis=1)]
    share = register[place] / (register + register[place])
    gain = np.clip((share - _LEAST) / (1 - _LEAST), 0, 1)
    matrix = np.diag(1 - _LOWERED * gain)
    matrix[pitch, place] += gain
    return levels @ matrix.astype(levels.dtype)
