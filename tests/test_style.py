"""What is taken from a style: its terms against their definitions, in float64."""

import functools

import jax
import numpy as np
import pytest
from compiling import quick_jit

from research.transfer.objective import FEATURE_TERMS, HEARD_CONTENT, HEARD_STYLE
from research.transfer.statistics import make_projections
from research.transfer.style import (
    GRAM_DIVISORS,
    GramFrames,
    cheapest_gram,
    gram,
    gram_distance,
    gram_divisor,
    style_terms,
)
from research.transfer.views import NUM_FAST_MELS, NUM_MELS, Views

FEATURE_SIZES = {"wide": 5, "narrow": 7}
TERMS = style_terms("frames")
OF_FEATURES = [name for name in TERMS if name in FEATURE_TERMS]
PROJECTIONS = make_projections(0, FEATURE_SIZES)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def squared(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


def grams(features: np.ndarray) -> np.ndarray:
    """`F^T F` of each channel in float64."""
    return np.stack([channel.T @ channel for channel in np.float64(features)])


def views(num_frames: int, num_channels: int, seed: int) -> Views:
    """Anything, of the shapes that a piece is seen in."""
    return Views(
        log_magnitude=np.abs(normal(num_channels, num_frames, 9, seed=seed)),
        features={
            name: 1 + normal(num_channels, num_frames - 4, size, seed=seed + size)
            for name, size in FEATURE_SIZES.items()
        },
        spectrum=normal(num_channels, num_frames, 9, seed=seed + 100) - 2,
        mel=normal(num_channels, num_frames, NUM_MELS, seed=seed + 200) - 2,
        fast_mel=normal(num_channels, 4 * num_frames, NUM_FAST_MELS, seed=seed + 300) - 2,
    )


@functools.cache
def compiled(name: str, method: str):
    return quick_jit(getattr(TERMS[name], method))


@functools.cache
def observed(name: str, num_frames: int = 12, num_channels: int = 2, seed: int = 0):
    seen = views(num_frames, num_channels, seed)
    return jax.device_get(compiled(name, "observe")(seen, PROJECTIONS))


def describe(name: str, values):
    return jax.device_get(compiled(name, "describe")(values))


def distance(name: str, values, description) -> list[float]:
    """By layer, if there are any."""
    found = compiled(name, "distance")(values, description)
    return [float(layer) for layer in jax.tree.leaves(found)]


def energy(name: str, description) -> list[float]:
    return [float(layer) for layer in jax.tree.leaves(compiled(name, "energy")(description))]


# Every term.


def test_there_is_a_style_term_for_every_name():
    for divisor in GRAM_DIVISORS:
        names = {*HEARD_STYLE, *FEATURE_TERMS} - {"features"}
        assert style_terms(divisor).keys() == names
    assert not {*HEARD_STYLE} & {*HEARD_CONTENT}


@pytest.mark.parametrize("name", TERMS)
def test_a_piece_and_its_own_description_are_no_distance_apart(name):
    num_frames = 5 if name == "activations" else 12  # Of one position, or of several.
    values = observed(name, num_frames)
    assert distance(name, values, describe(name, values)) == pytest.approx(
        [0.0] * len(jax.tree.leaves(values)), abs=1e-9
    )


@pytest.mark.parametrize("name", TERMS)
def test_an_output_of_two_channels_has_the_distances_of_each_to_a_style_of_one(name):
    style = describe(name, observed(name, num_channels=1, seed=1))
    values = observed(name)
    both = distance(name, values, style)
    one, other = (
        distance(name, jax.tree.map(lambda leaf, c=c: leaf[c : c + 1], values), style)
        for c in range(2)
    )
    assert all(apart > 0.0 for apart in one + other)
    means = name in (*HEARD_STYLE, "feature_levels")  # The other terms are sums.
    expected = (np.array(one) + other) / (2 if means else 1)
    assert both == pytest.approx(list(expected), rel=1e-4)


@pytest.mark.parametrize("name", TERMS)
def test_the_energy_of_a_style_is_its_distance_from_nothing(name):
    style = describe(name, observed(name, num_channels=1, seed=1))
    nothing = jax.tree.map(lambda leaf: np.zeros_like(leaf[:, :1]), observed(name, num_channels=1))
    found = energy(name, style)
    assert all(value > 0.0 for value in found)
    assert found == pytest.approx(distance(name, nothing, style), rel=1e-5)


@pytest.mark.parametrize("name", HEARD_STYLE)
def test_distances_of_statistics_are_mean_squared_errors(name):
    values, style = observed(name), observed(name, num_channels=1, seed=1)
    np.testing.assert_array_equal(describe(name, style), style)
    expected = np.mean([squared(channel - style[0]) / style.size for channel in values])
    assert distance(name, values, style) == pytest.approx([expected], rel=1e-4)
    assert energy(name, style) == pytest.approx([squared(style) / style.size], rel=1e-4)
    assert TERMS[name].count(values) == 1.0


@pytest.mark.parametrize("name", OF_FEATURES)
def test_terms_of_features_know_layers_apart(name):
    style = describe(name, observed(name, seed=1))
    values = observed(name)
    for layer in FEATURE_SIZES:
        changed = {**style, layer: 2.0 * style[layer]}
        assert jax.tree.structure(style) == jax.tree.structure(values)
        before, after = (distance(name, values, s) for s in (style, changed))
        moved = [a != pytest.approx(b) for a, b in zip(before, after, strict=True)]
        assert moved == [layer == other for other in sorted(FEATURE_SIZES)]


def test_activations_are_compared_with_their_mean():
    values, style = observed("activations"), describe("activations", observed("activations", 20))
    apart = dict(zip(sorted(style), distance("activations", values, style), strict=True))
    for layer, features in values.items():
        mean = np.float64(observed("activations", 20)[layer]).mean(axis=1, keepdims=True)
        np.testing.assert_allclose(style[layer], mean, rtol=1e-5)
        assert apart[layer] == pytest.approx(squared(features - mean), rel=1e-4)
        assert TERMS["activations"].count(values)[layer] == features.size


def test_feature_levels_are_compared_by_the_mean_over_each_layer():
    values, style = observed("feature_levels"), observed("feature_levels", 20, seed=1)
    apart = dict(zip(sorted(style), distance("feature_levels", values, style), strict=True))
    for layer in style:
        expected = squared(values[layer] - style[layer]) / style[layer].size
        assert apart[layer] == pytest.approx(expected, rel=1e-4)
        assert TERMS["feature_levels"].count(values)[layer] == 1.0


# Gram matrices.


@pytest.mark.parametrize("divisor", GRAM_DIVISORS)
def test_a_gram_term_compares_gram_matrices_over_their_divisor(divisor):
    term = style_terms(divisor)["gram"]
    seen, heard = views(12, 2, seed=0), views(20, 1, seed=1)

    @quick_jit
    def compare(seen, heard):
        values = term.observe(seen, PROJECTIONS)
        style = term.describe(term.observe(heard, PROJECTIONS))
        return term.distance(values, style), term.energy(style), style

    apart, energies, style = jax.device_get(compare(seen, heard))
    for layer, filters in FEATURE_SIZES.items():
        ours, theirs = (
            grams(piece.features[layer])
            / {
                "frames": frames - 4,
                "input_frames": frames,
                "frames_filters": (frames - 4) * filters,
            }[divisor]
            for piece, frames in ((seen, 12), (heard, 20))
        )
        np.testing.assert_allclose(style[layer], theirs, rtol=1e-5)
        assert apart[layer] == pytest.approx(squared(ours - theirs), rel=1e-4)
        assert energies[layer] == pytest.approx(squared(theirs), rel=1e-5)
        assert term.count(seen.features)[layer] == 2 * filters**2


def test_a_gram_divisor_counts_frames_or_filters():
    divisors = {kind: gram_divisor(kind, np.zeros((2, 8, 5)), 12) for kind in GRAM_DIVISORS}
    assert divisors == {"frames": 8.0, "input_frames": 12.0, "frames_filters": 40.0}


def test_a_gram_matrix_is_of_each_channel():
    features = normal(2, 9, 4)
    np.testing.assert_allclose(gram(features), grams(features), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("num_frames", "style_frames", "num_filters", "by_frames"),
    [(40, 30, 80, True), (40, 40, 80, False), (100, 100, 20, False)],
)
def test_a_gram_matrix_is_kept_as_frames_where_those_of_both_are_fewer_than_filters(
    num_frames, style_frames, num_filters, by_frames
):
    features = jax.ShapeDtypeStruct((1, style_frames, num_filters), np.float32)
    kept = jax.eval_shape(lambda features: cheapest_gram(features, num_frames), features)
    assert isinstance(kept, GramFrames) == by_frames


@quick_jit
def both_forms(generated, style):
    """Distances to a Gram matrix and to the frames it comes from, and the energies of both."""
    frames = cheapest_gram(style, generated.shape[1])
    described = {"gram": gram(style), "frames": frames}
    energies = {form: TERMS["gram"].energy({"a": target}) for form, target in described.items()}
    return {form: gram_distance(generated, t) for form, t in described.items()}, energies, frames


@pytest.mark.parametrize("difference", [3e-1, 1e-1, 1e-2, 1e-3, 0.0])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_gram_distance_is_the_direct_one_in_both_forms(difference, num_channels):
    style = np.maximum(normal(num_channels, 100, 300), 0.0)
    generated = style + difference * np.maximum(normal(2, 100, 300, seed=1), 0.0)
    generated = generated.astype(np.float32)
    apart, energies, frames = both_forms(generated, style)
    assert isinstance(frames, GramFrames)
    expected = squared(grams(generated) - grams(style))
    whole = squared(grams(style))
    # 1e-4 of the distance, and the digits that float32 has of the norms it is the difference of.
    for form, lost in (("gram", 1e-8), ("frames", 4e-7)):
        assert float(apart[form]) == pytest.approx(expected, rel=1e-4, abs=2 * lost * whole)
        assert energies[form]["a"] == pytest.approx(whole, rel=1e-5)


def test_a_gram_distance_by_frames_loses_no_more_than_a_fraction_of_a_float32_digit():
    errors = []
    for seed in range(10):
        style, change = np.maximum(normal(2, 1, 100, 300, seed=seed), 0.0)
        generated = style + np.float32(0.02) * change
        expected = squared(grams(generated) - grams(style))
        apart, _, _ = both_forms(generated, style)
        errors.append(abs(float(apart["frames"]) - expected) / squared(grams(style)))
    assert np.mean(errors) < 0.2 * np.finfo(np.float32).eps
