"""Onset strength."""

import jax
import jax.numpy as jnp
import numpy as np

from research.products import FULL
from research.transfer.frames import Frames
from research.transfer.representations import Representations
from research.transfer.terms.base import ContentTerm, Context
from research.transfer.terms.distances import squared_error

_RISE = 4  # Frames of `FAST`, 23 ms.
_SMOOTHING = np.hanning(15)[1:-1].astype(np.float32) / np.hanning(15).sum().astype(np.float32)


def _smooth(envelope: jax.Array) -> jax.Array:
    return jnp.convolve(envelope[:, 0], _SMOOTHING, mode="same", precision=FULL)[:, None]


class Onset(ContentTerm):
    """Keeps the rhythm: the onset strength envelope, whatever the loudness."""

    name = "onset"
    weight = 1.0
    reads = ("fast_mel",)

    def observe(self, representations: Representations, context: Context) -> Frames:
        """Rise of log mel bands over 23 ms, mean over bands, smoothed over 75 ms.

        Standardised to mean 0 and variance 1, `[1, fast_frames - 4, 1]`.
        """
        fast_mel = representations.fast_mel
        bands = fast_mel.values
        rise = jnp.maximum(bands[:, _RISE:] - bands[:, :-_RISE], 0.0).mean(axis=-1, keepdims=True)
        envelope = Frames.of(rise, fast_mel.count - _RISE)
        smooth = envelope.map(jax.vmap(_smooth))
        centred = smooth.map(lambda values: values - smooth.mean())
        # Not `std() + 1e-4`: a root has no gradient at the zero that silence gives.
        scale = jnp.sqrt(smooth.variance() + 1e-8)
        return centred.map(lambda values: values / scale)

    def distance(self, observed: Frames, target: Frames) -> jax.Array:
        """Mean squared error."""
        return squared_error(observed, target) / (observed.values.shape[0] * observed.count)

    def profile(self, observed: Frames) -> tuple[()]:
        """Nothing."""
        return ()

    def unrelated(self, target: Frames, profile: tuple[()]) -> jax.Array:
        """2, the mean squared error of two standardised envelopes that are uncorrelated."""
        return jnp.float32(2.0)
