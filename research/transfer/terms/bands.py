"""Distribution of the level of each mel band."""

import jax

from research.transfer.quantiles import quantiles
from research.transfer.representations import Representations
from research.transfer.terms.base import Context
from research.transfer.terms.statistic import Statistic


class Bands(Statistic):
    """Transfers the distribution of the level of each mel band."""

    name = "bands"
    weight = 1.0
    reads = ("mel",)

    def observe(self, representations: Representations, context: Context) -> jax.Array:
        """Quantiles over time of each band, `[1, quantiles, mels]`."""
        return quantiles(representations.mel)
