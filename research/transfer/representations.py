"""Time-frequency representations of a recording that the terms of the loss are computed from.

Powers are `|STFT|^2 4 / n_fft`, so that the level of noise does not depend on the frame length. The
floor of logarithms is 1e-6, 42 dB below noise at a root mean square of 0.1, the level to which
inputs are scaled. `tone` keeps the channels apart. The other representations of a waveform are
computed from the mean power of all channels, so that panning is free.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, mel_filterbank, stft
from research.products import matmul
from research.transfer.frames import Frames

FINE = StftConfig(n_fft=2048, hop_length=512)
FAST = StftConfig(n_fft=512, hop_length=128)
TONE = StftConfig(n_fft=4096, hop_length=512)
NUM_MELS, NUM_FAST_MELS = 80, 40
BINS_PER_OCTAVE, NUM_OCTAVES, LOWEST_HZ = 36, 7, 65.406  # From C2 to C9.
FLOOR = 1e-6

_NOT_COMPUTED: Any = None  # A pytree without leaves.


class Representations(NamedTuple):
    """The representations of one recording; those that no term reads are None.

    Attributes:
      log_magnitude: `log(1 + |STFT|)` with the STFT of the config, `[channels, frames, bins]`.
      features: outputs of random filters and classifier layers, by name, `[channels, positions,
        dims]`.
      spectrum: `log(power + 1e-6) / 3` of `FINE`, the mean of all channels, `[1, frames, bins]`.
      mel: the same of 80 mel bands, each the mean power of its bins, `[1, frames, mels]`.
      fast_mel: the same of 40 mel bands of `FAST`, `[1, fast_frames, fast_mels]`.
      tone: power of `TONE` at 36 frequencies an octave from C2 to C9, `[channels, frames, tones]`.
    """

    log_magnitude: Frames = _NOT_COMPUTED
    features: dict[str, Frames] = _NOT_COMPUTED
    spectrum: Frames = _NOT_COMPUTED
    mel: Frames = _NOT_COMPUTED
    fast_mel: Frames = _NOT_COMPUTED
    tone: Frames = _NOT_COMPUTED


OF_WAVEFORM = ("spectrum", "mel", "fast_mel", "tone")
"""Representations that only a waveform has; the others exist for every variable."""


def waveform_representations(
    waveform: jax.Array, sample_rate: int, num_samples: jax.Array | int | None = None
) -> Representations:
    """The representations `OF_WAVEFORM`.

    Args:
      waveform: `[channels, samples]`, zeros after the first `num_samples`.
      sample_rate: Hz.
      num_samples: of the recording; by default all samples.
    """
    length = waveform.shape[-1] if num_samples is None else num_samples
    power = mean_power(waveform, FINE)
    fast_power = mean_power(waveform, FAST)
    mel = matmul(power, band_means(sample_rate, FINE, NUM_MELS))
    fast_mel = matmul(fast_power, band_means(sample_rate, FAST, NUM_FAST_MELS))
    tone = matmul(power_spectrum(waveform, TONE), tone_filterbank(sample_rate))
    num_frames = FINE.num_frames(length)
    return Representations(
        spectrum=Frames.of(log_power(power), num_frames),
        mel=Frames.of(log_power(mel), num_frames),
        fast_mel=Frames.of(log_power(fast_mel), FAST.num_frames(length)),
        tone=Frames.of(tone, TONE.num_frames(length)),
    )


def power_spectrum(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """`|STFT|^2 4 / n_fft`, `[..., samples]` to `[..., frames, bins]`."""
    spectrum = stft(waveform, config)
    return (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) * (4 / config.n_fft)


def mean_power(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """Mean power spectrum of all channels, `[channels, samples]` to `[1, frames, bins]`."""
    return power_spectrum(waveform, config).mean(axis=0, keepdims=True)


def log_power(power: jax.Array) -> jax.Array:
    """`log(power + 1e-6) / 3`: a few units from silence to full level."""
    return jnp.log(power + FLOOR) / 3


def band_means(sample_rate: int, config: StftConfig, num_mels: int) -> np.ndarray:
    """Mel filters that give the mean power of a band, `[bins, mels]`."""
    filters = mel_filterbank(sample_rate, config.n_fft, num_mels)
    return filters / np.maximum(filters.sum(axis=0), 1e-9)


def tone_filterbank(sample_rate: int) -> np.ndarray:
    """Triangular filters at 36 frequencies an octave, each of unit sum, `[bins, tones]` of `TONE`.

    A triangle reaches to the next frequency, and at least to the next bin.
    """
    steps = np.arange(BINS_PER_OCTAVE * NUM_OCTAVES) / BINS_PER_OCTAVE
    centre = LOWEST_HZ * 2**steps
    width = np.maximum(centre * (2 ** (1 / BINS_PER_OCTAVE) - 1), sample_rate / TONE.n_fft)
    bins = np.fft.rfftfreq(TONE.n_fft, 1 / sample_rate)[:, None]
    triangles = np.maximum(0.0, 1 - np.abs(bins - centre) / width)
    return (triangles / np.maximum(triangles.sum(axis=0), 1e-9)).astype(np.float32)


def smoother(size: int, sigma: float) -> np.ndarray:
    """Matrix `[size, size]` that smooths rows of length `size` by a Gaussian of `sigma` bins."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(np.eye(size, dtype=np.float32), sigma, axis=1, mode="nearest")
