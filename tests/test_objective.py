"""The loss of a transfer: its terms against their definitions, their scales, their gradients."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, correlate, get_window, sosfilt

from research.audio.stft import StftConfig
from research.transfer.constants import Constants
from research.transfer.evaluation import evaluate, weighted_sum
from research.transfer.objective import Objective
from research.transfer.representations import OF_WAVEFORM
from research.transfer.scales import SCALES
from research.transfer.terms.gram import DIVISORS, GramFrames
from research.transfer.terms.registry import CONTENT_TERMS, STYLE_TERMS
from research.transfer.variables.base import Basis
from research.transfer.variables.registry import VARIABLES

STFT = StftConfig(n_fft=64, hop_length=24)
WIDTHS = (2, 5)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def squared(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


def kernels(num_bins: int, num_filters: int, widths: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Random filters whose outputs are about as large as what they see."""
    scales = {width: (4 / ((num_bins + num_filters) * width)) ** 0.5 for width in widths}
    return {
        f"width_{width}": normal(width, num_bins, num_filters, seed=width, scale=scale)
        for width, scale in scales.items()
    }


# Terms of features again, in float64 and from their definitions.


def make_basis() -> Basis:
    """Ten random directions of segments of four frames."""
    directions, _ = np.linalg.qr(normal(4 * 33, 10, seed=7).astype(np.float64))
    mean = jnp.asarray(np.abs(normal(4, 33, seed=8)))
    return Basis(mean, jnp.asarray(directions.T.reshape(10, 4, 33), jnp.float32))


BASIS = make_basis()


def reference_spectrogram(kind: str, variable: np.ndarray, num_frames: int) -> np.ndarray:
    variable = np.asarray(variable, np.float64)
    if kind == "waveform":
        padded = np.pad(variable, [(0, 0), (32, 32)])
        frames = np.lib.stride_tricks.sliding_window_view(padded, 64, axis=-1)[:, ::24]
        return np.log1p(np.abs(np.fft.rfft(frames * get_window("hann", 64))))
    if kind == "spectrogram":
        return np.logaddexp(0.0, 20.0 * variable) / 20.0
    if kind == "pca":
        parts = np.tensordot(variable, np.asarray(BASIS.components, np.float64), axes=1)
        whole = (parts + np.asarray(BASIS.mean, np.float64)).reshape(len(variable), -1, 33)
        return whole[:, :num_frames]
    return variable


def reference_features(spectrogram: np.ndarray, filters: dict) -> dict[int, np.ndarray]:
    features = {}
    for width in WIDTHS:
        kernel = np.float64(filters[f"width_{width}"]).reshape(width, 33, -1)
        shape = (spectrogram.shape[0], spectrogram.shape[1] - width + 1, kernel.shape[-1])
        features[width] = np.empty(shape)
        for channel, f in np.ndindex(shape[0], shape[2]):
            column = correlate(spectrogram[channel], kernel[:, :, f], mode="valid", method="direct")
            features[width][channel, :, f] = np.maximum(column[:, 0], 0.0)
    return features


def reference_gram(features: np.ndarray, divisor: str, width: int) -> np.ndarray:
    frames, filters = features.shape[1:]
    by = {
        "frames": frames,
        "input_frames": frames + width - 1,
        "frames_filters": frames * filters,
    }
    return np.stack([channel.T @ channel for channel in features]) / by[divisor]


def pairwise_distance(content: np.ndarray, style: np.ndarray) -> float:
    """Mean over all pairs of a frame of the content and one of the style, times frames."""
    pairs = [
        [squared(content[:, t] - style[:, u]) for u in range(style.shape[1])]
        for t in range(content.shape[1])
    ]
    return content.shape[1] * float(np.mean(pairs))


def reference_terms(objective: Objective, problem: "Problem", variable=None) -> dict[str, float]:
    num_frames = STFT.num_frames(problem.content.shape[1])
    variable = problem.variable if variable is None else variable
    spectrograms = (
        reference_spectrogram(objective.variable, variable, num_frames),
        reference_spectrogram("waveform", problem.content, num_frames),
        reference_spectrogram("waveform", problem.style, num_frames),
    )
    every = [reference_features(seen, problem.constants.filters) for seen in spectrograms]
    parts = {"features": [], "gram": []}
    for width in WIDTHS:
        x, c, s = (features[width] for features in every)
        gx, gc, gs = (reference_gram(f, objective.gram_divisor, width) for f in (x, c, s))
        for name, distance, count, far in (
            ("features", squared(x - c), c.size, pairwise_distance(c, s)),
            ("gram", squared(gx - gs), gc.size, squared(gc - gs)),
        ):
            divided = distance / {"sum": 1.0, "mean": count}.get(objective.scale, far)
            if objective.scale == "root":
                divided = np.sqrt(divided + 0.001) - np.sqrt(0.001)
            parts[name].append(divided)
    add = np.sum if objective.scale == "sum" else np.mean
    return {name: float(add(values)) for name, values in parts.items()}


@dataclasses.dataclass
class Problem:
    """A variable, a content of two channels and a shorter style of one."""

    constants: Constants
    variable: np.ndarray
    content: np.ndarray
    style: np.ndarray

    def targets(self, objective: Objective, amount: float | None = None):
        """Gram matrices as the frames they come from, where those are few and may be."""
        frames = None if amount is not None else STFT.num_frames(self.content.shape[1])
        style = objective.describe_style(self.constants, self.style, frames)
        return objective.make_targets(self.constants, self.content, style, amount)


def small_problem(kind: str, num_filters: int = 7) -> Problem:
    constants = Constants(kernels(STFT.num_bins, num_filters, WIDTHS), {}, basis=BASIS)
    generated, content, style = (
        normal(channels, samples, seed=seed, scale=0.3)
        for seed, channels, samples in ((1, 2, 500), (2, 2, 500), (3, 1, 330))
    )
    variable = jax.jit(VARIABLES[kind](STFT, BASIS).from_waveform)
    variable = np.asarray(variable(generated))
    return Problem(constants, variable, content, style)


def test_terms_of_features_are_those_of_the_definition_at_every_scale():
    problem = small_problem("raw_spectrogram")
    objectives = [
        Objective("raw_spectrogram", stft=STFT, scale=scale, gram_divisor=divisor)
        for scale, divisor in itertools.product(SCALES, DIVISORS)
    ]

    @jax.jit
    def every(variable, constants, content, style):
        loaded = Problem(constants, variable, content, style)
        return [objective.terms(variable, loaded.targets(objective)) for objective in objectives]

    found = every(problem.variable, problem.constants, problem.content, problem.style)
    for objective, terms in zip(objectives, jax.device_get(found), strict=True):
        expected = reference_terms(objective, problem)
        assert terms == pytest.approx(expected, rel=1e-4), objective


@functools.partial(jax.jit, static_argnames="objective")
def terms_and_gradient(variable, constants, content, style, weights, *, objective):
    """Terms, and the gradient of their weighted sum."""
    targets = Problem(constants, variable, content, style).targets(objective)

    def loss(variable):
        terms = objective.terms(variable, targets)
        return weighted_sum(terms, weights), terms

    gradient, terms = jax.grad(loss, has_aux=True)(variable)
    return terms, gradient


@pytest.mark.parametrize(
    ("kind", "num_filters"),  # By Gram matrices, and by frames.
    [*((kind, 7) for kind in VARIABLES), ("waveform", 64)],
)
def test_terms_and_gradients_are_values_and_slopes_of_the_float64_definition(kind, num_filters):
    problem = small_problem(kind, num_filters)
    objective = Objective(kind, stft=STFT)
    weights = {"features": 1.0, "gram": 2.0}
    pieces = (problem.variable, problem.constants, problem.content, problem.style)
    terms, gradient = jax.device_get(terms_and_gradient(*pieces, weights, objective=objective))
    assert terms == pytest.approx(reference_terms(objective, problem), rel=1e-4)
    gradient = np.asarray(gradient, np.float64)
    norm = float(np.linalg.norm(gradient))

    def loss(variable):
        return weighted_sum(reference_terms(objective, problem, variable), weights)

    along = [gradient / norm, normal(*gradient.shape, seed=8), normal(*gradient.shape, seed=9)]
    for direction in along:
        ahead, behind = (
            loss(problem.variable + step * direction) for step in np.array([1e-6, -1e-6])
        )
        slope = (ahead - behind) / 2e-6
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-3, abs=1e-3 * norm)


def test_a_gram_matrix_is_compared_by_the_frames_it_comes_from_where_they_are_few():
    objective = Objective(stft=STFT)
    for num_filters, by_frames in ((7, False), (64, True)):
        problem = small_problem("waveform", num_filters)
        targets = jax.eval_shape(
            lambda constants, problem=problem: problem.targets(objective), problem.constants
        )
        for described in targets.style["gram"].values():
            assert isinstance(described, GramFrames) == by_frames


def test_a_weight_multiplies_its_term_once():
    objective = Objective("raw_spectrogram", stft=STFT, scale="sum")
    problem = small_problem("raw_spectrogram")
    targets = small_targets(problem.constants, problem.content, problem.style, None)

    @given(*[st.floats(0.0, 1e4, width=32)] * 2)
    def check(features_weight, gram_weight):
        weights = {"features": features_weight, "gram": gram_weight}
        loss, terms = evaluate(objective, problem.variable, targets, weights)
        expected = features_weight * terms["features"] + gram_weight * terms["gram"]
        assert loss == pytest.approx(expected, rel=1e-6)

    check()


@jax.jit
def small_targets(constants, content, style, amount):
    """Of Gram matrices, never of frames."""
    objective = Objective("raw_spectrogram", stft=STFT)
    described = objective.describe_style(constants, style)
    return objective.make_targets(constants, content, described, amount)


def test_the_whole_of_a_style_is_taken_unless_less_is_asked_for():
    problem = small_problem("raw_spectrogram")
    pieces = (problem.constants, problem.content[:1], problem.style)
    untold, whole, part = (
        jax.device_get(small_targets(*pieces, amount)) for amount in (None, 1.0, 0.25)
    )
    own, style = (
        reference_features(reference_spectrogram("waveform", piece, 0), problem.constants.filters)
        for piece in (problem.content[:1], problem.style)
    )
    for width in WIDTHS:
        ours, theirs = (reference_gram(f[width], "frames", width) for f in (own, style))
        for targets, share in ((untold, 1.0), (whole, 1.0), (part, 0.25)):
            expected = (1 - share) * ours + share * theirs
            found = targets.style["gram"][f"width_{width}"]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # However little is asked for, it is measured against all there is between the two.
    for terms in (whole.scales, part.scales):
        jax.tree.map(np.testing.assert_array_equal, terms, untold.scales)


def test_representations_of_a_waveform_are_computed_if_a_term_reads_one():
    problem = small_problem("waveform")
    for content, style in (
        *((("features",), (name,)) for name in STYLE_TERMS),
        *(((name,), ("gram",)) for name in CONTENT_TERMS),
    ):
        objective = Objective(stft=STFT, content=content, style=style)
        found = jax.eval_shape(objective.represent_waveform, problem.constants, problem.content)
        needed = CONTENT_TERMS[content[0]].needs_waveform or STYLE_TERMS[style[0]].needs_waveform
        for name in OF_WAVEFORM:
            assert (getattr(found, name) is not None) == needed
        assert found.features.keys() == problem.constants.filters.keys()


# Every term there is, through one program for each shape of pieces.

EVERY = Objective(
    stft=StftConfig(256, 128),
    content=tuple(CONTENT_TERMS),
    style=tuple(STYLE_TERMS),
    scale="root",
)
TERMS = (*EVERY.content, *EVERY.style)
# Several positions of a piece differ from their mean, which is all that is kept of a style.
RESTLESS = "activations"
CONSTANTS = Constants(
    kernels(EVERY.stft.num_bins, 6, (3,)),
    {name: term.make_constants(0, {"width_3": 6}) for name, term in STYLE_TERMS.items()},
)
HALF_SECOND, TENTH = (2, 11025), (1, 2205)


def loss_of_all(variable, content, style, amount, weights):
    """Weighted sum of all terms, and these."""
    described = EVERY.describe_style(CONSTANTS, style)
    terms = EVERY.terms(variable, EVERY.make_targets(CONSTANTS, content, described, amount))
    return weighted_sum(terms, weights), terms


gradient_of_all = jax.jit(jax.grad(loss_of_all, has_aux=True))


def measure(variable, content, style, amount=1.0, only: str | None = None):
    """Terms, and the gradient of their sum or of one of them."""
    weights = {name: float(only in (None, name)) for name in TERMS}
    gradient, terms = gradient_of_all(variable, content, style, amount, weights)
    return jax.device_get((terms, gradient))


def relative(terms: dict[str, np.ndarray]) -> dict[str, float]:
    """What terms are the rounded roots of."""
    return {name: float((term + 0.001**0.5) ** 2 - 0.001) for name, term in terms.items()}


def piece(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Noise, now louder and now softer, at a root mean square of 0.1."""
    samples = normal(*shape, seed=seed)
    time = np.arange(shape[1]) / 22050
    samples *= 1.2 + np.sin(2 * np.pi * (3 + seed) * time + seed, dtype=np.float32)
    return 0.1 * samples / np.sqrt(np.mean(np.square(samples)))


def test_relative_terms_are_zero_at_the_same_and_one_at_the_other_piece():
    content, style = piece(HALF_SECOND, 2), piece((1, 11025), 3)
    at_content, at_style = (
        relative(measure(variable, content, style)[0])
        for variable in (content, np.repeat(style, 2, axis=0))
    )
    for name in EVERY.content:  # Frames of an output and a content are not all their pairs.
        assert at_content[name] == pytest.approx(0.0, abs=1e-5), name
        assert at_style[name] == pytest.approx(1.0, abs=0.4), name
    for name in EVERY.style:
        assert at_content[name] == pytest.approx(1.0, abs=1e-5), name
        assert at_style[name] == pytest.approx(0.0, abs=1e-5) or name == RESTLESS


@pytest.mark.parametrize("shape", [HALF_SECOND, TENTH])
def test_terms_between_three_equal_pieces_are_zero_and_can_be_left(shape):
    style = piece((1, shape[1]), 4)
    same = np.repeat(style, shape[0], axis=0)
    terms, gradient = measure(same, same, style)
    assert np.isfinite(gradient).all()
    for name in {*TERMS} - {RESTLESS}:
        assert terms[name] == pytest.approx(0.0, abs=1e-2), name


def test_without_any_amount_the_style_is_that_of_the_content():
    content, style = piece(HALF_SECOND, 2), piece((1, 11025), 3)
    terms, _ = measure(content, content, style, amount=0.0)
    for name in {*TERMS} - {RESTLESS}:
        assert relative(terms)[name] == pytest.approx(0.0, abs=1e-5), name


@pytest.mark.parametrize("shape", [HALF_SECOND, TENTH])
@pytest.mark.parametrize("silent", ["variable", "content", "style", "one channel"])
def test_silence_has_finite_terms_and_gradients(shape, silent):
    pieces = {
        "variable": piece(shape, 1),
        "content": piece(shape, 2),
        "style": piece((1, shape[1]), 3),
    }
    if silent == "one channel":
        pieces["variable"][-1] = pieces["content"][-1] = 0.0
        pieces["content"][0, 0] += 0.1  # All of it, where there is one.
    else:
        pieces[silent][:] = 0.0
    terms, gradient = measure(*pieces.values())
    assert np.isfinite(gradient).all()
    for name, term in terms.items():
        assert np.isfinite(term), name


def directions(gradient: np.ndarray) -> list[np.ndarray]:
    """Two at random, and that of a gradient."""
    gradient = np.asarray(gradient, np.float64)
    along = [gradient / np.linalg.norm(gradient)]
    return along + [normal(*gradient.shape, seed=seed).astype(np.float64) for seed in (8, 9)]


@pytest.fixture(scope="module")
def slopes():
    """Gradients of every term in float32, and slopes along some directions in float64."""
    pieces = (piece(HALF_SECOND, 1), piece(HALF_SECOND, 2), piece((1, HALF_SECOND[1]), 3))
    gradients = {name: measure(*pieces, only=name)[1] for name in TERMS}
    weights = dict.fromkeys(TERMS, 1.0)
    all_terms = jax.jit(lambda *arguments: loss_of_all(*arguments)[1])
    with jax.enable_x64(True):
        variable, content, style = (np.float64(piece) for piece in pieces)

        def terms(variable):
            return jax.device_get(all_terms(variable, content, style, 1.0, weights))

        def slope(direction):
            ahead, behind = (terms(variable + step * direction) for step in (1e-8, -1e-8))
            assert all(value.dtype == np.float64 for value in ahead.values())
            return {name: (ahead[name] - behind[name]) / 2e-8 for name in TERMS}

        at_random = [slope(direction) for direction in directions(gradients[TERMS[0]])[1:]]
        along = {name: slope(directions(gradients[name])[0])[name] for name in TERMS}
    return gradients, {name: [along[name], *(s[name] for s in at_random)] for name in TERMS}


@pytest.mark.parametrize("name", TERMS)
def test_the_gradient_of_every_term_is_its_slope(slopes, name):
    gradient, expected = slopes[0][name], slopes[1][name]
    assert gradient.dtype == np.float32
    norm = float(np.linalg.norm(gradient))
    assert norm > 0.0
    for direction, slope in zip(directions(gradient), expected, strict=True):
        found = np.sum(gradient * direction)
        assert found == pytest.approx(slope, rel=1e-3, abs=1e-3 * norm)


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


@jax.jit
def terms_between(content, style, filters):
    """Terms by scale of a piece that is half content, half style, and of the mean of the two."""
    objective = Objective("raw_spectrogram", stft=StftConfig(128, 64))
    constants = Constants(filters, {})
    num_frames = objective.stft.num_frames(content.shape[1])
    described = objective.describe_style(constants, style, num_frames)
    every = {
        scale: dataclasses.replace(objective, scale=scale).make_targets(
            constants, content, described
        )
        for scale in ("relative", "sum")
    }
    raw = VARIABLES["raw_spectrogram"](objective.stft)
    content, style = map(raw.from_waveform, (content, style))
    frames = content.shape[1]
    repeated = jnp.tile(style, (1, -(-frames // style.shape[1]), 1))[:, :frames]
    halves = jnp.concatenate([content[:, : frames // 2], repeated[:, frames // 2 :]], axis=1)
    terms = {}
    for scale, targets in every.items():
        scaled = dataclasses.replace(objective, scale=scale)
        terms[scale, "halves"] = scaled.terms(halves, targets)
        terms[scale, "blend"] = scaled.terms((content + repeated) / 2, targets)
    return terms


def test_relative_weights_mean_the_same_at_any_length_and_number_of_filters():
    found = []
    for seconds, num_filters in itertools.product([(5, 60), (60, 5)], [128, 1024]):
        content = texture(seconds[0], (100, 300), (180, 410), seed=1)
        style = texture(seconds[1], (300, 800), (350, 620), seed=2)
        found.append(jax.device_get(terms_between(content, style, kernels(65, num_filters, (3,)))))

    for terms in found:  # Half of the frames are wrong, and half of the Gram matrix.
        assert terms["relative", "halves"] == pytest.approx(
            {"features": 0.5, "gram": 0.25}, rel=0.1
        )
    for scale, term, least, most in (
        ("relative", "features", 1.0, 1.1),  # Filters are drawn anew.
        ("relative", "gram", 1.0, 1.25),
        ("sum", "features", 12.0, 20.0),  # Twelve times the frames, and louder features.
        ("sum", "gram", 1.4, 2.5),
    ):
        values = [terms[scale, "blend"][term] for terms in found]
        assert least <= max(values) / min(values) < most
