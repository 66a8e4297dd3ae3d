"""Frequencies above those of a computation, by noise of known spectra and SciPy's filters."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.signal

from research.audio import upper_band
from research.audio.levels import rms
from research.audio.upper_band import add_upper_band, relative_levels
from research.audio.waveform import Waveform, resample

RATE, LOW_RATE = 44100, 22050
EDGES = 11025 * 2 ** (np.arange(7) / 6)


def noise(seed: int, treble_db: float = 0.0, rate: int = RATE, channels: int = 1) -> Waveform:
    """Two seconds of white noise with another level above 11 kHz."""
    samples = np.random.default_rng(seed).standard_normal((channels, 2 * rate))
    spectrum = np.fft.rfft(samples)
    spectrum[:, np.fft.rfftfreq(2 * rate, 1 / rate) >= 11025] *= 10 ** (treble_db / 20)
    return Waveform((0.1 * np.fft.irfft(spectrum)).astype(np.float32), rate)


def band_levels(samples: np.ndarray) -> np.ndarray:
    """Level of each band in dB relative to the octave below, by SciPy."""
    hertz, power = scipy.signal.welch(samples, RATE, nperseg=4096)
    power = power.mean(axis=0)
    bands = [power[(hertz >= low) & (hertz < high)].sum() for low, high in pairwise(EDGES)]
    return 10 * np.log10(np.array(bands) / power[(hertz >= 11025 / 2) & (hertz < 11025)].sum())


def low_part(recording: Waveform) -> np.ndarray:
    return resample(resample(recording, LOW_RATE), RATE).samples


def test_levels_are_those_of_the_spectrum():
    recording = noise(0, -6.0)
    found = 20 * np.log10(relative_levels(recording, LOW_RATE))
    np.testing.assert_allclose(found, band_levels(recording.samples), atol=0.3)


@pytest.mark.parametrize(("amount", "treble_db"), [(0.0, 0.0), (0.5, -4.5), (1.0, -9.0)])
def test_bands_move_to_the_levels_of_the_style(amount, treble_db):
    content, style = noise(0), noise(1, -9.0)
    output = 0.3 * low_part(content)
    found = add_upper_band(
        output.copy(), content, LOW_RATE, relative_levels(style, LOW_RATE), amount
    )
    # The highest band below 11 kHz and the lowest above it meet in the resampler's slope.
    wanted = band_levels(content.samples) + treble_db
    np.testing.assert_allclose(band_levels(found)[1:], wanted[1:], atol=1.0)
    below = resample(Waveform(found, RATE), LOW_RATE).samples
    np.testing.assert_allclose(below, resample(Waveform(output, RATE), LOW_RATE).samples, atol=0.02)


def test_without_a_style_the_content_comes_back_whole():
    content = noise(2, channels=2)
    found = add_upper_band(low_part(content), content, LOW_RATE, np.zeros(0), 1.0)
    assert rms(found - content.samples) < 0.05 * rms(content.samples)


def test_no_band_is_raised_or_lowered_by_more_than_the_limit():
    content, output = noise(3), low_part(noise(3))
    for treble_db, limit in ((40.0, 12.04), (-60.0, -12.04)):
        style = relative_levels(noise(4, treble_db), LOW_RATE)
        change = band_levels(add_upper_band(output.copy(), content, LOW_RATE, style, 1.0))
        change -= band_levels(content.samples)
        np.testing.assert_allclose(change[1:], limit, atol=1.5)


def test_blocks_give_what_the_whole_gives(monkeypatch):
    content, style = noise(6, channels=2), relative_levels(noise(7, -9.0), LOW_RATE)
    output = 0.3 * low_part(content)
    whole = add_upper_band(output.copy(), content, LOW_RATE, style, 1.0)
    monkeypatch.setattr(upper_band, "_BLOCK", 20480)
    blocks = add_upper_band(output.copy(), content, LOW_RATE, style, 1.0)
    np.testing.assert_allclose(blocks, whole, atol=2e-5)


@pytest.mark.parametrize("rate", [16000, 22050, 24000])
def test_a_content_without_higher_bands_changes_nothing(rate):
    content = noise(5, rate=rate)
    output = 0.5 * content.samples
    found = add_upper_band(output.copy(), content, LOW_RATE, np.ones(6), 1.0)
    np.testing.assert_array_equal(found, output)


def test_silence_and_short_recordings_are_finite():
    silence = Waveform(np.zeros((1, 5000), np.float32), RATE)
    found = add_upper_band(silence.samples, silence, LOW_RATE, np.ones(6), 1.0)
    np.testing.assert_array_equal(found, silence.samples)
    assert relative_levels(silence, LOW_RATE).size == 0
    assert relative_levels(noise(6, rate=LOW_RATE), LOW_RATE).size == 0
    click = Waveform(np.eye(1, 700, 350, dtype=np.float32), RATE)
    found = add_upper_band(low_part(click), click, LOW_RATE, np.ones(6), 1.0)
    assert np.isfinite(found).all()
