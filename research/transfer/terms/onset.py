"""Onset strength."""

import jax
import jax.numpy as jnp
import numpy as np

from research.transfer.representations import Representations
from research.transfer.terms.base import ContentTerm, Context
from research.transfer.terms.distances import mean_squared_error

_RISE = 4  # Frames of `FAST`, 23 ms.
_SMOOTHING = np.hanning(15)[1:-1].astype(np.float32) / np.hanning(15).sum().astype(np.float32)


class Onset(ContentTerm):
    """Keeps the rhythm: the onset strength envelope, whatever the loudness."""

    name = "onset"
    weight = 1.0
    reads = ("fast_mel",)

    def observe(self, representations: Representations, context: Context) -> jax.Array:
        """Rise of log mel bands over 23 ms, mean over bands, smoothed over 75 ms.

        Standardised to mean 0 and variance 1, `[1, fast_frames - 4]`.
        """
        bands = representations.fast_mel
        rise = jnp.maximum(bands[:, _RISE:] - bands[:, :-_RISE], 0.0).mean(axis=-1)
        smooth = jax.vmap(lambda envelope: jnp.convolve(envelope, _SMOOTHING, mode="same"))(rise)
        centred = smooth - smooth.mean(axis=-1, keepdims=True)
        # Not `std() + 1e-4`: a root has no gradient at the zero that silence gives.
        return centred / jnp.sqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + 1e-8)

    def distance(self, observed: jax.Array, target: jax.Array) -> jax.Array:
        """Mean squared error."""
        return mean_squared_error(observed, target)

    def profile(self, observed: jax.Array) -> tuple[()]:
        """Nothing."""
        return ()

    def unrelated(self, target: jax.Array, profile: tuple[()]) -> jax.Array:
        """2, the mean squared error of two standardised envelopes that are uncorrelated."""
        return jnp.float32(2.0)
