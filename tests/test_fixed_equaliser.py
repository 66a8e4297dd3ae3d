"""The content through one fixed equaliser."""

import librosa
import numpy as np
import pytest
from playing import SAMPLE_RATE, make_content, make_style, tune

from research.audio.waveform import Waveform
from research.judge.equaliser import explained_fractions
from research.judge.fixed_equaliser import equalise, equalise_spectrum


def spectrum(samples):
    return librosa.stft(samples, n_fft=2048, hop_length=512)


def test_the_mean_spectrum_is_the_style_s_and_nothing_but_an_equaliser_was_used():
    content, style = make_content(), make_style()
    draw = np.random.default_rng(0)
    content, style = (part + 0.01 * draw.standard_normal(len(part)) for part in (content, style))
    output = equalise_spectrum(content, style)
    ours, theirs, before = (
        librosa.power_to_db((np.abs(spectrum(part)) ** 2).mean(axis=1))
        for part in (output, style, content)
    )
    smooth = np.ones(16) / 16
    ours, theirs, before = (np.convolve(each, smooth, "valid") for each in (ours, theirs, before))
    assert np.abs(ours - theirs).mean() < 0.2 * np.abs(before - theirs).mean()
    explained = explained_fractions(spectrum(output), spectrum(content), spectrum(style))
    assert explained["equaliser"] > 0.95


@pytest.mark.parametrize("rate", [1000, SAMPLE_RATE, 44100])
def test_a_recording_keeps_its_level_channels_length_and_rate(rate):
    content, style = tune(440, rate=rate, channels=2), tune(220, seconds=0.7)
    content = Waveform(0.3 * content.samples, rate)  # Else peaks are limited.
    output = equalise(content, style)
    assert output.sample_rate == rate and output.samples.shape == content.samples.shape
    assert output.samples.dtype == np.float32
    level = np.sqrt(np.mean(output.samples**2))
    assert level == pytest.approx(np.sqrt(np.mean(content.samples**2)), rel=0.02)


def test_a_recording_equalised_to_itself_is_unchanged():
    content = tune(440)
    found = equalise(content, content)
    np.testing.assert_allclose(found.samples, content.samples, atol=2e-3)


def test_silence_stays_silent():
    silent = Waveform(np.zeros((1, SAMPLE_RATE), np.float32), SAMPLE_RATE)
    assert not equalise(silent, tune(440)).samples.any()


def test_highs_that_the_style_cannot_hold_stay():
    draw = np.random.default_rng(0)
    content = Waveform(0.1 * draw.standard_normal((1, 88200)).astype(np.float32), 44100)
    style = Waveform(0.1 * draw.standard_normal((1, 44100)).astype(np.float32), 22050)
    found = equalise(content, style)
    power = [np.abs(np.fft.rfft(each.samples[0])) ** 2 for each in (content, found)]
    hertz = np.fft.rfftfreq(88200, 1 / 44100)
    low, high = (hertz > 2000) & (hertz < 9000), (hertz > 12000) & (hertz < 20000)
    before, after = (10 * np.log10(each[high].mean() / each[low].mean()) for each in power)
    assert abs(after - before) < 1
