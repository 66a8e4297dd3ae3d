"""Recordings of several lengths in one program: XLA compiles a program for each shape.

A waveform is padded with zeros to one of a few lengths, and a program is told how many samples
there are.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

_LENGTH = 114_660
"""One padded length: 5.2 s at 22 050 Hz. It leaves little to pad at 5, 10, 20, 30 and 60 s."""


def padded_length(num_samples: int) -> int:
    """Samples that a waveform is padded to, at least `num_samples`, and at most half more.

    They are 114 660 or 1.5 times as many, times a power of 2.
    """
    octave = math.floor(math.log2(num_samples / _LENGTH))
    lengths = (math.ceil(_LENGTH * factor * 2.0**octave) for factor in (1.0, 1.5, 2.0))
    return next(length for length in lengths if length >= num_samples)


def pad_to(array: jax.typing.ArrayLike, shape: Sequence[int]) -> np.ndarray:
    """An array with zeros after it along every axis, up to a shape."""
    array = np.asarray(array)
    padding = [(0, most - size) for most, size in zip(shape, array.shape, strict=True)]
    return np.pad(array, padding)


def pad_waveform(samples: jax.typing.ArrayLike) -> np.ndarray:
    """A waveform `[..., samples]` with zeros after it, up to its `padded_length`."""
    *batch, num_samples = np.shape(samples)
    return pad_to(samples, (*batch, padded_length(num_samples)))


def first(count: jax.Array | int, size: int) -> jax.Array:
    """True for the first `count` of `size` places."""
    return jnp.arange(size) < count
