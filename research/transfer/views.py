"""What a waveform is heard as: the spectral views that content terms and style statistics share.

Powers are `|STFT|^2 4 / n_fft`, so that the level of noise does not depend on the frame length, and
logarithms are taken over a floor of 1e-6, 42 dB under noise at the root mean square of 0.1 to which
the inputs of a transfer are scaled. Notes are heard channel by channel, colour and rhythm in the
mean power of all channels, so that what is panned may stay so.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, mel_filterbank, stft

FINE = StftConfig(n_fft=2048, hop_length=512)
FAST = StftConfig(n_fft=512, hop_length=128)
TONE = StftConfig(n_fft=4096, hop_length=512)
NUM_MELS, NUM_FAST_MELS = 80, 40
BINS_PER_OCTAVE, NUM_OCTAVES, LOWEST_HZ = 36, 7, 65.406  # From C2 to C9.
FLOOR = 1e-6


class Views(NamedTuple):
    """All that is seen of a piece; what no term looks at is None.

    Attributes:
      log_magnitude: `log(1 + |STFT|)` of the objective's STFT, `[channels, frames, bins]`.
      features: outputs of random filters and of classifier layers, by name, `[channels, positions,
        dims]`.
      spectrum: log power over 3 of all channels, `[1, frames, bins]` of `FINE`.
      mel: the same of mel bands, `[1, frames, mels]` of `FINE`.
      fast_mel: the same, `[1, fast_frames, fast_mels]` of `FAST`.
      tone: power on a logarithmic frequency axis, `[channels, frames, tones]` of `TONE`.
    """

    log_magnitude: jax.Array | None = None
    features: dict[str, jax.Array] | None = None
    spectrum: jax.Array | None = None
    mel: jax.Array | None = None
    fast_mel: jax.Array | None = None
    tone: jax.Array | None = None


def hear(waveform: jax.Array, sample_rate: int) -> Views:
    """Views that only a waveform has, `[channels, samples]` at `sample_rate` Hz."""
    power = mean_power(waveform, FINE)
    fast_power = mean_power(waveform, FAST)
    return Views(
        spectrum=log_power(power),
        mel=log_power(power @ band_means(sample_rate, FINE, NUM_MELS)),
        fast_mel=log_power(fast_power @ band_means(sample_rate, FAST, NUM_FAST_MELS)),
        tone=power_spectrum(waveform, TONE) @ tone_filterbank(sample_rate),
    )


def power_spectrum(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """`|STFT|^2 4 / n_fft`, `[..., samples]` to `[..., frames, bins]`."""
    spectrum = stft(waveform, config)
    return (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) * (4 / config.n_fft)


def mean_power(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """That of all channels, `[channels, samples]` to `[1, frames, bins]`."""
    return power_spectrum(waveform, config).mean(axis=0, keepdims=True)


def log_power(power: jax.Array) -> jax.Array:
    """`log(power + 1e-6) / 3`: a few units from silence to full level."""
    return jnp.log(power + FLOOR) / 3


def band_means(sample_rate: int, config: StftConfig, num_mels: int) -> np.ndarray:
    """Mel filters that give the mean power of a band, `[bins, mels]`."""
    filters = mel_filterbank(sample_rate, config.n_fft, num_mels)
    return filters / np.maximum(filters.sum(axis=0), 1e-9)


def tone_filterbank(sample_rate: int) -> np.ndarray:
    """Triangles around 36 frequencies an octave, each of unit sum, `[bins, tones]` of `TONE`.

    A triangle is as wide as the distance to its neighbour, and at least as a bin.
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
