"""Content and style at the rate, channels and level at which a transfer works."""

import dataclasses

import numpy as np
import pytest

from research.audio.levels import rms
from research.audio.waveform import Waveform
from research.errors import InputError
from research.transfer.config import TransferConfig
from research.transfer.inputs import content_samples, style_samples

CONFIG = TransferConfig()


def recording(*channels: np.ndarray, rate: int = 22050) -> Waveform:
    return Waveform(np.stack(channels).astype(np.float32), rate)


def test_channels_of_a_content_are_kept_or_mixed_and_brought_to_the_level(chord):
    content = recording(chord, 0.5 * chord[::-1])
    samples = content_samples(content, CONFIG)
    assert rms(samples) == pytest.approx(0.1, rel=1e-5)
    np.testing.assert_allclose(samples, content.samples * samples[0, 0] / chord[0], rtol=1e-4)
    mono = content_samples(content, dataclasses.replace(CONFIG, mono=True, rms=None))
    np.testing.assert_allclose(mono[0], chord / 2 + chord[::-1] / 4, atol=1e-6)


def test_a_style_whose_channels_cancel_is_one_of_them(chord):
    cancelling = style_samples(recording(chord, -chord), CONFIG)
    np.testing.assert_array_equal(cancelling, style_samples(recording(chord), CONFIG))


@pytest.mark.parametrize("offset", [0.05, -0.3])
def test_an_offset_of_a_style_is_left_out_as_are_its_rests(chord, offset):
    chord = np.concatenate([chord, np.zeros(22050), chord])
    expected = style_samples(recording(chord - chord.mean()), CONFIG)
    assert expected.shape[1] < len(chord) - 15000
    shifted = style_samples(recording(chord + offset, chord + offset / 2), CONFIG)
    np.testing.assert_allclose(shifted, expected, atol=1e-5)


def test_rests_of_a_quiet_style_are_left_out(chord):
    chord = np.concatenate([chord, np.zeros(22050), chord])
    quiet, loud = (style_samples(recording(gain * chord), CONFIG) for gain in (2e-5, 1))
    np.testing.assert_allclose(quiet, loud, atol=1e-5)


@pytest.mark.parametrize("prepare", [content_samples, style_samples])
def test_silence_below_half_of_the_rate_is_told(prepare):
    ultrasound = 0.1 * np.sin(2 * np.pi * 30000 * np.arange(96000) / 96000)
    window = np.hanning(96000)
    for config in (CONFIG, dataclasses.replace(CONFIG, rms=None)):
        with pytest.raises(InputError, match=r"is silence below 11025 Hz"):
            prepare(recording(window * ultrasound, rate=96000), config)
        with pytest.raises(InputError, match=r"is silence"):
            prepare(recording(np.zeros(22050)), config)
