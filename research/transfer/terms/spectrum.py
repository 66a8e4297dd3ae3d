"""Long-term spectrum."""

import jax

from research.transfer.representations import Representations
from research.transfer.terms.base import Context
from research.transfer.terms.statistic import Statistic


class Spectrum(Statistic):
    """Transfers the long-term spectrum."""

    name = "spectrum"
    weight = 1.0
    reads = ("spectrum",)

    def observe(self, representations: Representations, context: Context) -> jax.Array:
        """Mean log power over time, `[1, 1, bins]`."""
        return representations.spectrum.mean()
