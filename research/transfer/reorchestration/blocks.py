"""Pieces of any length, block by block: each program is compiled once, for one block.

Sums over frames are sums over blocks, so nothing depends on where a block ends. Frames of zeros
fill the last block.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from research.audio.spans import spans as spans_of
from research.products import matmul

BLOCK = 128
"""Frames of a block, 3 s."""

TINY = 1e-6
"""Added to a model that magnitudes are divided by."""


def spans(num_frames: int) -> Iterator[slice]:
    """The frames of each block; fewer in the last."""
    return spans_of(num_frames, BLOCK)


def split_blocks(array: np.ndarray) -> list[Any]:
    """`[frames, ...]` as blocks `[128, ...]` in single precision, in the memory of the device.

    Where that is the host's, as on CPU, they are views.
    """
    blocks, on_host = [], jax.default_backend() == "cpu"
    for span in spans(len(array)):
        block = array[span].astype(np.float32, copy=False)
        missing = [(0, BLOCK - len(block))] + [(0, 0)] * (array.ndim - 1)
        block = np.pad(block, missing) if len(block) < BLOCK else block
        blocks.append(block if on_host else jax.device_put(block))
    return blocks


def join_blocks(blocks: Sequence[jax.typing.ArrayLike], num_frames: int) -> np.ndarray:
    """The inverse of `split_blocks`, `[num_frames, ...]`."""
    return np.concatenate([np.asarray(block) for block in blocks])[:num_frames]


def map_blocks(
    function: Callable[..., jax.Array],
    magnitude: Sequence[jax.typing.ArrayLike],
    levels: Sequence[jax.typing.ArrayLike],
    templates: np.ndarray,
    *others: int,
) -> list[jax.Array]:
    """`function(magnitude, levels, templates, *others)` of each block; `slope` says of what."""
    on_device = jax.device_put(templates)
    return [
        function(observed, played, on_device, *others)
        for observed, played in zip(magnitude, levels, strict=True)
    ]


def slope(
    magnitude: Sequence[jax.typing.ArrayLike],
    levels: Sequence[jax.typing.ArrayLike],
    templates: np.ndarray,
) -> np.ndarray:
    """`A' (V / (A W))`, by which multiplicative updates move templates.

    Args:
      magnitude: blocks of V, `[128, bins]` each.
      levels: blocks of A, `[128, templates]` each.
      templates: W, `[templates, bins]`.

    Returns:
      `[templates, bins]`.
    """
    on_device, total = jax.device_put((templates, np.zeros_like(templates)))
    for observed, played in zip(magnitude, levels, strict=True):
        total = _add_slope(total, observed, played, on_device)
    return np.asarray(total)


@jax.jit
def _add_slope(
    total: jax.Array, magnitude: jax.Array, levels: jax.Array, templates: jax.Array
) -> jax.Array:
    return total + matmul(levels.T, magnitude / (matmul(levels, templates) + TINY))


def sum_frames(levels: Sequence[jax.Array]) -> np.ndarray:
    """Sum over all frames, `[...]`."""
    return np.sum([np.asarray(block).sum(axis=0) for block in levels], axis=0)


def sum_squares(levels: Sequence[jax.Array]) -> np.ndarray:
    """Sum of squares over all frames, `[...]`."""
    return np.sum([np.square(np.asarray(block)).sum(axis=0) for block in levels], axis=0)
