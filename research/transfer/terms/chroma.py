"""Pitch classes."""

import jax.numpy as jnp
import numpy as np

from research.products import einsum
from research.transfer.representations import BINS_PER_OCTAVE, NUM_OCTAVES, Representations
from research.transfer.terms.base import Context
from research.transfer.terms.cosine import CosineTerm, Directions, directions

# The highest octaves hold overtones, whose pitch class is not that of the note.
_OCTAVE_WEIGHTS = np.array([1.0, 1.0, 1.0, 0.8, 0.5, 0.3, 0.2], np.float32)


class Chroma(CosineTerm):
    """Keeps the pitch classes, in any octave."""

    name = "chroma"
    weight = 2.0
    reads = ("tone",)

    def observe(self, representations: Representations, context: Context) -> Directions:
        """Amplitude folded to 12 pitch classes from C on, mostly of the low octaves."""
        tone = representations.tone.values
        amplitude = jnp.sqrt(tone + 1e-9)
        *shape, _ = amplitude.shape
        octaves = amplitude.reshape(*shape, NUM_OCTAVES, BINS_PER_OCTAVE)
        folded = einsum("ctok,o->ctk", octaves, _OCTAVE_WEIGHTS)
        # Each semitone with the thirds of a semitone on either side of it.
        by_semitone = jnp.roll(folded, 1, axis=-1).reshape(*shape, 12, BINS_PER_OCTAVE // 12)
        return directions(by_semitone.sum(axis=-1), tone)
