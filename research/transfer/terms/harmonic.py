"""Fine structure of the spectrum: partials without their spectral envelope."""

import jax.numpy as jnp

from research.products import matmul
from research.transfer.representations import FLOOR, Representations, smoother
from research.transfer.terms.base import Context
from research.transfer.terms.cosine import CosineTerm, Directions, directions

_ENVELOPE_BINS = 8.0  # Standard deviation: 2.7 semitones.


class Harmonic(CosineTerm):
    """Keeps the partials, whatever their spectral envelope."""

    name = "harmonic"
    weight = 2.0
    reads = ("tone",)

    def observe(self, representations: Representations, context: Context) -> Directions:
        """Log power minus its Gaussian mean over 8 bins, plus 1, at least 0."""
        tone = representations.tone.values
        log_tone = jnp.log(tone + FLOOR)
        fine = log_tone - matmul(log_tone, smoother(tone.shape[-1], _ENVELOPE_BINS))
        return directions(jnp.maximum(fine, -1.0) + 1.0, tone)
