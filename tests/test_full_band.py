"""The benchmark of what is above 11 kHz, on noise of known levels."""

import numpy as np
import pytest
import soundfile
from conftest import CLIPS

from research.audio.waveform import Waveform
from research.benchmarks.full_band import main, upper_levels
from research.errors import InputError

RATE = 44100


def test_levels_are_those_that_noise_was_given():
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((2, 4 * RATE)))
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    spectrum[:, hertz >= 13890] *= 0.1
    found = upper_levels(Waveform(np.fft.irfft(spectrum).astype(np.float32), RATE))
    widths = 10 * np.log10(np.array([13890 - 11025, 17500 - 13890]) / (11025 / 2))
    np.testing.assert_allclose(found, widths - [0, 20], atol=0.2)


def test_files_that_do_not_do_are_refused(tmp_path):
    path = tmp_path / "low.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, 22050), 22050)
    with pytest.raises(InputError, match="22050 Hz; give some of 44100 Hz"):
        main([str(path), str(CLIPS / "band.ogg")])
