"""Synthetic music: a melody, a riff in another key and timbre, and noise."""

import numpy as np

from research.audio.waveform import Waveform

SAMPLE_RATE = 22050
SECONDS = 4
MELODY = (60, 64, 67, 72, 71, 67, 62, 65, 69, 64)  # MIDI, 2.5 a second.
RIFF = (42, 42, 49, 54, 46, 51, 51, 42, 56, 49, 44, 54, 51)  # 3.25 a second, in another key.


def play(notes, partials, decay, hiss=0.0, seed=0):
    """`[samples]` of notes of one length, of partials by amplitude, with noise at their starts."""
    length = SECONDS * SAMPLE_RATE // len(notes)
    time = np.arange(length) / SAMPLE_RATE
    draw = np.random.default_rng(seed)
    out = np.zeros(SECONDS * SAMPLE_RATE)
    for i, note in enumerate(notes):
        pitch = 440.0 * 2 ** ((note - 69) / 12)
        tone = sum(a * np.sin(2 * np.pi * pitch * (k + 1) * time) for k, a in enumerate(partials))
        tone *= np.exp(-decay * time) * np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
        burst = hiss * draw.standard_normal(length) * np.exp(-20 * time)
        out[i * length : (i + 1) * length] = tone + burst
    return out.astype(np.float32)


def noise(samples, seed=3):
    """White noise as long and as loud."""
    draw = np.random.default_rng(seed).standard_normal(len(samples))
    return (draw * samples.std()).astype(np.float32)


def make_content():
    """The melody, `[samples]` at an RMS level of 0.1."""
    melody = play(MELODY, (1.0, 0.4, 0.1), decay=3.0)
    return 0.1 * melody / melody.std()


def make_style():
    """The riff, the same."""
    riff = play(RIFF, 1.0 / np.arange(1, 16), decay=1.0, hiss=1.0)
    return 0.1 * riff / riff.std()


def tune(pitch, seconds=2.0, rate=SAMPLE_RATE, channels=1, seed=0):
    """Two notes a second over a little noise."""
    time = np.arange(int(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * pitch * time) * np.exp(-6 * (time % 0.5))
    noise = np.random.default_rng(seed).standard_normal((channels, len(time)))
    return Waveform((0.3 * tone + 0.01 * noise).astype(np.float32), rate)
