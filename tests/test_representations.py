"""Representations against scipy and librosa in float64."""

import functools

import jax
import librosa
import numpy as np
import pytest
from scipy import ndimage, signal

from research.transfer.representations import (
    BINS_PER_OCTAVE,
    FAST,
    FINE,
    LOWEST_HZ,
    NUM_FAST_MELS,
    NUM_MELS,
    NUM_OCTAVES,
    OF_WAVEFORM,
    TONE,
    Representations,
    band_means,
    log_power,
    power_spectrum,
    smoother,
    tone_filterbank,
    waveform_representations,
)

RATE = 22050
NUM_TONES = BINS_PER_OCTAVE * NUM_OCTAVES
TONES = LOWEST_HZ * 2 ** (np.arange(NUM_TONES) / BINS_PER_OCTAVE)
CONFIGS = (FINE, FAST, TONE)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.1, shape).astype(np.float32)


def direct_power(waveform, config) -> np.ndarray:
    """By scipy, which divides its STFT by the sum of the window."""
    window = signal.get_window("hann", config.n_fft)
    overlap = config.n_fft - config.hop_length
    _, _, spectrum = signal.stft(
        np.asarray(waveform, np.float64),
        window=window,
        nperseg=config.n_fft,
        noverlap=overlap,
        boundary="zeros",
        padded=False,
    )
    power = np.square(np.abs(spectrum) * window.sum()) * 4 / config.n_fft
    return np.swapaxes(power, -1, -2)


def direct_bands(config, num_mels: int) -> np.ndarray:
    filters = librosa.filters.mel(sr=RATE, n_fft=config.n_fft, n_mels=num_mels, dtype=np.float64).T
    return filters / filters.sum(axis=0)


def direct_tones(sample_rate: int = RATE) -> np.ndarray:
    """Triangles that reach from a tone to the next one, or to the next bin."""
    frequencies = np.arange(TONE.num_bins) * sample_rate / TONE.n_fft
    columns = []
    for tone in TONES:
        reach = max(tone * 2 ** (1 / BINS_PER_OCTAVE) - tone, frequencies[1])
        column = np.interp(frequencies, [tone - reach, tone, tone + reach], [0.0, 1.0, 0.0])
        columns.append(column / column.sum())
    return np.stack(columns, axis=1)


SOUNDED = (72, 100, 133, 180, 240)  # Tones of which there is half a second each.


@functools.cache
def sounds() -> np.ndarray:
    """Two channels of noise, of which one is partly silent, and tones."""
    time = np.arange(11025) / RATE
    waveform = np.concatenate(
        [noise(2, 11025), 0.14 * np.sin(2 * np.pi * TONES[list(SOUNDED), None] * time)]
    )
    waveform[1, 3000:8000] = 0.0
    return waveform.astype(np.float32)


def of_frames(found: Representations) -> Representations:
    """The values without the numbers of their frames."""
    computed = {name: np.asarray(getattr(found, name).values) for name in OF_WAVEFORM}
    return found._replace(**computed)


@pytest.fixture(scope="module")
def found():
    return of_frames(jax.jit(waveform_representations, static_argnums=1)(sounds(), RATE))


@pytest.fixture(scope="module")
def power():
    """Noise, and its power by each STFT."""
    waveform = noise(2, RATE, seed=3)
    found = jax.jit(lambda waveform: [power_spectrum(waveform, config) for config in CONFIGS])
    return waveform, jax.device_get(found(waveform))


def test_power_is_that_of_scipy(power):
    waveform, found = power
    for config, values in zip(CONFIGS, found, strict=True):
        np.testing.assert_allclose(values, direct_power(waveform, config), rtol=1e-3, atol=1e-7)


def test_the_level_of_noise_does_not_depend_on_the_length_of_a_frame(power):
    for values in power[1]:
        # 1.5 times its variance, 42 dB over the floor.
        level = values[:, 8:-8, 8:-8].mean()
        assert level == pytest.approx(0.015, rel=0.03)
        assert 10 * np.log10(level / np.exp(3 * log_power(0.0))) == pytest.approx(42.0, abs=0.5)


def test_log_power_is_a_third_of_a_logarithm_above_its_floor():
    power = np.array([0.0, 1e-6, 1e-3, 1.0, 1e3], np.float32)
    expected = np.log(np.float64([1e-6, 2e-6, 1.001e-3, 1.000001, 1000.000001])) / 3
    np.testing.assert_allclose(log_power(power), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("config", "num_mels"), [(FINE, NUM_MELS), (FAST, NUM_FAST_MELS)])
def test_bands_are_means_over_mel_filters(config, num_mels):
    filters = band_means(RATE, config, num_mels)
    np.testing.assert_allclose(filters, direct_bands(config, num_mels), rtol=1e-4, atol=1e-6)
    for rate in (16000, 22050, 44100, 48000):
        np.testing.assert_allclose(band_means(rate, config, num_mels).sum(axis=0), 1.0, rtol=1e-5)


def test_tones_are_means_over_a_third_of_a_semitone():
    filters = tone_filterbank(RATE)
    assert filters.shape == (TONE.num_bins, NUM_TONES)
    np.testing.assert_allclose(filters, direct_tones(), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(filters.sum(axis=0), 1.0, rtol=1e-5)
    assert (filters > 0.0).any(axis=0).all()


def test_tones_go_from_c2_up_to_c9():
    np.testing.assert_allclose(TONES[0], librosa.note_to_hz("C2"), rtol=1e-4)
    np.testing.assert_allclose(2 * TONES[-BINS_PER_OCTAVE], librosa.note_to_hz("C9"), rtol=1e-4)


def test_bands_are_of_the_mean_power_of_channels_and_tones_of_each_channel(found):
    fine, fast, tone = (direct_power(sounds(), config) for config in CONFIGS)
    fine, fast = (power.mean(axis=0, keepdims=True) for power in (fine, fast))
    for levels, power in (
        (found.spectrum, fine),
        (found.mel, fine @ direct_bands(FINE, NUM_MELS)),
        (found.fast_mel, fast @ direct_bands(FAST, NUM_FAST_MELS)),
    ):
        np.testing.assert_allclose(levels, np.log(power + 1e-6) / 3, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.tone, tone @ direct_tones(), rtol=1e-3, atol=1e-6)


def test_a_sinusoid_is_loudest_at_its_tone(found):
    loudest = found.tone[2:].mean(axis=1).argmax(axis=-1)
    np.testing.assert_array_equal(loudest, SOUNDED)


def test_silence_is_at_the_floor():
    silence = np.zeros((2, 600), np.float32)
    found = of_frames(jax.jit(waveform_representations, static_argnums=1)(silence, RATE))
    for levels in (found.spectrum, found.mel, found.fast_mel):
        np.testing.assert_allclose(levels, np.log(1e-6) / 3, rtol=1e-4)
    np.testing.assert_array_equal(found.tone, 0.0)


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("num_samples", [1, 300, 2048, 11025, 70000])
def test_a_waveform_of_any_length_has_all_representations(num_channels, num_samples):
    waveform = jax.ShapeDtypeStruct((num_channels, num_samples), np.float32)
    found = jax.eval_shape(lambda waveform: waveform_representations(waveform, RATE), waveform)
    frames, fast_frames = 1 + num_samples // 512, 1 + num_samples // 128
    assert [name for name, value in found._asdict().items() if value is not None] == [*OF_WAVEFORM]
    assert found.spectrum.values.shape == (1, frames, 1025)
    assert found.mel.values.shape == (1, frames, 80)
    assert found.fast_mel.values.shape == (1, fast_frames, 40)
    assert found.tone.values.shape == (num_channels, frames, 252)


@pytest.mark.parametrize("sigma", [0.7, 8.0])
def test_smoothing_is_a_gaussian_that_holds_the_ends(sigma):
    rows = np.random.default_rng(5).normal(size=(3, 50))
    expected = ndimage.gaussian_filter1d(rows, sigma, axis=-1, mode="nearest")
    np.testing.assert_allclose(rows @ smoother(50, sigma), expected, atol=1e-5)
