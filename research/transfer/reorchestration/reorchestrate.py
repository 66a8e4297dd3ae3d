"""Reorchestration of a content of any sample rate, length and number of channels."""

import numpy as np

from research.audio.levels import rms
from research.audio.upper_band import add_upper_band
from research.audio.waveform import Waveform, fit_length, match_channels, resample
from research.transfer.reorchestration.grid import SAMPLE_RATE
from research.transfer.reorchestration.orchestra import Orchestra, describe
from research.transfer.reorchestration.sound import render
from research.transfer.reorchestration.target import make_target
from research.transfer.reorchestration.transform import magnitudes

_RMS = 0.1
_NO_LEVELS = np.zeros(0)


def orchestra_of(style: np.ndarray, sample_rate: int) -> Orchestra:
    """The instruments of a style, mono `[1, samples]` of any level, at `sample_rate` Hz."""
    samples = _at_rate(style, sample_rate)[0]
    return describe(samples * np.float32(_RMS / max(rms(samples), 1e-12)))


def reorchestrate(
    content: np.ndarray, sample_rate: int, orchestra: Orchestra, amount: float = 1.0
) -> np.ndarray:
    """Play a content on the instruments of a style.

    Notes are found in the mean of the channels, from 41 Hz to 2.6 kHz; where the channels cancel
    each other, in the loudest. Above 11 kHz, where nothing is modelled, the content stays, with the
    gain of the octave below.

    Args:
      content: `[channels, samples]`.
      sample_rate: Hz.
      orchestra: of `orchestra_of`.
      amount: fraction of the way from the content to the style, 0 to 1.

    Returns:
      `[channels, samples]`, at the content's root mean square.
    """
    level = max(rms(content), 1e-12)
    samples = _at_rate(content, sample_rate) * np.float32(_RMS / level)
    mono = match_channels(samples, 1)[0]
    played = render(samples, mono, make_target(mono, magnitudes(mono), orchestra), amount)
    output = fit_length(
        resample(Waveform(played, SAMPLE_RATE), sample_rate).samples, content.shape[1]
    )
    output = add_upper_band(output, Waveform(content, sample_rate), SAMPLE_RATE, _NO_LEVELS, 0.0)
    return (output * np.float32(level / max(rms(output), 1e-12))).astype(np.float32)


def _at_rate(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    return resample(Waveform(samples, sample_rate), SAMPLE_RATE).samples
