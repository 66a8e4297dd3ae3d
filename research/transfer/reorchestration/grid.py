"""The grid that all steps share: sample rate, frames, bins and pitches."""

import functools

import numpy as np

from research.audio.stft import StftConfig

SAMPLE_RATE = 22050
STFT = StftConfig(n_fft=2048, hop_length=512)
HERTZ = np.fft.rfftfreq(STFT.n_fft, 1 / SAMPLE_RATE)
PITCHES = np.arange(28, 101)  # MIDI.


def pitch_hertz(tuning: float) -> np.ndarray:
    """Fundamental frequency of each pitch, at a tuning in semitones from A4 = 440 Hz."""
    return 440 * 2 ** ((PITCHES + tuning - 69) / 12)


@functools.cache
def bands(num_bands: int) -> np.ndarray:
    """Triangular filters of equal height, evenly on the mel scale from 20 Hz, `[bins, bands]`."""
    mel = 2595 * np.log10(1 + HERTZ / 700)
    edges = np.linspace(2595 * np.log10(1 + 20 / 700), mel[-1], num_bands + 2)
    filters = np.maximum(0, 1 - np.abs(mel[:, None] - edges[1:-1]) / (edges[1] - edges[0]))
    for band in np.flatnonzero(filters.sum(axis=0) < 1e-3):
        filters[np.abs(mel - edges[band + 1]).argmin(), band] = 1
    return filters.astype(np.float32)
