"""Scales of the loss: what the distance of each term is divided by, and how layers are combined.

A term may have one distance, or one for each layer of features.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Under the root: near its minimum a term is quadratic, far from it a distance.
_ROUNDING = 1e-3


class Scale(NamedTuple):
    """One scale.

    Attributes:
      divisor: of a layer, from its distance at the untouched content (style terms) or at an
        unrelated recording (content terms), and from the number of squared errors in it.
      combine: from the divided distances of all layers to the value of the term.
    """

    divisor: Callable[[jax.Array, float], jax.Array]
    combine: Callable[[Sequence[jax.Array]], jax.Array]


def _sum(parts: Sequence[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, parts)


def _mean(parts: Sequence[jax.Array]) -> jax.Array:
    return _sum(parts) / len(parts)


def _mean_of_roots(parts: Sequence[jax.Array]) -> jax.Array:
    return _mean([jnp.sqrt(jnp.maximum(part, 0.0) + _ROUNDING) - _ROUNDING**0.5 for part in parts])


SCALES = {
    "root": Scale(lambda far, count: far, _mean_of_roots),
    "relative": Scale(lambda far, count: far, _mean),
    "sum": Scale(lambda far, count: jnp.float32(1.0), _sum),
    "mean": Scale(lambda far, count: jnp.float32(count), _mean),
}
"""Scales by name.

"relative" divides by the distance of the untouched content or of an unrelated recording, so that a
term is 0 at the target and 1 as far from it as another recording, whatever the length and the
number of filters. "root" is the root of that, `sqrt(t + 0.001) - sqrt(0.001)`, so that no term is
given up for another. "sum" divides by 1 and sums over layers; "mean" divides by the number of
squared errors. All but "sum" are means over layers.
"""
