"""The two terms, their scales, and the weights that enter them once."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, correlate, get_window, sosfilt

from research.audio.stft import StftConfig
from research.transfer.features import FilterConfig, make_filters
from research.transfer.objective import (
    GRAM_DIVISORS,
    SCALES,
    Objective,
    StyleTarget,
    content_term,
    gram,
    gram_distance,
    style_target,
    style_term,
    unrelated_distance,
)
from research.transfer.variable import VARIABLES, from_waveform

STFT = StftConfig(n_fft=64, hop_length=24)
WIDTHS = (2, 5)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def grams(features: np.ndarray) -> np.ndarray:
    return np.stack([channel.T @ channel for channel in features.astype(np.float64)])


def squared(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


# The whole objective again, in float64 and from its definitions.


def reference_features(kind: str, variable: np.ndarray, kernels: dict) -> dict[int, np.ndarray]:
    if kind == "waveform":
        padded = np.pad(variable, [(0, 0), (32, 32)])
        frames = np.lib.stride_tricks.sliding_window_view(padded, 64, axis=-1)[:, ::24]
        variable = np.log1p(np.abs(np.fft.rfft(frames * get_window("hann", 64))))
    elif kind == "spectrogram":
        variable = np.logaddexp(0.0, 20.0 * variable) / 20.0
    features = {}
    for width in WIDTHS:
        kernel = np.asarray(kernels[f"width_{width}"], np.float64).reshape(width, 33, -1)
        shape = (variable.shape[0], variable.shape[1] - width + 1, kernel.shape[-1])
        features[width] = np.empty(shape)
        for channel, f in np.ndindex(shape[0], shape[2]):
            column = correlate(variable[channel], kernel[:, :, f], mode="valid", method="direct")
            features[width][channel, :, f] = np.maximum(column[:, 0], 0.0)
    return features


def reference_gram(features: np.ndarray, divisor: str, width: int) -> np.ndarray:
    frames, filters = features.shape[1:]
    by = {
        "frames": frames,
        "input_frames": frames + width - 1,
        "frames_filters": frames * filters,
    }
    return grams(features) / by[divisor]


def reference_terms(objective, variable, content, style, kernels) -> dict[str, float]:
    every = [
        reference_features(objective.variable, np.asarray(v, np.float64), kernels)
        for v in (variable, content, style)
    ]
    terms = {"content": 0.0, "style": 0.0}
    for width in WIDTHS:
        x, c, s = (features[width] for features in every)
        gx, gc, gs = (reference_gram(f, objective.gram_divisor, width) for f in (x, c, s))
        scales = {
            "sum": (1.0, 1.0),
            "mean": (2 * c.size, 2 * gc.size),
            "relative": (2 * pairwise_distance(c, s), 2 * squared(gc - gs)),
        }
        content_scale, style_scale = scales[objective.scale]
        terms["content"] += squared(x - c) / content_scale
        terms["style"] += squared(gx - gs) / style_scale
    return terms


def pairwise_distance(content: np.ndarray, style: np.ndarray) -> float:
    pairs = [
        [squared(content[:, t] - style[:, u]) for u in range(style.shape[1])]
        for t in range(content.shape[1])
    ]
    return content.shape[1] * float(np.mean(pairs))


def small_problem(kind: str, num_filters: int = 7):
    """Kernels and three variables of a kind: the generated one, a content and a shorter style."""
    kernels = make_filters(FilterConfig(WIDTHS, num_filters), STFT.num_bins)
    generated, content, style = (
        np.asarray(from_waveform(kind, 0.3 * normal(2, samples, seed=seed), STFT))
        for seed, samples in ((1, 500), (2, 500), (3, 330))
    )
    return kernels, generated, content, style


def test_content_term_adds_squared_errors_over_their_scale():
    features = {"a": normal(2, 5, 3), "b": normal(2, 4, 6, seed=1)}
    target = {"a": normal(2, 5, 3, seed=2), "b": normal(2, 4, 6, seed=3)}
    expected = squared(features["a"] - target["a"]) / 2 + squared(features["b"] - target["b"]) / 5
    value = content_term(features, target, {"a": 2.0, "b": 5.0})
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_style_term_adds_squared_errors_of_gram_matrices_over_their_scale():
    features = {"a": normal(2, 9, 4), "b": normal(2, 3, 30, seed=1)}
    style = {"a": normal(2, 6, 4, seed=2), "b": normal(2, 5, 30, seed=3)}
    targets = {name: style_target(style[name], features[name].shape[1]) for name in style}
    errors = {name: squared(grams(features[name]) - grams(style[name])) for name in style}
    value = style_term(features, targets, {"a": 2.0, "b": 5.0})
    assert float(value) == pytest.approx(errors["a"] / 2 + errors["b"] / 5, rel=1e-5)


@pytest.mark.parametrize(
    ("num_frames", "style_frames", "num_filters", "by_frames"),
    [(40, 30, 80, True), (40, 40, 80, False), (100, 100, 20, False)],
)
def test_a_style_is_kept_as_whichever_is_smaller(num_frames, style_frames, num_filters, by_frames):
    target = style_target(normal(1, style_frames, num_filters), num_frames)
    assert (target.gram is None) == by_frames
    assert (target.frames is not None) == by_frames


@pytest.mark.parametrize("form", ["gram", "frames"])
@pytest.mark.parametrize("difference", [3e-1, 1e-1, 1e-2, 1e-3, 0.0])
def test_gram_distance_is_the_direct_one_in_both_forms(form, difference):
    style = np.maximum(normal(2, 150, 512), 0.0)
    generated = style + difference * np.maximum(normal(2, 150, 512, seed=1), 0.0)
    whole, distance = squared(grams(style)), squared(grams(generated) - grams(style))
    target = style_target(style, 150)
    assert target.frames is not None
    if form == "gram":
        target = StyleTarget(gram(style), None, None)
    # 1e-4 of the distance, and the digits that float32 has of the norms it is the difference of.
    lost = (1e-8 if form == "gram" else 4e-7) * whole
    assert float(gram_distance(generated, target)) == pytest.approx(distance, rel=1e-4, abs=lost)


def test_gram_distance_by_frames_loses_no_more_than_a_fraction_of_a_float32_digit():
    errors = []
    for seed in range(10):
        style, change = np.maximum(normal(2, 1, 100, 300, seed=seed), 0.0)
        generated = style + np.float32(0.02) * change
        distance = squared(grams(generated) - grams(style))
        error = float(gram_distance(generated, style_target(style, 100))) - distance
        errors.append(abs(error) / squared(grams(style)))
    assert np.mean(errors) < 0.2 * np.finfo(np.float32).eps


def test_unrelated_distance_is_the_mean_over_all_pairs_of_frames():
    content = 3.0 + normal(2, 13, 5)
    style = 2.0 * normal(2, 8, 5, seed=1)
    expected = pairwise_distance(content, style)
    assert float(unrelated_distance(content, style)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("divisor", GRAM_DIVISORS)
def test_terms_are_those_of_the_definition(kind, scale, divisor):
    objective = Objective(kind, STFT, "relu", scale, divisor)
    kernels, generated, content, style = small_problem(kind)
    terms = objective.terms(generated, objective.targets(kernels, content, style))
    expected = reference_terms(objective, generated, content, style, kernels)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("num_filters", [7, 64])  # By Gram matrices, and by frames.
@pytest.mark.parametrize("scale", SCALES)
def test_terms_are_zero_where_all_three_are_the_same_piece(scale, num_filters):
    objective = Objective("waveform", STFT, "relu", scale, "frames")
    kernels, _, content, _ = small_problem("waveform", num_filters)
    terms = objective.terms(content, objective.targets(kernels, content, content))
    assert float(terms["content"]) == 0.0
    assert float(terms["style"]) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("num_filters", [7, 64])
@pytest.mark.parametrize("kind", VARIABLES)
def test_relative_terms_are_zero_at_the_same_and_one_at_the_other_piece(kind, num_filters):
    objective = Objective(kind, STFT, "relu", "relative", "frames")
    kernels, style, content, _ = small_problem(kind, num_filters)  # Of equal length.
    targets = objective.targets(kernels, content, style)
    at_content, at_style = (objective.terms(v, targets) for v in (content, style))
    assert float(at_content["content"]) == 0.0
    assert float(at_content["style"]) == pytest.approx(1.0, abs=1e-3)
    assert float(at_style["content"]) == pytest.approx(1.0, abs=0.25)  # Not all pairs of frames.
    assert float(at_style["style"]) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("num_filters", [7, 64])
@pytest.mark.parametrize("kind", VARIABLES)
def test_gradients_are_the_slopes_of_the_float64_definition(kind, num_filters):
    objective = Objective(kind, STFT, "relu", "relative", "frames")
    kernels, generated, content, style = small_problem(kind, num_filters)
    weights = {"content": 1.0, "style": 2.0}
    targets = objective.targets(kernels, content, style)
    gradient = np.asarray(jax.jit(jax.grad(objective))(generated, targets, weights), np.float64)
    norm = np.linalg.norm(gradient)

    def loss(variable):
        terms = reference_terms(objective, variable, content, style, kernels)
        return sum(weights[name] * terms[name] for name in weights)

    along = [gradient / norm, normal(*gradient.shape, seed=8), normal(*gradient.shape, seed=9)]
    for direction in along:
        ahead, behind = (loss(generated + step * direction) for step in np.array([1e-6, -1e-6]))
        slope = (ahead - behind) / 2e-6
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-3, abs=1e-3 * norm)


@given(*[st.floats(0.0, 1e4, width=32)] * 2)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_weight_enters_exactly_once(content_weight, style_weight):
    objective = Objective("raw_spectrogram", STFT, "relu", "sum", "frames")
    kernels, generated, content, style = small_problem("raw_spectrogram")
    targets = objective.targets(kernels, content, style)
    terms = objective.terms(generated, targets)
    loss = objective(generated, targets, {"content": content_weight, "style": style_weight})
    expected = content_weight * float(terms["content"]) + style_weight * float(terms["style"])
    assert float(loss) == pytest.approx(expected, rel=1e-6)


# Weights that mean the same whatever the length and the number of filters.


def texture(seconds: int, band: tuple[float, float], tones: tuple[float, ...], seed: int):
    """Stationary filtered noise with a few sinusoids in it, at 2000 Hz."""
    rng = np.random.default_rng(seed)
    time = np.arange(2000 * seconds) / 2000
    band_filter = butter(2, band, "bandpass", fs=2000, output="sos")
    samples = sosfilt(band_filter, rng.normal(size=time.size + 500))[500:]
    samples /= samples.std()
    samples += 0.5 * sum(np.sin(2 * np.pi * tone * time) for tone in tones)
    return (0.1 * samples / samples.std())[None].astype(np.float32)


@jax.jit(static_argnames="num_filters")
def terms_between(content, style, *, num_filters):
    """Terms by scale of a piece that is half content, half style, and of the mean of the two."""
    objective = Objective("raw_spectrogram", StftConfig(128, 64), "relu", "relative", "frames")
    kernels = make_filters(FilterConfig((3,), num_filters), 65)
    content, style = (from_waveform("raw_spectrogram", v, objective.stft) for v in (content, style))
    frames = content.shape[1]
    repeated = jnp.tile(style, (1, -(-frames // style.shape[1]), 1))[:, :frames]
    halves = jnp.concatenate([content[:, : frames // 2], repeated[:, frames // 2 :]], axis=1)
    terms = {}
    for scale in ("relative", "sum"):
        scaled = dataclasses.replace(objective, scale=scale)
        targets = scaled.targets(kernels, content, style)
        terms[scale, "halves"] = scaled.terms(halves, targets)
        terms[scale, "blend"] = scaled.terms((content + repeated) / 2, targets)
    return terms


def test_relative_weights_mean_the_same_at_any_length_and_number_of_filters():
    found = []
    for seconds, num_filters in itertools.product([(5, 60), (60, 5)], [256, 4096]):
        content = texture(seconds[0], (100, 300), (180, 410), seed=1)
        style = texture(seconds[1], (300, 800), (350, 620), seed=2)
        found.append(jax.device_get(terms_between(content, style, num_filters=num_filters)))

    for terms in found:  # Half of the frames are wrong, and half of the Gram matrix.
        assert terms["relative", "halves"] == pytest.approx(
            {"content": 0.5, "style": 0.25}, rel=0.1
        )
    for scale, term, least, most in (
        ("relative", "content", 1.0, 1.05),
        ("relative", "style", 1.0, 1 / 0.85),
        ("sum", "content", 12.0, 20.0),  # Twelve times the frames, and louder features.
        ("sum", "style", 1.4, 2.0),
    ):
        values = [terms[scale, "blend"][term] for terms in found]
        assert least <= max(values) / min(values) < most
