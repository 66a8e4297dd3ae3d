"""Convolutions and pooling of the classifiers, against XLA's own, PyTorch and differences."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from research.models.layers import Conv, convolve_image, convolve_time, max_pool

pytestmark = pytest.mark.usefixtures("full_products")


def wave(*shape: int, rate: float) -> np.ndarray:
    """Numbers without a pattern, the same in PyTorch."""
    return np.sin(rate * np.arange(1, math.prod(shape) + 1)).reshape(shape).astype(np.float32)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_xla(x, kernel):
    names = ("NWC", "WIO", "NWC") if kernel.ndim == 3 else ("NHWC", "HWIO", "NHWC")
    ones = (1,) * (kernel.ndim - 2)
    return jax.lax.conv_general_dilated(x, kernel, ones, "SAME", dimension_numbers=names)


@functools.partial(jax.jit, static_argnums=0)
def compiled_gradients(convolve, x, kernel, cotangent):
    value, pull = jax.vjp(convolve, x, kernel)
    return value, *pull(cotangent)


def assert_as_by_xla(convolve, x, kernel):
    cotangent = normal(*x.shape[:-1], kernel.shape[-1], seed=2)
    wanted = compiled_gradients(by_xla, x, kernel, cotangent)
    found = compiled_gradients(convolve, x, kernel, cotangent)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("width", "batch"), [(1, 3), (2, 3), (3, 1), (4, 1), (9, 3)])
def test_over_time_is_xlas_convolution_and_gradients(width, batch):
    assert_as_by_xla(convolve_time, normal(batch, 7, 5), normal(width, 5, 4, seed=1))


@pytest.mark.parametrize(
    ("size", "batch"), [((1, 1), 3), ((2, 2), 1), ((3, 3), 1), ((3, 3), 2), ((4, 5), 3)]
)
def test_over_an_image_is_xlas_convolution_and_gradients(size, batch):
    assert_as_by_xla(convolve_image, normal(batch, 5, 6, 2), normal(*size, 2, 3, seed=1))


# torch.nn.functional.conv1d(x, kernel, padding="same") in float64, second of the batch.
TORCH_TIME = {
    1: [
        [0.850764, 1.739061],
        [0.097875, -0.87889],
        [-0.992865, -0.463031],
        [1.34363, 1.551149],
        [-0.957905, -1.789027],
    ],
    2: [
        [2.093127, 3.211813],
        [0.183695, -1.51602],
        [-2.359827, -1.010757],
        [3.242454, 2.983503],
        [-0.957905, -1.789027],
    ],
    3: [
        [-3.205601, -2.066283],
        [3.001844, 4.299565],
        [0.1804, -2.530113],
        [-3.26376, -0.626184],
        [3.242454, 2.983503],
    ],
    4: [
        [-4.182438, -2.495717],
        [4.372036, 5.84163],
        [-0.832098, -4.339548],
        [-3.26376, -0.626184],
        [3.242454, 2.983503],
    ],
}


@pytest.mark.parametrize("width", TORCH_TIME)
def test_over_time_equals_pytorch(width):
    found = convolve_time(wave(2, 5, 3, rate=1.3), wave(width, 3, 2, rate=0.7))
    np.testing.assert_allclose(found[1], TORCH_TIME[width], atol=1e-5)


# torch.nn.functional.conv2d(x, kernel, padding="same") in float64.
TORCH_IMAGE = {
    2: [
        [-0.897285, 0.061095, 0.792582, -1.632141],
        [1.639961, -1.391124, 0.744116, 1.842373],
        [-1.14909, 1.088284, -0.715988, -0.854383],
    ],
    3: [
        [-1.427191, -1.614832, 2.842798, -2.897168],
        [4.692904, -2.14383, -0.460038, 4.505167],
        [-1.369993, 3.431932, -2.720129, -1.12914],
    ],
}


@pytest.mark.parametrize("width", TORCH_IMAGE)
def test_over_an_image_equals_pytorch(width):
    found = convolve_image(wave(1, 3, 4, 2, rate=1.3), wave(width, width, 2, 1, rate=0.7))
    np.testing.assert_allclose(found[0, ..., 0], TORCH_IMAGE[width], atol=1e-5)


@pytest.mark.parametrize(
    ("convolve", "x", "kernel"),
    [
        (convolve_time, normal(2, 4, 3), normal(2, 3, 2)),
        (convolve_image, normal(3, 3, 4, 1), normal(2, 3, 1, 2)),
    ],
    ids=["time", "image"],
)
def test_gradients_of_convolutions_are_finite_differences(convolve, x, kernel):
    check_grads(convolve, (x, kernel), order=1, modes=["rev"], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("num_axes", [1, 2])
def test_a_layer_adds_its_bias_and_starts_as_glorot(num_axes):
    width, num_in, num_out = 3, 20, 30
    layer = Conv(num_in, num_out, width, num_axes, nnx.Rngs(0))
    x = normal(2, *(6, 5)[:num_axes], num_in)
    kernel = np.asarray(layer.kernel[...])
    plain = by_xla(x, kernel)
    np.testing.assert_allclose(layer(x), plain, rtol=1e-4, atol=1e-4)
    without = Conv(num_in, num_out, width, num_axes, nnx.Rngs(0), use_bias=False)
    np.testing.assert_array_equal(without(x), layer(x))  # At the start, it is zero.
    assert without.bias is None
    layer.bias[...] = jnp.arange(30.0)
    np.testing.assert_allclose(layer(x), plain + np.arange(30.0), rtol=1e-4, atol=1e-4)
    bound = np.sqrt(6 / (width**num_axes * (num_in + num_out)))
    assert 0.98 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


WINDOWS = [((8,), (2,)), ((11,), (3,)), ((6, 5), (2, 2)), ((7, 4), (2, 2)), ((7, 9), (3, 2))]


@functools.partial(jax.jit, static_argnums=(0, 2))
def pool_gradient(pool, x, window, weights):
    return jax.grad(lambda x: (weights * pool(x, window)).sum())(x)


def by_blocks(x, window):
    """Maximum over reshaped axes, whose gradient is arbitrary where there are ties."""
    blocks = [size // width for size, width in zip(x.shape[1:], window, strict=False)]
    x = x[(slice(None), *(slice(b * w) for b, w in zip(blocks, window, strict=True)))]
    pairs = [number for pair in zip(blocks, window, strict=True) for number in pair]
    x = x.reshape(x.shape[0], *pairs, x.shape[-1])
    return x.max(axis=tuple(range(2, 2 * len(window) + 1, 2)))


@pytest.mark.parametrize(("size", "window"), WINDOWS)
def test_pooling_takes_the_largest_of_each_block(size, window):
    x = normal(3, *size, 4)
    found = jax.jit(max_pool, static_argnums=1)(x, window)
    np.testing.assert_array_equal(found, by_blocks(x, window))
    np.testing.assert_array_equal(found, nnx.max_pool(x, window, strides=window))


@pytest.mark.parametrize(("size", "window"), WINDOWS)
def test_gradient_of_pooling_without_ties_is_that_of_the_maximum(size, window):
    x = np.random.default_rng(0).permutation(3 * math.prod(size) * 2).astype(np.float32)
    x = x.reshape(3, *size, 2)
    weights = normal(*by_blocks(x, window).shape)
    found, wanted = (pool_gradient(pool, x, window, weights) for pool in (max_pool, by_blocks))
    np.testing.assert_array_equal(found, wanted)
    assert np.count_nonzero(found) == weights.size


def test_gradient_of_pooling_is_finite_differences():
    x = np.random.default_rng(0).permutation(2 * 5 * 4 * 2).reshape(2, 5, 4, 2) * 0.1
    x = jnp.asarray(x, jnp.float32)
    check_grads(lambda x: max_pool(x, (2, 2)), (x,), order=1, modes=["rev"], rtol=1e-2, atol=1e-2)


def test_gradient_of_pooling_goes_to_the_first_of_the_largest():
    x = np.float32([2, 2, 1, 4, 5, 5, 9]).reshape(1, 7, 1)
    gradient = pool_gradient(max_pool, x, (3,), np.float32([10, 20]).reshape(1, 2, 1))
    np.testing.assert_array_equal(gradient[0, :, 0], [10, 0, 0, 0, 20, 0, 0])
    x = np.float32([[0, 3, 7, 7, 1], [3, 3, 7, 7, 1], [8, 8, 8, 8, 1]]).reshape(1, 3, 5, 1)
    gradient = pool_gradient(max_pool, x, (2, 2), np.float32([10, 20]).reshape(1, 1, 2, 1))
    wanted = [[0, 10, 20, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(gradient[0, :, :, 0], wanted)


def test_pooling_of_less_than_a_block_leaves_nothing():
    x = normal(2, 1, 3)
    assert max_pool(x, (2,)).shape == (2, 0, 3)
    gradient = pool_gradient(max_pool, x, (2,), np.ones((2, 0, 3), np.float32))
    np.testing.assert_array_equal(gradient, np.zeros_like(x))
