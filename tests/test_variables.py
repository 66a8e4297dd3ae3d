"""The contract that every variable keeps, and what is special about spectrograms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bases import COMPLETE, STFT, direct_log_magnitude, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from research.audio.phase import PhaseConfig
from research.transfer.variables.base import Variable
from research.transfer.variables.registry import VARIABLES

KEY = jax.random.key(5)
# Where a log magnitude comes back less exactly, or not below a floor. A new variable needs a line
# here only if it promises less than the others.
TOLERANCES = {"pca": 1e-5}
FLOORS = {"spectrogram": 1e-3}  # Its softplus cannot reach 0.

all_variables = pytest.mark.parametrize("name", VARIABLES)


def make(name: str) -> Variable:
    return VARIABLES[name](STFT, COMPLETE)


@all_variables
def test_names_are_those_of_the_registry(name):
    assert VARIABLES[name].name == name
    if not VARIABLES[name].needs_basis:
        assert VARIABLES[name](STFT).basis is None


@all_variables
@pytest.mark.parametrize(
    ("num_channels", "num_samples"), [(1, 1), (3, 23), (1, 24), (2, 40), (1, 24 * 39), (5, 1003)]
)
def test_shapes_of_any_length_and_channels(name, num_channels, num_samples):
    made, waveform = make(name), noise(num_channels, num_samples)
    num_frames = STFT.num_frames(num_samples)
    variable = jax.jit(made.from_waveform)(waveform)
    assert variable.shape == made.shape(num_channels, num_samples)
    assert variable.dtype == jnp.float32
    to_log_magnitude = jax.jit(made.to_log_magnitude, static_argnums=1)
    spectrogram = to_log_magnitude(variable, num_frames)
    assert spectrogram.shape == (num_channels, num_frames, STFT.num_bins)
    whole = to_log_magnitude(variable, None)
    assert whole.shape[1] >= num_frames
    np.testing.assert_array_equal(np.asarray(whole)[:, :num_frames], spectrogram)


@all_variables
def test_a_waveform_comes_back_as_its_log_magnitude(name):
    waveform = noise(2, 1003)
    waveform[:, 400:600] = 0.0  # Some frames are silent.
    expected = direct_log_magnitude(waveform)
    assert (expected == 0.0).any()
    expected = np.maximum(expected, FLOORS.get(name, 0.0))
    made = make(name)
    variable = jax.jit(made.from_waveform)(waveform)
    found = made.to_log_magnitude(variable, expected.shape[1])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=TOLERANCES.get(name, 1e-6))


@all_variables
@pytest.mark.parametrize("num_iterations", [0, 10])
def test_with_its_own_phase_a_waveform_comes_back_as_itself(name, num_iterations):
    made, content = make(name), jnp.asarray(noise(2, 1003))
    phase = PhaseConfig("content", num_iterations, 0.99)
    output = made.to_waveform(made.from_waveform(content), content, KEY, phase)
    np.testing.assert_allclose(output, content, atol=1e-4)


@all_variables
@pytest.mark.parametrize("phase", ["random", "content", "phase_gradient"])
def test_a_variable_becomes_a_finite_waveform_of_the_contents_shape(name, phase):
    made, content = make(name), jnp.asarray(noise(2, 1003))
    variable = made.from_waveform(jnp.asarray(noise(2, 1003, seed=1)))
    output = made.to_waveform(variable, content, KEY, PhaseConfig(phase, 3, 0.9))
    assert output.shape == content.shape
    assert np.isfinite(output).all()
    assert np.any(output != 0.0)


@all_variables
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_the_log_magnitude_has_a_finite_gradient(name, num_channels, scale):
    """Of silence, too."""
    made = make(name)
    waveform = jnp.asarray(scale * noise(num_channels, 300))
    weight = noise(num_channels, STFT.num_frames(300), STFT.num_bins, seed=3)

    def total(variable):
        return jnp.sum(weight * made.to_log_magnitude(variable, weight.shape[1]))

    gradient = jax.jit(lambda waveform: jax.grad(total)(made.from_waveform(waveform)))(waveform)
    assert gradient.shape == made.shape(num_channels, 300)
    assert np.isfinite(gradient).all()


@all_variables
def test_a_waveform_is_what_it_says_to_be(name):
    """What terms of a waveform are computed from is the array itself."""
    made, content = make(name), jnp.asarray(noise(2, 1003))
    if made.is_waveform:
        variable = made.from_waveform(content)
        np.testing.assert_array_equal(variable, content)
        output = made.to_waveform(variable, 0 * content, KEY, PhaseConfig())
        np.testing.assert_array_equal(output, variable)


@given(hnp.arrays(np.float32, (1, 2, 33), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_spectrogram_variable_is_never_negative(variable):
    found = np.asarray(make("spectrogram").to_log_magnitude(variable))
    assert np.isfinite(found).all()
    assert (found >= np.maximum(variable, 0.0) * (1 - 1e-6)).all()


def test_negative_values_of_a_raw_spectrogram_are_silent():
    made, content = make("raw_spectrogram"), jnp.asarray(noise(1, 1003))
    raw = made.from_waveform(content) - 0.5
    phase = PhaseConfig("content", 0, 0.0)
    output, clipped = (
        made.to_waveform(variable, content, KEY, phase) for variable in (raw, jnp.maximum(raw, 0.0))
    )
    assert (np.asarray(raw) < 0.0).any()
    np.testing.assert_array_equal(output, clipped)
