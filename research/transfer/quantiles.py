"""Quantile functions and random projections: sliced Wasserstein distances.

The squared error of two quantile functions is the squared Wasserstein distance of the two
distributions. For distributions in several dimensions it is averaged over random projections
(Rabin et al. 2011).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.padding import first
from research.products import einsum
from research.transfer.frames import Frames

NUM_QUANTILES = 256


def quantiles(frames: Frames, num_quantiles: int = NUM_QUANTILES) -> jax.Array:
    """Quantile functions over time, `[channels, frames, dims]` to `[channels, quantiles, dims]`.

    They are taken at `(i + 1/2) / num_quantiles` and interpolated linearly between sorted values,
    where the `j`-th of `n` values lies at `(j + 1/2) / n`.
    """
    values, count = frames.values, jnp.asarray(frames.count, jnp.int32)
    valid = first(count, values.shape[1])
    ordered = jnp.sort(jnp.where(valid, jnp.swapaxes(values, 1, 2), jnp.inf), axis=-1)
    ordered = jnp.where(valid, ordered, 0.0)
    # Positions as whole numbers of `1 / (2 num_quantiles)`, which are exact.
    unit = 2 * num_quantiles
    position = (2 * jnp.arange(num_quantiles) + 1) * count - num_quantiles
    position = jnp.clip(position, 0, (count - 1) * unit)
    below = jnp.minimum(position // unit, jnp.maximum(count - 2, 0))
    fraction = (position - below * unit) / unit
    # A matrix product. The gradient of a gather adds up in no fixed order on a GPU.
    places = jnp.arange(values.shape[1])[:, None]
    weights = jnp.where(places == below, 1 - fraction, 0.0)
    weights += jnp.where(places == below + 1, fraction, 0.0)
    return einsum("cdt,tq->cqd", ordered, weights)


def random_projections(seed: Sequence[int], num_dims: int, num_projections: int) -> np.ndarray:
    """Random unit columns, `[dims, projections]`; each set needs a `seed` of its own."""
    values = np.random.default_rng(seed).standard_normal((num_dims, num_projections))
    return (values / np.linalg.norm(values, axis=0)).astype(np.float32)
