"""Padded waveforms and spectrograms: what is computed of them is what it is without padding."""

import dataclasses

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from compiling import compilations
from hypothesis import given
from playing import make_content, make_style
from representing import normal

from configs.transfer import PRESETS
from research.audio.padding import first, pad_to, padded_length
from research.audio.phase import PhaseConfig, griffin_lim, recover_phase
from research.audio.phase_gradient import gradient_phase
from research.audio.stft import StftConfig, istft, magnitude, stft
from research.audio.waveform import Waveform
from research.transfer.config import ContentWeights, StyleWeights
from research.transfer.evaluation import differentiate_each, of_one, to_float32
from research.transfer.frames import Frames
from research.transfer.layout import lay_out
from research.transfer.random_filters import FilterConfig
from research.transfer.style_transfer import prepare
from research.transfer.terms.registry import CONTENT_TERMS, STYLE_TERMS

RATE = 22050

CONFIGS = [StftConfig(64, 16), StftConfig(64, 24, win_length=40), StftConfig(64, 16, center=False)]


@given(st.integers(1, 10**9))
def test_a_padded_length_is_at_most_half_longer_and_stays(num_samples):
    length = padded_length(num_samples)
    assert num_samples <= length <= 1.5 * num_samples + 1
    assert padded_length(length) == length


def test_there_are_two_lengths_an_octave_and_common_ones_are_just_below():
    lengths = {padded_length(num_samples) for num_samples in range(10_000, 120_000, 100)}
    assert sorted(lengths) == [10750, 14333, 21499, 28665, 42998, 57330, 85995, 114660, 171990]
    for seconds in (5, 10, 20, 30, 60):
        for rate in (22050, 44100):
            assert padded_length(seconds * rate) <= 1.05 * seconds * rate


def test_an_array_is_padded_after_its_end():
    np.testing.assert_array_equal(pad_to(np.ones((1, 2)), (2, 3)), [[1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(first(2, 4), [True, True, False, False])


def test_frames_after_the_count_are_zeros_and_do_not_count():
    values = normal(2, 9, 3)
    frames = Frames.of(values, 5)
    np.testing.assert_array_equal(frames.values[:, :5], values[:, :5])
    np.testing.assert_array_equal(frames.values[:, 5:], 0.0)
    expected = np.float64(values[:, :5]).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(frames.mean(), expected, rtol=1e-5, atol=1e-6)
    spread = np.float64(values[:, :5]).var(axis=1, keepdims=True)
    np.testing.assert_allclose(frames.variance(), spread, rtol=1e-5, atol=1e-6)
    raised = frames.map(lambda values: values + 1)
    np.testing.assert_allclose(raised.mean(), expected + 1, rtol=1e-5)
    np.testing.assert_array_equal(raised.values[:, 5:], 0.0)


def padded_spectrum(config: StftConfig, length: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """An STFT that is of no waveform, and the same with frames of zeros after it."""
    shape = 2, config.num_frames(length), config.num_bins
    spectrum = (normal(*shape) + 1j * normal(*shape, seed=1)).astype(np.complex64)
    return spectrum, pad_to(spectrum, (2, config.num_frames(most), config.num_bins))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("length", [400, 401, 415])
def test_an_inverse_of_padded_frames_is_that_of_the_frames(config, length):
    spectrum, padded = padded_spectrum(config, length, 600)
    found = np.asarray(istft(padded, config, 600, length))
    np.testing.assert_allclose(found[:, :length], istft(spectrum, config, length), atol=1e-6)
    np.testing.assert_array_equal(found[:, length:], 0.0)


@pytest.mark.parametrize("config", CONFIGS[:2])
def test_griffin_lim_of_padded_frames_is_that_of_the_frames(config):
    spectrum, padded = padded_spectrum(config, 400, 600)
    settings = {"num_iterations": 20, "momentum": 0.9}
    expected, found = (
        griffin_lim(
            magnitude(goal), np.exp(1j * np.angle(goal)), config, length=length, **more, **settings
        )
        for goal, length, more in ((spectrum, 400, {}), (padded, 600, {"num_samples": 400}))
    )
    np.testing.assert_allclose(found[:, :400], expected, atol=1e-4)


def test_a_phase_from_its_gradient_of_padded_frames_is_that_of_the_frames_turned_as_a_whole():
    config = CONFIGS[0]
    target = np.asarray(magnitude(stft(normal(1, 400), config)))
    padded = pad_to(target, (1, config.num_frames(600), config.num_bins))
    expected = np.asarray(gradient_phase(target, config))
    found = np.asarray(gradient_phase(padded, config, target.shape[1]))[:, : target.shape[1]]
    turn = found / expected
    np.testing.assert_allclose(turn, np.broadcast_to(turn[0, 0, 0], turn.shape), atol=1e-3)


@pytest.mark.parametrize("start", ["random", "content", "phase_gradient"])
def test_a_phase_of_another_length_compiles_nothing(start):
    config = CONFIGS[0]

    def recover(length: int) -> None:
        recover_phase(
            np.abs(normal(1, config.num_frames(length), config.num_bins)),
            jax.random.key(0),
            stft_config=config,
            config=PhaseConfig(start, num_iterations=2),
            length=length,
            content=normal(1, length),
        )

    recover(padded_length(1000))
    with compilations() as names:
        recover(padded_length(1000) - 77)
    assert names == []


EVERY = dataclasses.replace(
    PRESETS["texture"],
    content=ContentWeights(**dict.fromkeys(CONTENT_TERMS, 1.0)),
    style=StyleWeights(**dict.fromkeys(STYLE_TERMS, 1.0)),
    features=FilterConfig(num_filters=8),
)
OF_SPECTROGRAMS = dataclasses.replace(
    PRESETS["alishdipani"],
    content=ContentWeights.only(features=1.0, spectrogram=1.0),
    style=StyleWeights.only(gram=1.0, activations=1.0, feature_levels=1.0),
    features=FilterConfig(num_filters=8, widths=(3, 9), layer="conv1d"),
    scale="relative",
)


@pytest.mark.parametrize("config", [EVERY, OF_SPECTROGRAMS], ids=["waveform", "spectrogram"])
def test_a_loss_and_its_gradient_are_those_without_padding(config, monkeypatch):
    content, style = (
        Waveform(make()[None, :length], RATE)
        for make, length in ((make_content, 15000), (make_style, 16500))
    )

    def of_start() -> tuple[dict[str, jax.Array], np.ndarray]:
        problem = prepare(content, style, config)
        _, terms, gradient = differentiate_each(
            problem.start[None],
            problem.targets,
            to_float32(of_one(problem.weights)),
            objective=problem.objective,
            layout=lay_out(jax.local_devices()[:1], problem.targets, False),
        )
        return jax.device_get(terms), np.asarray(gradient)

    terms, gradient = of_start()
    for module in ("audio.padding", "transfer.style_transfer", "transfer.variables.base"):
        monkeypatch.setattr(f"research.{module}.padded_length", lambda length: length)
    expected, slope = of_start()
    assert {*terms} == {*expected} and len(terms) >= 5
    for name, values in expected.items():
        np.testing.assert_allclose(terms[name], values, rtol=1e-3, atol=1e-5, err_msg=name)
    assert gradient.shape[2] > slope.shape[2]
    here, after = np.split(gradient, [slope.shape[2]], axis=2)
    np.testing.assert_array_equal(after, 0.0)
    assert np.linalg.norm(here - slope) < 1e-3 * np.linalg.norm(slope)
