"""Correlation between mel bands."""

import jax
import jax.numpy as jnp

from research.products import einsum
from research.transfer.representations import Representations
from research.transfer.terms.base import Context
from research.transfer.terms.statistic import Statistic


class Correlation(Statistic):
    """Transfers which mel bands rise and fall together."""

    name = "correlation"
    weight = 0.5
    reads = ("fast_mel",)

    def observe(self, representations: Representations, context: Context) -> jax.Array:
        """Correlation of the levels of bands over time, `[1, fast_mels, fast_mels]`."""
        fast_mel = representations.fast_mel
        bands = fast_mel.map(lambda values: values - fast_mel.mean())
        standard = bands.values / jnp.sqrt(fast_mel.variance() + 1e-4)
        return einsum("ctf,ctg->cfg", standard, standard) / bands.count
