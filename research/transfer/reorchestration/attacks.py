"""Attack templates: what the beginning of a note adds to its pitch template.

They belong to the rise of the activations, `V ~ A W + D Wa` with `D[t] = relu(A[t] - A[t - 1])`:

    Wa <- Wa (D' R) / (D' 1),   W <- W (A' R) / (A' 1),   R = V / (A W + D Wa)

in turns. These are the updates of the Kullback-Leibler divergence (Lee and Seung 2001).
"""

import numpy as np

from research.transfer.reorchestration.blocks import TINY, slope, split_blocks, sum_frames
from research.transfer.reorchestration.grid import PITCHES
from research.transfer.reorchestration.templates import Templates

_UPDATES = 8
_FIRST = 0.1  # Share of the magnitudes at the start.


def flux(levels: np.ndarray) -> np.ndarray:
    """How much each activation rises from the frame before, `[frames, pitches]`."""
    return np.maximum(np.diff(levels, axis=0, prepend=0), 0)


def learn_attacks(magnitude: np.ndarray, templates: Templates) -> tuple[np.ndarray, np.ndarray]:
    """Templates of sustained sound and of attacks.

    Args:
      magnitude: `[frames, bins]`.
      templates: of the same piece.

    Returns:
      `[pitches + 1, bins]` and `[pitches, bins]`.
    """
    rise = flux(templates.levels[:, :-1])
    scale = _FIRST * magnitude.mean() / max(rise.sum(axis=1).mean(), 1e-9)
    num_spectra = templates.levels.shape[1]
    played = np.concatenate([templates.levels, rise], axis=1)
    blocks, levels = split_blocks(magnitude), split_blocks(played)
    attacks = np.full((len(PITCHES), magnitude.shape[1]), scale, np.float32)
    learnt = np.concatenate([templates.spectra, attacks])
    total = sum_frames(levels)[:, None] + TINY
    for _ in range(_UPDATES):
        for rows in (slice(num_spectra, None), slice(num_spectra)):
            learnt[rows] *= slope(blocks, levels, learnt)[rows] / total[rows]
    return learnt[:num_spectra], learnt[num_spectra:]
