"""Damage done to mono samples, in doses: the first is slight, the last is strong."""

from typing import NamedTuple

import librosa
import numpy as np
from playing import SAMPLE_RATE
from scipy import signal


class Kind(NamedTuple):
    """A kind of damage: a function of samples, dose and generator, and doses from slight to strong.

    `costs` is the sign of `judge_damage` that is to see it.
    """

    damage: object
    doses: tuple
    costs: str


def random_phase(samples, amount, draw):
    spectrum = librosa.stft(samples, n_fft=2048, hop_length=512)
    phases = draw.uniform(-np.pi, np.pi, spectrum.shape)
    turned = spectrum * np.exp(1j * amount * phases)
    return librosa.istft(turned, hop_length=512, length=len(samples))


def flip_blocks(samples, blocks_per_second, draw):
    length = int(SAMPLE_RATE / blocks_per_second)
    signs = draw.choice([-1, 1], len(samples) // length + 1)
    return samples * np.repeat(signs, length)[: len(samples)]


def tremolo(samples, depth, draw):
    time = np.arange(len(samples)) / SAMPLE_RATE
    return samples * (1 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * 7.5 * time)))


def clip(samples, decibels, draw):
    return np.clip(samples * 10 ** (decibels / 20) / np.abs(samples).max(), -1, 1)


def clicks(samples, per_second, draw):
    damaged = samples.copy()
    number = round(per_second * len(samples) / SAMPLE_RATE)
    places = (np.arange(number) + draw.uniform(0.3, 0.7, number)) * (len(samples) / max(number, 1))
    damaged[places.astype(int)] += np.abs(samples).max() * draw.choice([-1, 1], number)
    return damaged


def add_noise(samples, decibels, draw):
    """White noise at a level relative to the RMS level."""
    return samples + draw.standard_normal(len(samples)) * samples.std() * 10 ** (decibels / 20)


def drop_out(samples, per_second, draw):
    """Gaps of 50 ms."""
    damaged = samples.copy()
    for place in draw.integers(0, len(samples) - 1102, round(per_second * len(samples) / 22050)):
        damaged[place : place + 1102] = 0
    return damaged


def quantise(samples, step, draw):
    """Steps as a fraction of the peak: 1/8 is 4 bits."""
    step = step * np.abs(samples).max()
    return np.round(samples / step) * step


def low_pass(samples, octaves, draw):
    """Without the highest octaves; -0.2 is hardly any."""
    sections = signal.butter(8, SAMPLE_RATE / 2 / 2**octaves, fs=SAMPLE_RATE, output="sos")
    return signal.sosfiltfilt(sections, samples)


def wobble(samples, cents, draw):
    """Pitch up and down five times a second."""
    time = np.arange(len(samples))
    slope = 2 ** (cents / 1200) - 1
    delay = slope * SAMPLE_RATE / (10 * np.pi) * np.sin(10 * np.pi * time / SAMPLE_RATE)
    return np.interp(time + delay, time, samples)


DAMAGES = {
    "random phase": Kind(random_phase, (0.05, 0.5, 1.0), "roughness"),
    "flips of blocks": Kind(flip_blocks, (0.5, 2.0, 20.0), "roughness"),
    "tremolo": Kind(tremolo, (0.1, 0.8, 0.95), "tremolo"),
    "clipping": Kind(clip, (0.5, 6.0, 12.0), "clipped"),
    "clicks": Kind(clicks, (0.2, 1.0, 10.0), "clicks"),
    "noise": Kind(add_noise, (-60.0, -20.0, -10.0), "flatness"),
    "dropouts": Kind(drop_out, (0.2, 1.0, 4.0), "gaps"),
    "quantisation": Kind(quantise, (1 / 2048, 1 / 32, 1 / 8), "flatness"),
    "low-pass": Kind(low_pass, (0.1, 1.5, 2.5), "dull"),
    "wobble": Kind(wobble, (3.0, 30.0, 100.0), "roughness"),
}
