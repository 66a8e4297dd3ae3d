"""Configs of few steps, and two short pieces, for sweeps."""

import dataclasses

import numpy as np

from configs.transfer import get_config
from research.audio.waveform import Waveform
from research.settings import freeze
from research.transfer.config import SweepConfig, TransferConfig

RATE = 22050


def config_of(preset: str = "texture", swept: SweepConfig | None = None) -> TransferConfig:
    """A preset of few steps and filters, with a sweep."""
    config = get_config(preset)
    config.num_iterations = 4
    config.optimiser.log_every = 2
    config.features.num_filters = 16
    config.phase.num_iterations = 3
    return dataclasses.replace(freeze(TransferConfig, config), sweep=swept or SweepConfig())


def noise(seconds: float, seed: int) -> Waveform:
    """Noise that comes and goes over a tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    hiss = np.random.default_rng(seed).standard_normal(time.size) * np.exp(-9 * (5 * time % 1))
    tone = np.sin(2 * np.pi * 110 * 2 ** (seed / 12) * time)
    return Waveform((0.1 * hiss + 0.1 * tone)[None].astype(np.float32), RATE)


CONTENT, STYLE = noise(0.5, 1), noise(0.6, 2)
