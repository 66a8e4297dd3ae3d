"""What a style is: statistics against numpy and scipy, and of one size for any length."""

import functools
import itertools

import jax
import numpy as np
import pytest
from compiling import quick_jit
from scipy import optimize

from research.transfer import statistics
from research.transfer.objective import HEARD_STYLE
from research.transfer.statistics import make_projections, patches, quantiles
from research.transfer.style import style_terms
from research.transfer.views import NUM_FAST_MELS, NUM_MELS, Views, hear

FEATURE_SIZES = {"wide": 5, "narrow": 7}
STATISTICS = {name: style_terms("frames")[name].observe for name in HEARD_STYLE}
PROJECTIONS = make_projections(0, FEATURE_SIZES)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def views(num_frames: int = 20) -> Views:
    """Bands that go together, as those of music do."""
    mel, fast_mel = (
        0.3 * normal(2, frames, bands, seed=bands) + normal(2, frames, 1, seed=frames) - 2
        for frames, bands in ((num_frames, NUM_MELS), (4 * num_frames, NUM_FAST_MELS))
    )
    spectrum = normal(2, num_frames, 9, seed=3)
    features = {
        name: normal(2, num_frames, size, seed=size) for name, size in FEATURE_SIZES.items()
    }
    return Views(features=features, spectrum=spectrum, mel=mel, fast_mel=fast_mel)


@functools.cache
def compiled(statistic):
    return quick_jit(lambda seen: statistic(seen, PROJECTIONS))


def observe(statistic, seen: Views | None = None):
    return jax.device_get(compiled(statistic)(views() if seen is None else seen))


def hazen(values: np.ndarray, num_quantiles: int = 256) -> np.ndarray:
    """Quantiles over time by numpy, `[channels, frames, dims]`."""
    levels = (np.arange(num_quantiles) + 0.5) / num_quantiles
    found = np.quantile(np.asarray(values, np.float64), levels, axis=1, method="hazen")
    return np.moveaxis(found, 0, 1)


def stacks(values: np.ndarray, width: int) -> np.ndarray:
    """Stacks of frames one after the other, `[channels, patches, width dims]`."""
    windows = np.lib.stride_tricks.sliding_window_view(np.float64(values), width, axis=1)
    return np.moveaxis(windows, -1, 2).reshape(*windows.shape[:2], -1)


# Quantiles.


@pytest.mark.parametrize(("num_frames", "count"), [(1, 5), (2, 5), (7, 5), (7, 7), (7, 40)])
def test_quantiles_are_those_of_hazen(num_frames, count):
    values = normal(2, num_frames, 3)
    found = quick_jit(lambda values: quantiles(values, count))(values)
    np.testing.assert_allclose(found, hazen(values, count), rtol=1e-5, atol=1e-6)


def test_the_squared_error_of_quantiles_is_a_squared_wasserstein_distance():
    """Of all pairings of two samples, that of least cost."""
    first, second = normal(1, 40, 2), 1 + 2 * normal(1, 40, 2, seed=1)
    apart = quick_jit(lambda first, second: quantiles(first, 40) - quantiles(second, 40))
    found = np.square(apart(first, second)).mean(axis=(0, 1))
    for d in range(2):
        cost = np.square(first[0, :, None, d] - second[0, :, d])
        rows, columns = optimize.linear_sum_assignment(cost)
        assert found[d] == pytest.approx(cost[rows, columns].mean(), rel=1e-5)


# Patches.


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_patches_are_windows_over_time(stride):
    values = normal(2, 12, 3)
    found = quick_jit(lambda values: patches(values, 5, stride))(values)
    np.testing.assert_allclose(found, stacks(values, 5)[:, ::stride], rtol=1e-6)


def test_a_patch_longer_than_the_piece_holds_its_last_frame():
    values = normal(2, 3, 4)
    held = np.concatenate([values, values[:, 2:], values[:, 2:]], axis=1)
    np.testing.assert_array_equal(patches(values, 5, 2), held.reshape(2, 1, 20))


@pytest.mark.parametrize("num_frames", [20, 3])
def test_patch_levels_are_quantiles_of_every_other_projected_patch(num_frames):
    seen = views(num_frames)
    held = np.pad(seen.mel, [(0, 0), (0, max(8 - num_frames, 0)), (0, 0)], mode="edge")
    expected = hazen(stacks(held, 8)[:, ::2] @ np.float64(PROJECTIONS.patches))
    found = observe(statistics.patch_levels, seen)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_fast_patch_levels_are_quantiles_of_every_fourth_projected_patch():
    projected = stacks(views().fast_mel, 12)[:, ::4] @ np.float64(PROJECTIONS.fast_patches)
    found = observe(statistics.fast_patch_levels)
    np.testing.assert_allclose(found, hazen(projected), rtol=1e-4, atol=1e-4)


# The other statistics.


def test_band_levels_are_quantiles_of_mel_bands():
    found = observe(statistics.band_levels)
    np.testing.assert_allclose(found, hazen(views().mel), rtol=1e-5, atol=1e-5)


def test_feature_levels_are_quantiles_of_projected_features_of_each_layer():
    found = observe(statistics.feature_levels)
    assert found.keys() == FEATURE_SIZES.keys()
    for name, values in views().features.items():
        projected = np.float64(values) @ np.float64(PROJECTIONS.features[name])
        np.testing.assert_allclose(found[name], hazen(projected), rtol=1e-4, atol=1e-4)


def test_a_spectrum_is_the_mean_over_time():
    expected = np.float64(views().spectrum).sum(axis=1) / 20
    found = observe(statistics.spectrum)
    assert found.shape == (2, 1, 9)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_band_correlation_is_that_of_numpy():
    found = observe(statistics.band_correlation)
    for channel, values in enumerate(views().fast_mel):
        expected = np.corrcoef(np.float64(values), rowvar=False)
        assert expected.min() < 0.9
        np.testing.assert_allclose(found[channel], expected, atol=1e-3)


def test_bands_that_hardly_move_have_no_correlation():
    still = views()._replace(fast_mel=1e-4 * views().fast_mel)
    assert np.abs(observe(statistics.band_correlation, still)).max() < 1e-3


# All of them.


@functools.cache
def heard_statistics(num_samples: int):
    """All statistics of a piece of two channels."""
    piece = 0.1 * normal(2, num_samples)

    @quick_jit
    def every(waveform):
        features = {
            name: waveform[:, : max(num_samples // 512, 1), None] * np.ones(size, np.float32)
            for name, size in FEATURE_SIZES.items()
        }
        seen = hear(waveform, 22050)._replace(features=features)
        found = {name: statistic(seen, PROJECTIONS) for name, statistic in STATISTICS.items()}
        return found | {"feature_levels": statistics.feature_levels(seen, PROJECTIONS)}

    return every, piece


def test_statistics_have_one_size_for_pieces_of_any_length():
    sizes = []
    for num_samples in (300, 11025, 100000):
        every, piece = heard_statistics(num_samples)
        sizes.append(jax.eval_shape(every, piece))
    assert sizes[0] == sizes[1] == sizes[2]


def test_statistics_of_a_piece_shorter_than_any_patch_are_finite():
    every, piece = heard_statistics(300)
    for name, values in jax.device_get(every(piece)).items():
        assert np.isfinite(jax.tree.leaves(values)).all(), name


# Projections.


def test_projections_are_those_of_their_seed():
    leaves = [
        jax.device_get(jax.tree.leaves(make_projections(seed, FEATURE_SIZES))) for seed in (0, 0, 1)
    ]
    for first, again, other in zip(*leaves, strict=True):
        np.testing.assert_array_equal(first, again)
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.15


def test_projections_are_unit_columns_of_the_sizes_of_what_they_see():
    rows = {
        "patches": 8 * NUM_MELS,
        "fast_patches": 12 * NUM_FAST_MELS,
    }
    drawn = {name: getattr(PROJECTIONS, name) for name in rows} | PROJECTIONS.features
    for name, size in (rows | FEATURE_SIZES).items():
        assert drawn[name].shape[0] == size
        np.testing.assert_allclose(np.linalg.norm(drawn[name], axis=0), 1.0, rtol=1e-5)


def test_every_set_of_projections_is_drawn_for_itself():
    drawn = jax.device_get(draw_of_equal_size({"one": 640, "two": 640}))
    for first, second in itertools.combinations(jax.tree.leaves(drawn), 2):
        size = min(first.size, second.size)
        pair = first.ravel()[:size], second.ravel()[:size]
        assert abs(np.corrcoef(*pair)[0, 1]) < 0.05


def test_projections_of_features_do_not_depend_on_the_order_of_layers():
    ordered, reverse = (
        draw_of_equal_size(dict.fromkeys(names, 640)) for names in (("one", "two"), ("two", "one"))
    )
    jax.tree.map(np.testing.assert_array_equal, ordered.features, reverse.features)


def draw_of_equal_size(sizes: dict[str, int]):
    return make_projections(0, sizes)
