"""Attack templates: what the beginning of a note adds to its pitch template.

They belong to the rise of the activations, `V ~ A W + D Wa` with `D[t] = relu(A[t] - A[t - 1])`:

    Wa <- Wa (D' R) / (D' 1),   W <- W (A' R) / (A' 1),   R = V / (A W + D Wa)

in turns. These are the updates of the Kullback-Leibler divergence (Lee and Seung 2001).
"""

import jax
import numpy as np

from research.transfer.reorchestration.grid import PITCHES, pad_frames
from research.transfer.reorchestration.templates import Templates

_UPDATES = 8
_FIRST = 0.1  # Share of the magnitudes at the start.
_TINY = 1e-6


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
    spectra, attacks = _learn(
        pad_frames(magnitude.astype(np.float32)),
        pad_frames(templates.levels),
        pad_frames(rise.astype(np.float32)),
        templates.spectra,
        np.full((len(PITCHES), magnitude.shape[1]), scale, np.float32),
    )
    return np.asarray(spectra), np.asarray(attacks)


@jax.jit
def _learn(
    magnitude: jax.Array,
    levels: jax.Array,
    rise: jax.Array,
    spectra: jax.Array,
    attacks: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    def ratio(spectra: jax.Array, attacks: jax.Array) -> jax.Array:
        return magnitude / (levels @ spectra + rise @ attacks + _TINY)

    def update(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        spectra, attacks = state
        slope = rise.T @ ratio(spectra, attacks)
        attacks = attacks * slope / (rise.sum(axis=0)[:, None] + _TINY)
        slope = levels.T @ ratio(spectra, attacks)
        return spectra * slope / (levels.sum(axis=0)[:, None] + _TINY), attacks

    return jax.lax.fori_loop(0, _UPDATES, update, (spectra, attacks))
