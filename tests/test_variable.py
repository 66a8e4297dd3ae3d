"""What is optimised, and its way from and to a waveform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import get_window

from research.audio.phase import PhaseConfig
from research.audio.stft import StftConfig
from research.errors import InputError
from research.transfer.constants import Constants
from research.transfer.objective import Objective
from research.transfer.random_filters import FilterConfig, make_filters, transform_filters
from research.transfer.variable import (
    VARIABLES,
    Basis,
    from_waveform,
    start_variable,
    to_log_magnitude,
    to_waveform,
)

CONFIG = StftConfig(n_fft=64, hop_length=24)
KEY = jax.random.key(5)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.3, shape).astype(np.float32)


def make_basis(count: int, frames: int = 4, bins: int = 33, seed: int = 7) -> Basis:
    """Random directions at right angles, and a mean like that of music."""
    random = np.random.default_rng(seed)
    directions, _ = np.linalg.qr(random.normal(size=(frames * bins, count)))
    mean = random.uniform(0.0, 1.0, (frames, bins))
    components = directions.T.reshape(count, frames, bins)
    return Basis(jnp.asarray(mean, jnp.float32), jnp.asarray(components, jnp.float32))


# As many components as a segment has numbers: nothing is lost in it.
COMPLETE = make_basis(132)
PART = make_basis(10)


def direct_log_magnitude(waveform: np.ndarray) -> np.ndarray:
    padded = np.pad(waveform.astype(np.float64), [(0, 0), (32, 32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, 64, axis=-1)[:, ::24]
    return np.log1p(np.abs(np.fft.rfft(frames * get_window("hann", 64))))


def start(kind: str, name: str, content: np.ndarray, style: np.ndarray, key=KEY, scale=0.25):
    return start_variable(
        kind, name, content, style, key, config=CONFIG, noise_scale=scale, basis=COMPLETE
    )


def variable_of(kind: str, waveform: np.ndarray, basis: Basis = COMPLETE):
    return from_waveform(kind, waveform, CONFIG, basis=basis)


@pytest.mark.parametrize("kind", VARIABLES)
def test_every_kind_of_a_waveform_is_seen_as_its_log_magnitude(kind):
    waveform = noise(2, 1003)
    waveform[:, 400:600] = 0.0  # Some frames are silent.
    expected = direct_log_magnitude(waveform)
    assert (expected == 0.0).any()
    if kind == "spectrogram":  # It cannot reach zero, and starts from 1e-3 at the least.
        expected = np.maximum(expected, 1e-3)
    variable = variable_of(kind, waveform)
    seen = to_log_magnitude(kind, variable, CONFIG, basis=COMPLETE, num_frames=expected.shape[1])
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5 if kind == "pca" else 1e-6)


@given(hnp.arrays(np.float32, (1, 2, 33), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_spectrogram_variable_is_never_negative(variable):
    seen = np.asarray(to_log_magnitude("spectrogram", variable, CONFIG))
    assert np.isfinite(seen).all()
    assert (seen >= np.maximum(variable, 0.0) * (1 - 1e-6)).all()


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("style_samples", [300, 1000, 1700])
def test_a_start_from_style_repeats_or_cuts_it_to_the_length_of_the_content(kind, style_samples):
    content, style = noise(2, 1000), noise(2, style_samples, seed=1)
    at_length = np.stack([np.resize(channel, 1000) for channel in style])
    expected = variable_of(kind, at_length)
    np.testing.assert_array_equal(start(kind, "style", content, style), expected)


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_start_from_content_is_the_content(kind):
    content = noise(2, 1000)
    expected = variable_of(kind, content)
    np.testing.assert_array_equal(start(kind, "content", content, noise(2, 300)), expected)


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_start_from_noise_has_the_asked_deviation_and_its_seed_decides_it(kind):
    content, style = noise(2, 9000), noise(2, 300)
    values = start(kind, "noise", content, style)
    assert values.shape == variable_of(kind, content).shape
    assert np.std(values) == pytest.approx(0.25, rel=0.03)
    assert abs(np.mean(values)) < 0.01
    assert np.std(start(kind, "noise", content, style, scale=2.0)) == pytest.approx(2.0, rel=0.03)
    np.testing.assert_array_equal(values, start(kind, "noise", content, style))
    other = start(kind, "noise", content, style, key=jax.random.key(6))
    assert abs(np.corrcoef(np.ravel(values), np.ravel(other))[0, 1]) < 0.05


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_start_from_zeros_is_all_but_zero(kind):
    zeros = start(kind, "zeros", noise(2, 1000), noise(2, 300))
    assert zeros.shape == variable_of(kind, noise(2, 1000)).shape
    assert np.abs(zeros).max() < 1e-5


@pytest.mark.parametrize("kind", ["waveform", "spectrogram"])
def test_zeros_have_a_gradient_to_leave_them_by(kind):
    content, style = noise(1, 1000), noise(1, 700, seed=1)
    objective = Objective(kind, stft=CONFIG)
    kernels = make_filters(FilterConfig(widths=(3,), num_filters=8), CONFIG.num_bins)

    @jax.jit
    def gradient_at_zeros():
        constants = Constants(transform_filters(kernels), {})
        described = objective.describe_style(constants, style)
        targets = objective.make_targets(constants, content, described)
        zeros = start(kind, "zeros", content, style)
        return jax.grad(lambda variable: sum(objective.terms(variable, targets).values()))(zeros)

    gradient = gradient_at_zeros()
    assert np.isfinite(gradient).all()
    assert np.any(gradient != 0.0)


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("phase", ["random", "content", "phase_gradient"])
def test_any_variable_becomes_a_finite_waveform_of_the_contents_shape(kind, phase):
    content = noise(2, 1003)
    variable = start(kind, "style", content, noise(2, 300, seed=1))
    config = PhaseConfig(phase, 3, 0.9)
    heard = to_waveform(kind, variable, content, KEY, config=CONFIG, phase=config, basis=COMPLETE)
    assert heard.shape == content.shape
    assert np.isfinite(heard).all()
    assert np.any(heard != 0.0)


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("num_iterations", [0, 10])
def test_content_with_its_own_phase_gives_back_the_content(kind, num_iterations):
    content = noise(2, 1003)
    phase = PhaseConfig("content", num_iterations, 0.99)
    variable = variable_of(kind, content)
    heard = to_waveform(kind, variable, content, KEY, config=CONFIG, phase=phase, basis=COMPLETE)
    np.testing.assert_allclose(heard, content, atol=1e-4)


def test_negative_values_of_a_raw_spectrogram_are_silent():
    content = noise(1, 1003)
    raw = from_waveform("raw_spectrogram", content, CONFIG) - 0.5
    phase = PhaseConfig("content", 0, 0.0)
    heard, clipped = (
        to_waveform("raw_spectrogram", v, content, KEY, config=CONFIG, phase=phase)
        for v in (raw, jnp.maximum(raw, 0.0))
    )
    assert (np.asarray(raw) < 0.0).any()
    np.testing.assert_array_equal(heard, clipped)


def pca_of(waveform: np.ndarray, basis: Basis) -> tuple[np.ndarray, np.ndarray]:
    """The pca variable of a waveform, and its spectrogram in whole segments filled up with zeros.

    `[channels, segments, components]` and `[channels, segments, frames, bins]`.
    """
    spectrogram = direct_log_magnitude(waveform)
    frames, bins = basis.mean.shape
    missing = -spectrogram.shape[1] % frames
    spectrogram = np.pad(spectrogram, [(0, 0), (0, missing), (0, 0)])
    segments = spectrogram.reshape(len(waveform), -1, frames, bins)
    return np.asarray(variable_of("pca", waveform, basis), np.float64), segments


@pytest.mark.parametrize("samples", [40, 1003])
def test_a_projection_is_the_nearest_variable(samples):
    basis = make_basis(10)
    variable, segments = pca_of(noise(2, samples), basis)
    directions = np.asarray(basis.components, np.float64).reshape(10, -1)
    wanted = (segments - np.asarray(basis.mean)).reshape(-1, directions.shape[1])
    nearest = np.linalg.lstsq(directions.T, wanted.T)[0].T
    assert variable.shape == (*segments.shape[:2], 10)
    np.testing.assert_allclose(variable.reshape(-1, 10), nearest, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_samples", [1003, 24 * 39])
def test_a_piece_in_the_span_comes_back(num_samples):
    """Of one waveform's own segments and their mean, which is what components are fitted to."""
    waveform = noise(2, num_samples)
    _, segments = pca_of(waveform, COMPLETE)
    flat = segments.reshape(-1, 132)
    mean = flat.mean(axis=0)
    directions = np.linalg.svd(flat - mean, full_matrices=False)[2][: len(flat) - 1]
    basis = Basis(
        jnp.asarray(mean.reshape(4, 33), jnp.float32),
        jnp.asarray(directions.reshape(-1, 4, 33), jnp.float32),
    )
    expected = direct_log_magnitude(waveform)
    start = start_variable(
        "pca", "content", waveform, noise(2, 300), KEY, config=CONFIG, noise_scale=0.0, basis=basis
    )
    seen = to_log_magnitude("pca", start, CONFIG, basis=basis, num_frames=expected.shape[1])
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5)


def test_what_is_outside_of_the_span_is_missed_as_by_the_best_approximation():
    waveform = noise(2, 1000)
    basis = make_basis(60)
    variable, segments = pca_of(waveform, basis)
    seen = to_log_magnitude("pca", jnp.asarray(variable, jnp.float32), CONFIG, basis=basis)
    centred = segments - np.asarray(basis.mean)
    missed = np.square(segments - np.reshape(seen, segments.shape)).sum()
    assert missed == pytest.approx(np.square(centred).sum() - np.square(variable).sum(), rel=1e-4)
    assert missed > 0.1 * np.square(centred).sum()


@pytest.mark.parametrize(("num_frames", "num_segments"), [(1, 1), (4, 1), (5, 2), (42, 11)])
@pytest.mark.parametrize("name", ["content", "style", "noise", "zeros"])
def test_a_pca_variable_covers_whole_segments_and_is_cut_where_it_is_seen(
    num_frames, num_segments, name
):
    num_samples = 24 * (num_frames - 1) + 5
    assert CONFIG.num_frames(num_samples) == num_frames
    content = noise(2, num_samples)
    variable = start_variable(
        "pca", name, content, noise(2, 300), KEY, config=CONFIG, noise_scale=1.0, basis=PART
    )
    assert variable.shape == (2, num_segments, 10)
    whole = to_log_magnitude("pca", variable, CONFIG, basis=PART)
    seen = to_log_magnitude("pca", variable, CONFIG, basis=PART, num_frames=num_frames)
    assert whole.shape == (2, 4 * num_segments, 33)
    assert seen.shape == (2, num_frames, 33)
    np.testing.assert_array_equal(seen, whole[:, :num_frames])
    phase = PhaseConfig("random", 1, 0.0)
    heard = to_waveform("pca", variable, content, KEY, config=CONFIG, phase=phase, basis=PART)
    assert heard.shape == content.shape


def test_segments_follow_each_other_in_time():
    variable = np.zeros((1, 3, 10), np.float32)
    variable[0, 1, 4] = 2.0
    seen = to_log_magnitude("pca", variable, CONFIG, basis=PART)[0]
    np.testing.assert_allclose(seen[:4], PART.mean, rtol=1e-6)
    np.testing.assert_allclose(seen[4:8], PART.mean + 2.0 * PART.components[4], rtol=1e-6)
    np.testing.assert_allclose(seen[8:], PART.mean, rtol=1e-6)


def test_the_zeros_of_a_pca_variable_are_the_mean():
    zeros = start("pca", "zeros", noise(2, 1000), noise(2, 300))
    assert not np.any(zeros)
    seen = to_log_magnitude("pca", zeros, CONFIG, basis=COMPLETE)
    np.testing.assert_array_equal(seen, np.tile(COMPLETE.mean, (2, zeros.shape[1], 1)))


def test_the_gradient_of_a_pca_variable_is_the_projection_of_that_of_its_spectrogram():
    content = noise(2, 1003)
    num_frames, variable = CONFIG.num_frames(1003), variable_of("pca", content, PART)
    weight = noise(2, num_frames, 33, seed=3)

    @jax.jit
    @jax.grad
    def gradient_of(variable, basis):
        seen = to_log_magnitude("pca", variable, CONFIG, basis=basis, num_frames=num_frames)
        return jnp.sum(weight * seen)

    # What is cut off has no say.
    padded = np.pad(weight, [(0, 0), (0, -num_frames % 4), (0, 0)]).reshape(2, -1, 4, 33)
    expected = np.einsum("csfb,nfb->csn", padded, PART.components)
    np.testing.assert_allclose(gradient_of(variable, PART), expected, rtol=1e-4, atol=1e-5)


def test_negative_values_of_a_pca_variable_are_silent():
    content = noise(1, 1003)
    low = Basis(COMPLETE.mean - 0.5, COMPLETE.components)
    variable = variable_of("pca", content)
    phase = PhaseConfig("content", 0, 0.0)
    heard = to_waveform("pca", variable, content, KEY, config=CONFIG, phase=phase, basis=low)
    raw = to_log_magnitude("pca", variable, CONFIG, basis=low, num_frames=CONFIG.num_frames(1003))
    clipped = jnp.maximum(raw, 0.0)
    expected = to_waveform("raw_spectrogram", clipped, content, KEY, config=CONFIG, phase=phase)
    assert (np.asarray(raw) < 0.0).any()
    np.testing.assert_array_equal(heard, expected)


def uses_of(basis: Basis | None):
    """Every function that takes a basis, on a piece of 42 frames or its variable."""
    content, variable = noise(1, 1000), jnp.zeros((1, 11, 10))
    phase = PhaseConfig("random", 0, 0.0)
    return [
        lambda: from_waveform("pca", content, CONFIG, basis=basis),
        lambda: start_variable(
            "pca", "zeros", content, content, KEY, config=CONFIG, noise_scale=0.0, basis=basis
        ),
        lambda: to_log_magnitude("pca", variable, CONFIG, basis=basis),
        lambda: to_waveform("pca", variable, content, KEY, config=CONFIG, phase=phase, basis=basis),
    ]


def test_a_basis_of_other_bins_is_told_by_its_key():
    for use in uses_of(make_basis(10, bins=17)):
        with pytest.raises(InputError, match=r"config\.pca.*17 bins.*33.*n_fft=32") as error:
            use()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (None, "needs a basis"),
        (Basis(COMPLETE.mean[:3], COMPLETE.components), r"\(3, 33\).*\(132, 4, 33\)"),
        (Basis(COMPLETE.mean[:, :32], COMPLETE.components), r"\(4, 32\).*\(132, 4, 33\)"),
    ],
)
def test_a_basis_that_is_none_is_refused(basis, words):
    for use in uses_of(basis):
        with pytest.raises(ValueError, match=words):
            use()


def test_more_frames_than_a_pca_variable_has_are_refused():
    with pytest.raises(ValueError, match="45 frames of a variable of 44"):
        to_log_magnitude("pca", jnp.zeros((1, 11, 10)), CONFIG, basis=PART, num_frames=45)
