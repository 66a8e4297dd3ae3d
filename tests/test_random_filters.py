"""Random filters over time."""

import jax
import numpy as np
import pytest
from scipy.signal import correlate

from research.transfer.random_filters import (
    NONLINEARITIES,
    FilterConfig,
    FilterSpectra,
    make_filters,
    random_features,
    transform_filters,
)

IN_NUMPY = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
    "none": lambda x: x,
}


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_features_are_a_correlation_over_time_through_a_nonlinearity(nonlinearity):
    num_bins, num_filters = 9, 6
    config = FilterConfig(widths=(2, 5), num_filters=num_filters, nonlinearity=nonlinearity)
    kernels = make_filters(config, num_bins)
    spectrogram = np.random.default_rng(0).normal(size=(2, 14, num_bins)).astype(np.float32)
    features = random_features(kernels, spectrogram, nonlinearity)
    assert set(features) == {"width_2", "width_5"}
    for width in (2, 5):
        expected = np.empty((2, 14 - width + 1, num_filters))
        for channel in range(2):
            for f in range(num_filters):
                kernel = np.asarray(kernels[f"width_{width}"][:, :, f], np.float64)
                expected[channel, :, f] = correlate(
                    spectrogram[channel].astype(np.float64),
                    kernel,
                    mode="valid",
                    method="direct",
                )[:, 0]
        expected = IN_NUMPY[nonlinearity](expected)
        np.testing.assert_allclose(features[f"width_{width}"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_frames", [8, 12, 40])
def test_wide_filters_by_spectra_equal_those_by_frames(num_frames):
    widths = tuple(width for width in (2, 8, 11, 25) if width <= num_frames)
    kernels = make_filters(FilterConfig(widths=widths, num_filters=6), 9)
    transformed = transform_filters(kernels)
    wide = {name for name, kernel in transformed.items() if isinstance(kernel, FilterSpectra)}
    assert wide == {f"width_{width}" for width in widths if width >= 8}
    rng = np.random.default_rng(0)
    spectrogram = rng.normal(size=(2, num_frames, 12)).astype(np.float32)
    see = jax.jit(random_features, static_argnums=2)
    expected = see(kernels, spectrogram, "none")
    features = see(transformed, spectrogram, "none")
    for name in expected:
        np.testing.assert_allclose(features[name], expected[name], rtol=1e-4, atol=1e-5)

    def energy(spectrogram, kernels):
        return sum((f**3).sum() for f in random_features(kernels, spectrogram, "tanh").values())

    slope = jax.jit(jax.grad(energy))
    gradient, wanted = (slope(spectrogram, k) for k in (transformed, kernels))
    np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("width", [3, 4, 11])
def test_a_conv1d_keeps_all_frames_and_has_a_bias(width):
    """As PyTorch's with `padding="same"`: an even width has the longer padding after the end."""
    config = FilterConfig(widths=(width,), num_filters=6, layer="conv1d")
    filters = make_filters(config, 9)
    spectrogram = np.random.default_rng(0).normal(size=(2, 14, 9)).astype(np.float32)
    layer = filters[f"width_{width}"]
    padded = np.pad(spectrogram, ((0, 0), ((width - 1) // 2, width // 2), (0, 0)))
    for seen in (filters, transform_filters(filters)):
        found = random_features(seen, spectrogram, "relu")[f"width_{width}"]
        assert found.shape == (2, 14, 6)
        for channel, f in np.ndindex(2, 6):
            kernel = np.float64(layer.kernel[:, :, f])
            column = correlate(np.float64(padded[channel]), kernel, mode="valid", method="direct")
            expected = np.maximum(column[:, 0] + np.float64(layer.bias[f]), 0)
            np.testing.assert_allclose(found[channel, :, f], expected, rtol=1e-4, atol=1e-5)


def test_weights_and_biases_of_a_conv1d_are_uniform():
    config = FilterConfig(widths=(3,), num_filters=700, layer="conv1d")
    layer = make_filters(config, 65)["width_3"]
    assert layer.kernel.shape == (3, 65, 700)
    for values in (np.ravel(layer.kernel), np.asarray(layer.bias)):
        scaled = values * np.sqrt(65 * 3)
        assert np.abs(scaled).max() <= 1.000001
        counts, _ = np.histogram(scaled, bins=4, range=(-1, 1))
        assert counts / len(values) == pytest.approx(0.25, abs=0.06)
    assert abs(np.corrcoef(layer.kernel[0, 0], layer.bias)[0, 1]) < 0.1


def test_filters_of_fewer_bins_see_the_lowest():
    kernels = make_filters(FilterConfig(widths=(3,), num_filters=4), 5)
    spectrogram = np.random.default_rng(0).normal(size=(1, 8, 9)).astype(np.float32)
    features = random_features(kernels, spectrogram, "relu")["width_3"]
    alone = random_features(kernels, spectrogram[..., :5], "relu")["width_3"]
    np.testing.assert_array_equal(features, alone)


def test_a_filter_as_wide_as_the_piece_gives_one_frame():
    kernels = make_filters(FilterConfig(widths=(7,), num_filters=4), 5)
    spectrogram = np.random.default_rng(0).normal(size=(1, 7, 5)).astype(np.float32)
    features = random_features(kernels, spectrogram, "none")
    expected = spectrogram.reshape(1, 1, 35).astype(np.float64) @ np.asarray(
        kernels["width_7"]
    ).reshape(35, 4)
    np.testing.assert_allclose(features["width_7"], expected, rtol=1e-5, atol=1e-5)


def test_weights_are_normal_with_the_deviation_of_ulyanov_and_lebedev():
    kernels = make_filters(FilterConfig(widths=(3, 11), num_filters=700), 65)
    for width in (3, 11):
        weights = np.asarray(kernels[f"width_{width}"], np.float64)
        assert weights.shape == (width, 65, 700)
        expected = np.sqrt(2.0) * np.sqrt(2.0 / ((65 + 700) * width))
        assert weights.std() == pytest.approx(expected, rel=0.01)
        assert abs(weights.mean()) < 0.02 * expected
        assert np.mean(np.abs(weights) < expected) == pytest.approx(0.6827, abs=0.01)


def test_the_seed_alone_decides_the_filters():
    first, again, other = (
        make_filters(FilterConfig(widths=(3, 5), num_filters=50, seed=seed), 20)
        for seed in (1, 1, 2)
    )
    for name, kernel in first.items():
        np.testing.assert_array_equal(kernel, again[name])
        correlation = np.corrcoef(np.ravel(kernel), np.ravel(other[name]))[0, 1]
        assert abs(correlation) < 0.1


def test_filters_of_two_widths_are_independent():
    kernels = make_filters(FilterConfig(widths=(3, 5), num_filters=50), 20)
    narrow = np.ravel(kernels["width_3"])
    wide = np.ravel(kernels["width_5"])[: narrow.size]
    assert abs(np.corrcoef(narrow, wide)[0, 1]) < 0.1
