"""Float32 products that round their factors as a GPU does, to find what does not bear it.

`ROUND_PRODUCTS=1 python -m pytest` rounds them to the ten bits of TF32 wherever full precision is
not asked for. Importing this does it. It needs parts of jax that are not public. A script that is
started with an environment of its own does not round, so a test that compares it with others fails.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jax._src.lib.mlir.dialects import hlo
from jax.extend.core import Primitive

_EXPONENT_BITS, _MANTISSA_BITS = 8, 10


def _rounds(precision: object) -> bool:
    given = precision if isinstance(precision, tuple) else (precision,)
    return all(one in (None, jax.lax.Precision.DEFAULT) for one in given)


def _round_factors(primitive: Primitive) -> None:
    rule: Callable = mlir._platform_specific_lowerings["cpu"][primitive].rule

    def lower(context, *factors, **params):
        floats = all(each.dtype == np.float32 for each in context.avals_in)
        if floats and _rounds(params["precision"]):
            bits = ir.IntegerType.get_signless(32)
            sizes = [ir.IntegerAttr.get(bits, n) for n in (_EXPONENT_BITS, _MANTISSA_BITS)]
            factors = [hlo.reduce_precision(each, *sizes) for each in factors]
        return rule(context, *factors, **params)

    mlir.register_lowering(primitive, lower, platform="cpu")


_round_factors(jax.lax.dot_general_p)
_round_factors(jax.lax.conv_general_dilated_p)
