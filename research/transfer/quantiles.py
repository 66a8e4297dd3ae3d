"""Quantile functions and random projections: sliced Wasserstein distances.

The squared error of two quantile functions is the squared Wasserstein distance of the two
distributions. For distributions in several dimensions it is averaged over random projections
(Rabin et al. 2011).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

NUM_QUANTILES = 256


def quantiles(values: jax.Array, num_quantiles: int = NUM_QUANTILES) -> jax.Array:
    """Quantile functions over time, `[channels, frames, dims]` to `[channels, quantiles, dims]`.

    They are taken at `(i + 1/2) / num_quantiles` and interpolated linearly between sorted values,
    where the `j`-th of `n` values lies at `(j + 1/2) / n`.
    """
    num_frames = values.shape[1]
    ordered = jnp.sort(jnp.swapaxes(values, 1, 2), axis=-1)
    position = (np.arange(num_quantiles) + 0.5) * num_frames / num_quantiles - 0.5
    position = np.clip(position, 0, num_frames - 1)
    below = np.minimum(position.astype(int), max(num_frames - 2, 0))
    above = np.minimum(below + 1, num_frames - 1)
    fraction = (position - below).astype(np.float32)
    between = ordered[..., below] * (1 - fraction) + ordered[..., above] * fraction
    return jnp.swapaxes(between, 1, 2)


def random_projections(seed: Sequence[int], num_dims: int, num_projections: int) -> np.ndarray:
    """Random unit columns, `[dims, projections]`; each set needs a `seed` of its own."""
    values = np.random.default_rng(seed).standard_normal((num_dims, num_projections))
    return (values / np.linalg.norm(values, axis=0)).astype(np.float32)
