"""Layers of the classifiers, in forms that are fast on both CPU and GPU."""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx

Tree = TypeVar("Tree")
GLOROT = nnx.initializers.glorot_uniform()


class Standardise(nnx.Module):
    """`(x - mean) * scale` of each bin, `[batch, frames, bins]`.

    Mean and scale are measured on the training segments before the first step and saved with the
    other arrays, but not trained. Until then the layer changes nothing.
    """

    def __init__(self, num_bins: int):
        self.mean = nnx.BatchStat(jnp.zeros(num_bins))
        self.scale = nnx.BatchStat(jnp.ones(num_bins))

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[batch, frames, bins]` to the same shape."""
        return (x - self.mean[...]) * self.scale[...]


class Conv(nnx.Module):
    """Convolution with "same" zero padding and stride 1, `[batch, *space, channels]`.

    One spatial axis uses `convolve_time`, two use `convolve_image`. A bias before batch
    normalisation would have no effect.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        num_axes: int,
        rngs: nnx.Rngs,
        use_bias: bool = True,
    ):
        shape = (width,) * num_axes + (in_channels, out_channels)
        self.kernel = nnx.Param(GLOROT(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_channels)) if use_bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[batch, *space, in_channels]` to `[batch, *space, out_channels]`."""
        convolve = convolve_time if self.kernel.ndim == 3 else convolve_image
        x = convolve(x, self.kernel[...])
        return x if self.bias is None else x + self.bias[...]


@jax.custom_vjp
def convolve_time(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution over time, `[batch, frames, in]` by `[width, in, out]` to `[batch, frames, out]`.

    `y[t] = sum_k x[t + k - (width - 1) // 2] K[k]`. All taps are applied to all frames in one
    matrix product, then the results are shifted and summed. With many channels in and few out,
    only the few are copied, here and in the gradient.
    """
    width, num_in, num_out = kernel.shape
    before = (width - 1) // 2
    taps = x @ kernel.transpose(1, 0, 2).reshape(num_in, width * num_out)
    taps = jnp.pad(taps, [(0, 0), (before, width - 1 - before), (0, 0)])
    shifted = (taps[:, i : i + x.shape[1], i * num_out : (i + 1) * num_out] for i in range(width))
    return functools.reduce(operator.add, shifted)


def _convolve_time_forward(x, kernel):
    return convolve_time(x, kernel), (x, kernel)


def _convolve_time_backward(saved, cotangent):
    x, kernel = saved
    width, num_in, num_out = kernel.shape
    after = width - 1 - (width - 1) // 2
    padded = jnp.pad(cotangent, [(0, 0), (after, width - 1 - after), (0, 0)])
    shifts = [padded[:, width - 1 - i :][:, : x.shape[1]] for i in range(width)]
    taps = jnp.concatenate(shifts, axis=-1).reshape(-1, width * num_out)
    kernel_gradient = x.reshape(-1, num_in).T @ taps
    x_gradient = taps @ kernel.transpose(0, 2, 1).reshape(width * num_out, num_in)
    return (
        x_gradient.reshape(x.shape),
        kernel_gradient.reshape(num_in, width, num_out).transpose(1, 0, 2),
    )


convolve_time.defvjp(_convolve_time_forward, _convolve_time_backward)


def make_convs(
    channels: Sequence[int], width: int, num_axes: int, batch_norm: bool, rngs: nnx.Rngs
) -> tuple[nnx.List, nnx.List]:
    """Convolutions from each number of channels to the next, and a batch normalisation for each."""
    convs = nnx.List(
        Conv(num_in, num_out, width, num_axes, rngs, use_bias=not batch_norm)
        for num_in, num_out in itertools.pairwise(channels)
    )
    # Flax's momentum of 0.99 leaves the running statistics of a short training unfinished.
    norms = nnx.List(
        nnx.BatchNorm(size, momentum=0.9, rngs=rngs) for size in channels[1:] if batch_norm
    )
    return convs, norms


def apply_convs(convs: nnx.List, norms: nnx.List, x: jax.Array) -> dict[str, jax.Array]:
    """Activations `conv1`, `pool1`, `conv2` and so on, `[batch, *space, channels]` each.

    Each convolution is followed by ReLU and max pooling by two along each axis.
    """
    activations = {}
    for i, conv in enumerate(convs, 1):
        x = conv(x)
        if norms:
            x = norms[i - 1](x)
        activations[f"conv{i}"] = jax.nn.relu(x)
        # ReLU after pooling gives the same for less work.
        x = activations[f"pool{i}"] = jax.nn.relu(max_pool(x, (2,) * (x.ndim - 2)))
    return activations


def convolve_image(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution over two axes, `[batch, frames, bins, in]` by `[height, width, in, out]`."""
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def by_halves(function: Callable[[jax.Array], Tree], x: jax.Array) -> Tree:
    """`function(x)` for a function that treats every example of a batch independently.

    On CPU it is called on each half of the batch. XLA runs some operations on one core there, the
    gradient of a kernel for example, and the two halves run in parallel.
    """
    if jax.default_backend() != "cpu" or len(x) < 2:
        return function(x)
    halves = [function(half) for half in jnp.split(x, [len(x) // 2])]
    return jax.tree.map(lambda *both: jnp.concatenate(both), *halves)


def max_pool(x: jax.Array, window: Sequence[int]) -> jax.Array:
    """Maximum of each block of `window`, `[batch, *space, channels]`.

    Incomplete blocks at the end are dropped. The gradient goes to the first maximum. It is written
    out because XLA's gradient of a reduced window, or of a maximum over reshaped axes, takes
    several times as long on CPU.
    """
    return _max_pool(x, tuple(window), x.shape[1:-1])


def _pool_forward(x, window, space):
    num_blocks = _num_blocks(window, space)
    for axis, (blocks, width) in enumerate(zip(num_blocks, window, strict=True), 1):
        x = jax.lax.slice_in_dim(x, 0, blocks * width, axis=axis)
    x = x.reshape(x.shape[0], *_interleaved(num_blocks, window), x.shape[-1])
    candidates = [
        x[(slice(None), *_interleaved([slice(None)] * len(window), index))]
        for index in itertools.product(*map(range, window))
    ]
    largest, place = candidates[0], jnp.zeros(candidates[0].shape, jnp.int8)
    for number, candidate in enumerate(candidates[1:], 1):
        place = jnp.where(candidate > largest, jnp.int8(number), place)
        largest = jnp.maximum(largest, candidate)
    return largest, place


def _pool_backward(window, space, place, cotangent):
    num_blocks, axes = _num_blocks(window, space), range(2, 2 * len(window) + 1, 2)
    number = jnp.arange(math.prod(window), dtype=jnp.int8)
    number = number.reshape(_interleaved([1] * len(window), window))[..., None]
    chosen = jnp.expand_dims(place, axes) == number
    spread = jnp.where(chosen, jnp.expand_dims(cotangent, axes), 0)
    covered = [blocks * width for blocks, width in zip(num_blocks, window, strict=True)]
    spread = spread.reshape(place.shape[0], *covered, place.shape[-1])
    over = [(0, size - cover) for size, cover in zip(space, covered, strict=True)]
    return (jnp.pad(spread, [(0, 0), *over, (0, 0)]),)


def _num_blocks(window, space):
    return [size // width for size, width in zip(space, window, strict=True)]


def _interleaved(first, second):
    return [value for pair in zip(first, second, strict=True) for value in pair]


_max_pool = jax.custom_vjp(lambda *args: _pool_forward(*args)[0], nondiff_argnums=(1, 2))
_max_pool.defvjp(_pool_forward, _pool_backward)
