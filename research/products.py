"""Products of arrays in full float32 precision, on accelerators too.

Left to themselves, accelerators round the factors of a product to the ten bits of TF32 or the eight
of bfloat16. Networks that are trained bear that. Losses do not, since they are small differences of
large products, nor do layers that were fitted in closed form.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp

FULL = jax.lax.Precision.HIGHEST
einsum = functools.partial(jnp.einsum, precision=FULL)
matmul = functools.partial(jnp.matmul, precision=FULL)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def full_precision(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The function, with all its products in full precision: those of optax and of networks too.

    It decorates what is traced, so it stands below `jax.jit`.
    """

    @functools.wraps(function)
    def in_full(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return in_full
