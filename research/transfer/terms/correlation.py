"""Correlation between mel bands."""

import jax
import jax.numpy as jnp

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
        bands = fast_mel - fast_mel.mean(axis=1, keepdims=True)
        scale = jnp.sqrt(jnp.mean(jnp.square(bands), axis=1, keepdims=True) + 1e-4)
        standard = bands / scale
        return jnp.einsum("ctf,ctg->cfg", standard, standard) / standard.shape[1]
