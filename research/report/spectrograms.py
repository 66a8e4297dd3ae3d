"""Levels of spectrograms on a logarithmic frequency axis, and a figure of them."""

import os
from collections.abc import Sequence

import numpy as np

from research.audio.stft_config import StftConfig
from research.audio.waveform import Waveform, resample
from research.programs import load_librosa
from research.report.figures import draw_png

RANGE_DB = 80.0
LOWEST_HZ = 40.0


def draw_spectrograms(
    path: str | os.PathLike, waveforms: dict[str, Waveform], sample_rate: int, config: StftConfig
) -> None:
    """Draw the spectrograms of waveforms one below the other, as a PNG.

    Seconds by Hz (logarithmic), in dB relative to the loudest bin of all waveforms.

    Args:
      path: the PNG file.
      waveforms: by title.
      sample_rate: Hz that waveforms are resampled to.
      config: the STFT.

    Raises:
      InputError: the file cannot be written.
    """
    heights = np.log10(frequencies(sample_rate))
    levels = decibels(list(waveforms.values()), sample_rate, config)
    rows = len(waveforms)
    with draw_png(path, (10, 2.6 * rows), num_rows=rows, sharex=True) as (figure, axes):
        panels, images = list(np.atleast_1d(axes)), []
        for panel, title, level in zip(panels, waveforms, levels, strict=True):
            seconds = level.shape[1] * config.hop_length / sample_rate
            # Rows are geometrically spaced: an axis of logarithms draws them as an image.
            image = panel.imshow(
                level,
                extent=(0, seconds, heights[0], heights[-1]),
                origin="lower",
                aspect="auto",
                vmin=-RANGE_DB,
                vmax=0,
                cmap="magma",
                interpolation="nearest",
            )
            images.append(image)
            panel.set(title=title, ylabel="Hz")
            shown = [hertz for hertz in (100, 1000, 10000) if hertz < sample_rate / 2]
            panel.set_yticks(np.log10(shown), [f"{hertz}" for hertz in shown])
        panels[-1].set_xlabel("seconds")
        figure.colorbar(images[-1], ax=axes, label="dB below the loudest")


def frequencies(sample_rate: int) -> np.ndarray:
    """Frequencies of the rows, `[256]` Hz, geometrically spaced from 40 Hz to Nyquist."""
    return np.geomspace(LOWEST_HZ, sample_rate / 2, 256)


def decibels(
    waveforms: Sequence[Waveform], sample_rate: int, config: StftConfig
) -> list[np.ndarray]:
    """Levels of each waveform at `frequencies`, `[256, frames]` in dB from -80 to 0.

    0 dB is the loudest bin of all waveforms. Channels are averaged in power.
    """
    powers = [_power(waveform, sample_rate, config) for waveform in waveforms]
    peak = max(max(power.max() for power in powers), np.finfo(np.float64).tiny)
    bins = np.fft.rfftfreq(config.n_fft, 1 / sample_rate)
    heights = frequencies(sample_rate)
    found = []
    for power in powers:
        levels = 10 * np.log10(np.maximum(power / peak, 10 ** (-RANGE_DB / 10)))
        found.append(np.stack([np.interp(heights, bins, frame) for frame in levels], axis=1))
    return found


def _power(waveform: Waveform, sample_rate: int, config: StftConfig) -> np.ndarray:
    """Power `[frames, bins]`, the mean of the channels."""
    spectra = load_librosa().stft(
        resample(waveform, sample_rate).samples,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        win_length=config.win_length or None,
        window=config.window,
        center=config.center,
        pad_mode="constant",
    )
    return np.square(np.abs(spectra), dtype=np.float64).mean(axis=0).T
