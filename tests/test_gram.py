"""Gram matrices against their definition in float64, in both forms of a target."""

import jax
import numpy as np
import pytest
from representing import FEATURE_DIMS, context_of, normal, random_representations, whole

from research.transfer.terms.gram import (
    DIVISORS,
    Gram,
    GramFrames,
    cheapest_gram,
    gram,
    gram_distance,
    gram_energy,
)


def squared(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


def grams(features: np.ndarray) -> np.ndarray:
    """`F^T F` of each channel in float64."""
    return np.stack([channel.T @ channel for channel in np.float64(features)])


@pytest.mark.parametrize("divisor", DIVISORS)
def test_a_gram_term_compares_gram_matrices_over_their_divisor(divisor):
    term = Gram()
    context = context_of(term, divisor)
    output, style = random_representations(12, 0, 2), random_representations(20, 1)

    @jax.jit
    def compare(output, style):
        observed = term.observe(output, context)
        target = term.describe(term.observe(style, context))
        return term.distance(observed, target), term.energy(target), target, observed

    apart, energies, target, observed = jax.device_get(compare(output, style))
    for layer, filters in FEATURE_DIMS.items():
        ours, theirs = (
            grams(recording.features[layer].values)
            / {
                "frames": frames - 4,
                "input_frames": frames,
                "frames_filters": (frames - 4) * filters,
            }[divisor]
            for recording, frames in ((output, 12), (style, 20))
        )
        np.testing.assert_allclose(target[layer], theirs, rtol=1e-5)
        assert apart[layer] == pytest.approx(squared(ours - theirs), rel=1e-4)
        assert energies[layer] == pytest.approx(squared(theirs), rel=1e-5)
        assert term.count(observed)[layer] == 2 * filters**2


def test_a_gram_divisor_counts_frames_or_filters():
    found = {name: divisor(whole(np.zeros((2, 8, 5))), 12) for name, divisor in DIVISORS.items()}
    assert found == {"frames": 8, "input_frames": 12, "frames_filters": 40}


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


@jax.jit
def both_forms(generated, style):
    """Distances to a Gram matrix and to the frames it comes from, and the energies of both."""
    frames = cheapest_gram(style, generated.shape[1])
    described = {"gram": gram(style), "frames": frames}
    energies = {form: gram_energy(target) for form, target in described.items()}
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
        assert energies[form] == pytest.approx(whole, rel=1e-5)


def test_a_gram_distance_by_frames_loses_no_more_than_a_fraction_of_a_float32_digit():
    errors = []
    for seed in range(10):
        style, change = np.maximum(normal(2, 1, 100, 300, seed=seed), 0.0)
        generated = style + np.float32(0.02) * change
        expected = squared(grams(generated) - grams(style))
        apart, _, _ = both_forms(generated, style)
        errors.append(abs(float(apart["frames"]) - expected) / squared(grams(style)))
    assert np.mean(errors) < 0.2 * np.finfo(np.float32).eps
