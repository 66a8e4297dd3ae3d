"""Pictures of spectrograms."""

import os
from collections.abc import Sequence

import numpy as np

from research.audio.stft import StftConfig, magnitude, stft
from research.audio.waveform import Waveform, resample
from research.report.figures import load_pyplot, save_figure

RANGE_DB = 80.0
LOWEST_HZ = 40.0


def draw_spectrograms(
    path: str | os.PathLike, takes: dict[str, Waveform], sample_rate: int, config: StftConfig
) -> None:
    """Draw titled waveforms under each other, seconds by Hz on one dB scale, as a PNG.

    0 dB is the loudest bin of all takes; channels are averaged in power; the frequency axis is
    logarithmic.
    """
    pyplot = load_pyplot()
    heights = frequencies(sample_rate)
    figure, axes = pyplot.subplots(
        len(takes), 1, figsize=(10, 2.6 * len(takes)), sharex=True, layout="constrained"
    )
    levels = decibels(list(takes.values()), sample_rate, config)
    for panel, title, rows in zip(np.atleast_1d(axes), takes, levels, strict=True):
        seconds = np.arange(rows.shape[1]) * config.hop_length / sample_rate
        image = panel.pcolormesh(
            seconds, heights, rows, vmin=-RANGE_DB, vmax=0, cmap="magma", shading="nearest"
        )
        panel.set(title=title, ylabel="Hz", yscale="log")
        panel.set_yticks([100, 1000, 10000], ["100", "1000", "10000"])
    panel.set_xlabel("seconds")
    figure.colorbar(image, ax=axes, label="dB below the loudest")
    save_figure(figure, path)


def frequencies(sample_rate: int) -> np.ndarray:
    """Hz of the rows of a picture, `[256]`: from 40 Hz to half the rate, evenly in octaves."""
    return np.geomspace(LOWEST_HZ, sample_rate / 2, 256)


def decibels(takes: Sequence[Waveform], sample_rate: int, config: StftConfig) -> list[np.ndarray]:
    """Levels `[256, frames]` of each take at `frequencies`, -80 dB to 0, the loudest bin of all."""
    powers = [_power(take, sample_rate, config) for take in takes]
    peak = max(max(power.max() for power in powers), np.finfo(np.float64).tiny)
    bins = np.fft.rfftfreq(config.n_fft, 1 / sample_rate)
    heights = frequencies(sample_rate)
    pictures = []
    for power in powers:
        levels = 10 * np.log10(np.maximum(power / peak, 10 ** (-RANGE_DB / 10)))
        pictures.append(np.stack([np.interp(heights, bins, frame) for frame in levels], axis=1))
    return pictures


def _power(take: Waveform, sample_rate: int, config: StftConfig) -> np.ndarray:
    spectrogram = magnitude(stft(resample(take, sample_rate).samples, config))
    return np.square(np.asarray(spectrogram, np.float64)).mean(axis=0)
