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
from research.transfer.features import FilterConfig, make_filters
from research.transfer.objective import Objective
from research.transfer.variable import (
    VARIABLES,
    from_waveform,
    start_variable,
    to_log_magnitude,
    to_waveform,
)

CONFIG = StftConfig(n_fft=64, hop_length=24)
KEY = jax.random.key(5)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.3, shape).astype(np.float32)


def direct_log_magnitude(waveform: np.ndarray) -> np.ndarray:
    padded = np.pad(waveform.astype(np.float64), [(0, 0), (32, 32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, 64, axis=-1)[:, ::24]
    return np.log1p(np.abs(np.fft.rfft(frames * get_window("hann", 64))))


def start(kind: str, name: str, content: np.ndarray, style: np.ndarray, key=KEY, scale=0.25):
    return start_variable(kind, name, content, style, key, config=CONFIG, noise_scale=scale)


@pytest.mark.parametrize("kind", VARIABLES)
def test_every_kind_of_a_waveform_is_seen_as_its_log_magnitude(kind):
    waveform = noise(2, 1003)
    waveform[:, 400:600] = 0.0  # Some frames are silent.
    expected = direct_log_magnitude(waveform)
    assert (expected == 0.0).any()
    if kind == "spectrogram":  # It cannot reach zero, and starts from 1e-3 at the least.
        expected = np.maximum(expected, 1e-3)
    seen = to_log_magnitude(kind, from_waveform(kind, waveform, CONFIG), CONFIG)
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


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
    expected = from_waveform(kind, at_length, CONFIG)
    np.testing.assert_array_equal(start(kind, "style", content, style), expected)


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_start_from_content_is_the_content(kind):
    content = noise(2, 1000)
    expected = from_waveform(kind, content, CONFIG)
    np.testing.assert_array_equal(start(kind, "content", content, noise(2, 300)), expected)


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_start_from_noise_has_the_asked_deviation_and_its_seed_decides_it(kind):
    content, style = noise(2, 9000), noise(2, 300)
    values = start(kind, "noise", content, style)
    assert values.shape == from_waveform(kind, content, CONFIG).shape
    assert np.std(values) == pytest.approx(0.25, rel=0.03)
    assert abs(np.mean(values)) < 0.01
    assert np.std(start(kind, "noise", content, style, scale=2.0)) == pytest.approx(2.0, rel=0.03)
    np.testing.assert_array_equal(values, start(kind, "noise", content, style))
    other = start(kind, "noise", content, style, key=jax.random.key(6))
    assert abs(np.corrcoef(np.ravel(values), np.ravel(other))[0, 1]) < 0.05


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_start_from_zeros_is_all_but_zero(kind):
    zeros = start(kind, "zeros", noise(2, 1000), noise(2, 300))
    assert zeros.shape == from_waveform(kind, noise(2, 1000), CONFIG).shape
    assert np.abs(zeros).max() < 1e-5


@pytest.mark.parametrize("kind", ["waveform", "spectrogram"])
def test_zeros_have_a_gradient_to_leave_them_by(kind):
    content, style = noise(1, 1000), noise(1, 700, seed=1)
    objective = Objective(kind, CONFIG, "relu", "relative", "frames")
    kernels = make_filters(FilterConfig(widths=(3,), num_filters=8), CONFIG.num_bins)

    @jax.jit
    def gradient_at_zeros():
        pieces = [from_waveform(kind, piece, CONFIG) for piece in (content, style)]
        targets = objective.targets(kernels, *pieces)
        zeros = start(kind, "zeros", content, style)
        return jax.grad(objective)(zeros, targets, {"content": 1.0, "style": 1.0})

    gradient = gradient_at_zeros()
    assert np.isfinite(gradient).all()
    assert np.any(gradient != 0.0)


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("phase", ["random", "content", "phase_gradient"])
def test_any_variable_becomes_a_finite_waveform_of_the_contents_shape(kind, phase):
    content = noise(2, 1003)
    variable = start(kind, "style", content, noise(2, 300, seed=1))
    config = PhaseConfig(phase, 3, 0.9)
    heard = to_waveform(kind, variable, content, KEY, config=CONFIG, phase=config)
    assert heard.shape == content.shape
    assert np.isfinite(heard).all()
    assert np.any(heard != 0.0)


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("num_iterations", [0, 10])
def test_content_with_its_own_phase_gives_back_the_content(kind, num_iterations):
    content = noise(2, 1003)
    phase = PhaseConfig("content", num_iterations, 0.99)
    variable = from_waveform(kind, content, CONFIG)
    heard = to_waveform(kind, variable, content, KEY, config=CONFIG, phase=phase)
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
