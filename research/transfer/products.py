"""Products of arrays in full precision, on accelerators too."""

import functools

import jax
import jax.numpy as jnp

# Losses are small differences of large products. Left to themselves, accelerators round factors to
# the ten bits of TF32 or the eight of bfloat16.
einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
