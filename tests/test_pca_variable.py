"""The variable of principal components: projections, segments, and bases that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bases import COMPLETE, STFT, direct_log_magnitude, make_basis, noise

from research.audio.phase import PhaseConfig
from research.errors import InputError
from research.transfer.variables.base import Basis
from research.transfer.variables.pca import PcaVariable
from research.transfer.variables.raw_spectrogram import RawSpectrogramVariable

KEY = jax.random.key(5)
PART = PcaVariable(STFT, make_basis(10))


def pca_of(waveform: np.ndarray, made: PcaVariable) -> tuple[np.ndarray, np.ndarray]:
    """The pca variable of a waveform, and its spectrogram in whole segments padded with zeros.

    `[channels, segments, components]` and `[channels, segments, frames, bins]`.
    """
    spectrogram = direct_log_magnitude(waveform)
    frames, bins = made.basis.mean.shape
    missing = -spectrogram.shape[1] % frames
    spectrogram = np.pad(spectrogram, [(0, 0), (0, missing), (0, 0)])
    segments = spectrogram.reshape(len(waveform), -1, frames, bins)
    return np.asarray(made.from_waveform(jnp.asarray(waveform)), np.float64), segments


@pytest.mark.parametrize("samples", [40, 1003])
def test_a_projection_is_the_nearest_variable(samples):
    variable, segments = pca_of(noise(2, samples), PART)
    directions = np.asarray(PART.basis.components, np.float64).reshape(10, -1)
    wanted = (segments - np.asarray(PART.basis.mean)).reshape(-1, directions.shape[1])
    nearest = np.linalg.lstsq(directions.T, wanted.T)[0].T
    assert variable.shape == (*segments.shape[:2], 10)
    np.testing.assert_allclose(variable.reshape(-1, 10), nearest, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_samples", [1003, 24 * 39])
def test_a_waveform_in_the_span_comes_back(num_samples):
    """Of its own segments and their mean, which is what components are fitted to."""
    waveform = noise(2, num_samples)
    _, segments = pca_of(waveform, PcaVariable(STFT, COMPLETE))
    flat = segments.reshape(-1, 132)
    mean = flat.mean(axis=0)
    directions = np.linalg.svd(flat - mean, full_matrices=False)[2][: len(flat) - 1]
    basis = Basis(
        jnp.asarray(mean.reshape(4, 33), jnp.float32),
        jnp.asarray(directions.reshape(-1, 4, 33), jnp.float32),
    )
    made, expected = PcaVariable(STFT, basis), direct_log_magnitude(waveform)
    variable = made.from_waveform(jnp.asarray(waveform))
    found = made.to_log_magnitude(variable, expected.shape[1])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_is_outside_of_the_span_is_missed_as_by_the_best_approximation():
    made = PcaVariable(STFT, make_basis(60))
    variable, segments = pca_of(noise(2, 1000), made)
    found = made.to_log_magnitude(jnp.asarray(variable, jnp.float32))
    centred = segments - np.asarray(made.basis.mean)
    missed = np.square(segments - np.reshape(found, segments.shape)).sum()
    assert missed == pytest.approx(np.square(centred).sum() - np.square(variable).sum(), rel=1e-4)
    assert missed > 0.1 * np.square(centred).sum()


@pytest.mark.parametrize(("num_frames", "num_segments"), [(1, 1), (5, 2), (42, 11)])
def test_a_variable_covers_whole_segments_and_is_cut_to_the_frames(num_frames, num_segments):
    num_samples = 24 * (num_frames - 1) + 5
    assert STFT.num_frames(num_samples) == num_frames
    content = jnp.asarray(noise(2, num_samples))
    variable = PART.from_waveform(content)
    assert variable.shape == PART.shape(2, num_samples) == (2, num_segments, 10)
    whole = PART.to_log_magnitude(variable)
    found = PART.to_log_magnitude(variable, num_frames)
    assert whole.shape == (2, 4 * num_segments, 33)
    assert found.shape == (2, num_frames, 33)
    np.testing.assert_array_equal(found, whole[:, :num_frames])
    output = PART.to_waveform(variable, content, KEY, PhaseConfig("random", 1, 0.0))
    assert output.shape == content.shape


def test_segments_follow_each_other_in_time():
    variable = np.zeros((1, 3, 10), np.float32)
    variable[0, 1, 4] = 2.0
    found = PART.to_log_magnitude(jnp.asarray(variable))[0]
    mean, components = PART.basis.mean, PART.basis.components
    np.testing.assert_allclose(found[:4], mean, rtol=1e-6)
    np.testing.assert_allclose(found[4:8], mean + 2.0 * components[4], rtol=1e-6)
    np.testing.assert_allclose(found[8:], mean, rtol=1e-6)


def test_the_gradient_is_the_projection_of_that_of_the_spectrogram():
    content = jnp.asarray(noise(2, 1003))
    num_frames, variable = STFT.num_frames(1003), PART.from_waveform(content)
    weight = noise(2, num_frames, 33, seed=3)

    @jax.jit
    @jax.grad
    def gradient_of(variable, basis):
        found = PcaVariable(STFT, basis).to_log_magnitude(variable, num_frames)
        return jnp.sum(weight * found)

    # Frames that are cut off have no gradient.
    padded = np.pad(weight, [(0, 0), (0, -num_frames % 4), (0, 0)]).reshape(2, -1, 4, 33)
    expected = np.einsum("csfb,nfb->csn", padded, PART.basis.components)
    found = gradient_of(variable, PART.basis)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_negative_values_are_silent():
    content = jnp.asarray(noise(1, 1003))
    low = PcaVariable(STFT, Basis(COMPLETE.mean - 0.5, COMPLETE.components))
    variable = PcaVariable(STFT, COMPLETE).from_waveform(content)
    phase = PhaseConfig("content", 0, 0.0)
    output = low.to_waveform(variable, content, KEY, phase)
    raw = low.to_log_magnitude(variable, STFT.num_frames(1003))
    clipped = jnp.maximum(raw, 0.0)
    expected = RawSpectrogramVariable(STFT).to_waveform(clipped, content, KEY, phase)
    assert (np.asarray(raw) < 0.0).any()
    np.testing.assert_array_equal(output, expected)


def test_a_basis_of_other_bins_is_told_by_its_key():
    with pytest.raises(InputError, match=r"config\.pca.*17 bins.*33.*n_fft=32") as error:
        PcaVariable(STFT, make_basis(10, bins=17))
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
    with pytest.raises(ValueError, match=words):
        PcaVariable(STFT, basis)


def test_more_frames_than_a_variable_has_are_refused():
    with pytest.raises(ValueError, match="45 frames of a variable of 44"):
        PART.to_log_magnitude(jnp.zeros((1, 11, 10)), 45)
