"""Style terms against their definitions by numpy, in float64."""

import functools
import itertools

import jax
import numpy as np
import pytest
from hazen import hazen_quantiles
from representing import (
    FEATURE_DIMS,
    context_of,
    normal,
    random_representations,
    whole,
)

from research.transfer.frames import Frames
from research.transfer.representations import (
    NUM_FAST_MELS,
    NUM_MELS,
    Representations,
    waveform_representations,
)
from research.transfer.terms.patches import patches
from research.transfer.terms.registry import STYLE_TERMS
from research.transfer.terms.statistic import Statistic

STATISTICS = [name for name, term in STYLE_TERMS.items() if isinstance(term, Statistic)]
OF_FEATURES = [name for name, term in STYLE_TERMS.items() if "features" in term.reads]


def squared(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


@functools.cache
def compiled(name: str, method: str):
    return jax.jit(getattr(STYLE_TERMS[name], method))


def constants_of(name: str):
    return context_of(STYLE_TERMS[name]).constants


@functools.cache
def compiled_observe(name: str):
    context = context_of(STYLE_TERMS[name])
    return jax.jit(lambda given: STYLE_TERMS[name].observe(given, context))


def observe(name: str, representations):
    return jax.device_get(compiled_observe(name)(representations))


@functools.cache
def observed(name: str, num_frames: int = 12, seed: int = 0):
    """Of one channel."""
    return observe(name, random_representations(num_frames, seed))


def two_channels(name: str):
    """The counts of frames are those of each."""

    def together(*each):
        return np.concatenate(each) if np.ndim(each[0]) else each[0]

    return jax.tree.map(together, observed(name), observed(name, seed=9))


def channel_of(values, channel: int):
    """One channel of an observation."""
    return jax.tree.map(lambda leaf: leaf[channel : channel + 1] if np.ndim(leaf) else leaf, values)


def describe(name: str, values):
    return jax.device_get(compiled(name, "describe")(values))


def distance(name: str, values, description) -> list[float]:
    """By layer, if there are any."""
    found = compiled(name, "distance")(values, description)
    return [float(layer) for layer in jax.tree.leaves(found)]


def energy(name: str, description) -> list[float]:
    return [float(layer) for layer in jax.tree.leaves(compiled(name, "energy")(description))]


@pytest.mark.parametrize("name", STYLE_TERMS)
def test_an_output_of_two_channels_has_the_distances_of_each_to_a_style_of_one(name):
    style = describe(name, observed(name, seed=1))
    values = two_channels(name)
    both = distance(name, values, style)
    one, other = (distance(name, channel_of(values, channel), style) for channel in range(2))
    assert all(apart > 0.0 for apart in one + other)
    means = name in (*STATISTICS, "feature_levels")  # The other terms are sums.
    expected = (np.array(one) + other) / (2 if means else 1)
    assert both == pytest.approx(list(expected), rel=1e-4)


@pytest.mark.parametrize("name", STATISTICS)
def test_distances_of_statistics_are_mean_squared_errors(name):
    values, style = two_channels(name), observed(name, seed=1)
    np.testing.assert_array_equal(describe(name, style), style)
    expected = np.mean([squared(channel - style[0]) / style.size for channel in values])
    assert distance(name, values, style) == pytest.approx([expected], rel=1e-4)
    assert energy(name, style) == pytest.approx([squared(style) / style.size], rel=1e-4)
    assert STYLE_TERMS[name].count(values) == 1.0


@pytest.mark.parametrize("name", OF_FEATURES)
def test_terms_of_features_know_layers_apart(name):
    style = describe(name, observed(name, seed=1))
    values = observed(name)
    for layer in FEATURE_DIMS:
        changed = {**style, layer: 2.0 * style[layer]}
        assert style.keys() == values.keys()
        before, after = (distance(name, values, s) for s in (style, changed))
        moved = [a != pytest.approx(b) for a, b in zip(before, after, strict=True)]
        assert moved == [layer == other for other in sorted(FEATURE_DIMS)]


def test_activations_are_compared_with_their_mean():
    values = two_channels("activations")
    style = describe("activations", observed("activations", 20))
    apart = dict(zip(sorted(style), distance("activations", values, style), strict=True))
    for layer, features in values.items():
        features = features.values
        mean = np.float64(observed("activations", 20)[layer].values).mean(axis=1, keepdims=True)
        np.testing.assert_allclose(style[layer], mean, rtol=1e-5)
        assert apart[layer] == pytest.approx(squared(features - mean), rel=1e-4)
        assert STYLE_TERMS["activations"].count(values)[layer] == features.size


def test_feature_levels_are_compared_by_the_mean_over_each_layer():
    values, style = two_channels("feature_levels"), observed("feature_levels", 20, seed=1)
    apart = dict(zip(sorted(style), distance("feature_levels", values, style), strict=True))
    for layer in style:
        expected = squared(values[layer] - style[layer]) / values[layer].size
        assert apart[layer] == pytest.approx(expected, rel=1e-4)
        assert STYLE_TERMS["feature_levels"].count(values)[layer] == 1.0


# Statistics.


def bands_that_go_together(num_frames: int = 20) -> Representations:
    """Two channels of bands that rise and fall together, as those of music do."""
    mel, fast_mel = (
        0.3 * normal(2, frames, bands, seed=bands) + normal(2, frames, 1, seed=frames) - 2
        for frames, bands in ((num_frames, NUM_MELS), (4 * num_frames, NUM_FAST_MELS))
    )
    features = {
        name: whole(normal(2, num_frames, size, seed=size)) for name, size in FEATURE_DIMS.items()
    }
    return Representations(
        features=features,
        spectrum=whole(normal(2, num_frames, 9, seed=3)),
        mel=whole(mel),
        fast_mel=whole(fast_mel),
    )


BANDS = bands_that_go_together()


def stacks(values: np.ndarray, width: int) -> np.ndarray:
    """Stacks of frames one after the other, `[channels, patches, width dims]`."""
    windows = np.lib.stride_tricks.sliding_window_view(np.float64(values), width, axis=1)
    return np.moveaxis(windows, -1, 2).reshape(*windows.shape[:2], -1)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_patches_are_windows_over_time(stride):
    values = normal(2, 12, 3)
    found = jax.jit(lambda values: patches(Frames.of(values), 5, stride).values)(values)
    np.testing.assert_allclose(found, stacks(values, 5)[:, ::stride], rtol=1e-6)


def test_a_patch_longer_than_the_recording_holds_its_last_frame():
    values = normal(2, 3, 4)
    held = np.concatenate([values, values[:, 2:], values[:, 2:]], axis=1)
    padding = np.zeros((2, 4, 4), np.float32)
    for given in (values, np.concatenate([values, padding], axis=1)):
        found = patches(Frames(given, 3), 5, 2)
        assert found.count == 1
        np.testing.assert_array_equal(found.values[:, :1], held.reshape(2, 1, 20))
        np.testing.assert_array_equal(found.values[:, 1:], 0.0)


@pytest.mark.parametrize("num_frames", [20, 3])
def test_patch_levels_are_quantiles_of_every_other_projected_patch(num_frames):
    given = bands_that_go_together(num_frames)
    held = np.pad(given.mel.values, [(0, 0), (0, max(8 - num_frames, 0)), (0, 0)], mode="edge")
    expected = hazen_quantiles(stacks(held, 8)[:, ::2] @ np.float64(constants_of("patches")))
    found = observe("patches", given)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_fast_patch_levels_are_quantiles_of_every_fourth_projected_patch():
    projected = stacks(BANDS.fast_mel.values, 12)[:, ::4] @ np.float64(constants_of("fast_patches"))
    found = observe("fast_patches", BANDS)
    np.testing.assert_allclose(found, hazen_quantiles(projected), rtol=1e-4, atol=1e-4)


def test_band_levels_are_quantiles_of_mel_bands():
    found = observe("bands", BANDS)
    np.testing.assert_allclose(found, hazen_quantiles(BANDS.mel.values), rtol=1e-5, atol=1e-5)


def test_feature_levels_are_quantiles_of_projected_features_of_each_layer():
    found = observe("feature_levels", BANDS)
    projections = constants_of("feature_levels")
    assert found.keys() == projections.keys() == FEATURE_DIMS.keys()
    for name, values in BANDS.features.items():
        projected = np.float64(values.values) @ np.float64(projections[name])
        np.testing.assert_allclose(found[name], hazen_quantiles(projected), rtol=1e-4, atol=1e-4)


def test_a_spectrum_is_the_mean_over_time():
    expected = np.float64(BANDS.spectrum.values).sum(axis=1) / 20
    found = observe("spectrum", BANDS)
    assert found.shape == (2, 1, 9)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_band_correlation_is_that_of_numpy():
    found = observe("correlation", BANDS)
    for channel, values in enumerate(BANDS.fast_mel.values):
        expected = np.corrcoef(np.float64(values), rowvar=False)
        assert expected.min() < 0.9
        np.testing.assert_allclose(found[channel], expected, atol=1e-3)


def test_bands_that_hardly_move_have_no_correlation():
    still = BANDS._replace(fast_mel=whole(1e-4 * BANDS.fast_mel.values))
    assert np.abs(observe("correlation", still)).max() < 1e-3


# Recordings of any length.


@functools.cache
def all_terms(num_samples: int):
    """Descriptions of noise of two channels."""
    waveform = 0.1 * normal(2, num_samples)

    @jax.jit
    def describe_all(waveform):
        features = {
            name: Frames.of(waveform[:, : max(num_samples // 512, 1), None] * np.ones(size))
            for name, size in FEATURE_DIMS.items()
        }
        given = waveform_representations(waveform, 22050)
        given = given._replace(features=features, log_magnitude=features["wide"])
        return {
            name: term.describe(term.observe(given, context_of(term)))
            for name, term in STYLE_TERMS.items()
        }

    return describe_all, waveform


def test_descriptions_have_one_size_for_recordings_of_any_length():
    sizes = []
    for num_samples in (300, 11025, 100000):
        describe_all, waveform = all_terms(num_samples)
        sizes.append(jax.eval_shape(describe_all, waveform))
    assert sizes[0] == sizes[1] == sizes[2]


def test_descriptions_of_a_recording_shorter_than_any_patch_are_finite():
    describe_all, waveform = all_terms(300)
    for name, values in jax.device_get(describe_all(waveform)).items():
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(values)), name


# Projections.


def test_projections_are_unit_columns_of_the_sizes_of_what_they_project():
    rows = {"patches": 8 * NUM_MELS, "fast_patches": 12 * NUM_FAST_MELS}
    drawn = {name: constants_of(name) for name in rows} | constants_of("feature_levels")
    for name, size in (rows | FEATURE_DIMS).items():
        assert drawn[name].shape[0] == size
        np.testing.assert_allclose(np.linalg.norm(drawn[name], axis=0), 1.0, rtol=1e-5)


def draw_of_equal_size(*layers: str):
    """The projections of all terms, for layers of as many dims as a patch."""
    sizes = dict.fromkeys(layers, 640)
    return {name: term.make_constants(0, sizes) for name, term in STYLE_TERMS.items()}


def test_every_set_of_projections_is_drawn_for_itself():
    drawn = jax.tree.leaves(draw_of_equal_size("one", "two"))
    assert len(drawn) == 4
    for first, second in itertools.combinations(drawn, 2):
        size = min(first.size, second.size)
        pair = first.ravel()[:size], second.ravel()[:size]
        assert abs(np.corrcoef(*pair)[0, 1]) < 0.05


def test_projections_of_features_do_not_depend_on_the_order_of_layers():
    ordered, reverse = (draw_of_equal_size(*names) for names in (("one", "two"), ("two", "one")))
    jax.tree.map(np.testing.assert_array_equal, ordered, reverse)
