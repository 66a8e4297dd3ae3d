"""Pictures of spectrograms."""

import os

import numpy as np

from research.audio.stft import StftConfig, magnitude, stft
from research.audio.waveform import Waveform, resample
from research.report.figures import load_pyplot, save_figure

_RANGE_DB = 80.0
_LOWEST_HZ = 40.0


def draw_spectrograms(
    path: str | os.PathLike, takes: dict[str, Waveform], sample_rate: int, config: StftConfig
) -> None:
    """Draw titled waveforms under each other, seconds by Hz on one dB scale, as a PNG.

    0 dB is the loudest bin of all takes; channels are averaged in power; the frequency axis is
    logarithmic.
    """
    pyplot = load_pyplot()
    powers = {title: _power(take, sample_rate, config) for title, take in takes.items()}
    peak = max(power.max() for power in powers.values())
    bins = np.fft.rfftfreq(config.n_fft, 1 / sample_rate)
    heights = np.geomspace(_LOWEST_HZ, sample_rate / 2, 256)
    figure, axes = pyplot.subplots(
        len(takes), 1, figsize=(10, 2.6 * len(takes)), sharex=True, layout="constrained"
    )
    for panel, (title, power) in zip(np.atleast_1d(axes), powers.items(), strict=True):
        decibels = 10 * np.log10(np.maximum(power / peak, 10 ** (-_RANGE_DB / 10)))
        rows = np.stack([np.interp(heights, bins, frame) for frame in decibels], axis=1)
        seconds = np.arange(len(decibels)) * config.hop_length / sample_rate
        image = panel.pcolormesh(
            seconds, heights, rows, vmin=-_RANGE_DB, vmax=0, cmap="magma", shading="nearest"
        )
        panel.set(title=title, ylabel="Hz", yscale="log")
        panel.set_yticks([100, 1000, 10000], ["100", "1000", "10000"])
    panel.set_xlabel("seconds")
    figure.colorbar(image, ax=axes, label="dB below the loudest")
    save_figure(figure, path)


def _power(take: Waveform, sample_rate: int, config: StftConfig) -> np.ndarray:
    spectrogram = magnitude(stft(resample(take, sample_rate).samples, config))
    return np.square(np.asarray(spectrogram, np.float64)).mean(axis=0)
