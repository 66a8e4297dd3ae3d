"""Short-time Fourier transform, its inverse, log magnitude and mel bands, in jax.numpy.

Spectrograms are `[..., frames, bins]`, the transpose of librosa's layout. Values equal librosa's.
Functions are compiled as a whole, not operation by operation, and inlined in other programs.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.padding import first
from research.audio.stft_config import StftConfig


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def split_frames(waveform: jax.Array, frame_length: int, hop_length: int) -> jax.Array:
    """Overlapping frames of a waveform: `[..., samples]` to `[..., frames, frame_length]`."""
    num_frames = 1 + (waveform.shape[-1] - frame_length) // hop_length
    starts = hop_length * jnp.arange(num_frames)
    return waveform[..., starts[:, None] + jnp.arange(frame_length)]


def _split_frames_forward(
    waveform: jax.Array, frame_length: int, hop_length: int
) -> tuple[jax.Array, jax.Array]:
    return split_frames(waveform, frame_length, hop_length), waveform


def _split_frames_backward(
    frame_length: int, hop_length: int, waveform: jax.Array, frames: jax.Array
) -> tuple[jax.Array]:
    # The gather is fast. Its derivative in jax would be a scatter, which is slow.
    total = overlap_add(frames, hop_length)[..., : waveform.shape[-1]]
    missing = waveform.shape[-1] - total.shape[-1]
    return (jnp.pad(total, [(0, 0)] * (total.ndim - 1) + [(0, missing)]),)


split_frames.defvjp(_split_frames_forward, _split_frames_backward)


@functools.partial(jax.jit, static_argnames="hop_length", inline=True)
def overlap_add(frames: jax.Array, hop_length: int) -> jax.Array:
    """Sum of overlapping frames, the transpose of `split_frames`.

    `[..., frames, frame_length]` to `[..., samples]`, zero-padded to a multiple of the hop.
    """
    *batch, num_frames, frame_length = frames.shape
    blocks_per_frame = -(-frame_length // hop_length)
    leading = [(0, 0)] * len(batch)
    missing = blocks_per_frame * hop_length - frame_length
    frames = jnp.pad(frames, [*leading, (0, 0), (0, missing)])
    total: Any = 0.0
    for i in range(blocks_per_frame):
        block = frames[..., i * hop_length : (i + 1) * hop_length]
        total += jnp.pad(block, [*leading, (i, blocks_per_frame - 1 - i), (0, 0)])
    return total.reshape(*batch, (num_frames + blocks_per_frame - 1) * hop_length)


def window_sum(config: StftConfig, num_frames: int) -> np.ndarray:
    """Sum of the squared windows of overlapping frames, `[samples]` of the padded waveform."""
    squared = config.window_values() ** 2
    total = np.zeros(config.n_fft + (num_frames - 1) * config.hop_length, np.float32)
    for frame in range(num_frames):
        start = frame * config.hop_length
        total[start : start + config.n_fft] += squared
    return total


@functools.partial(jax.jit, static_argnames="config", inline=True)
def windowed_frames(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """Windowed frames of the padded waveform, `[..., samples]` to `[..., frames, n_fft]`.

    Raises:
      ValueError: the waveform is shorter than one frame.
    """
    padded_length = waveform.shape[-1] + 2 * config.padding
    if padded_length < config.n_fft:
        raise ValueError(f"{waveform.shape[-1]} samples are less than one frame of {config.n_fft}")
    padding = [(0, 0)] * (waveform.ndim - 1) + [(config.padding, config.padding)]
    frames = split_frames(jnp.pad(waveform, padding), config.n_fft, config.hop_length)
    return frames * config.window_values()


@functools.partial(jax.jit, static_argnames="config", inline=True)
def stft(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """Short-time Fourier transform, `[..., samples]` to complex `[..., frames, bins]`.

    `X[t, k] = sum_n x[t hop + n] w[n] exp(-2 pi i k n / n_fft)`, equal to `librosa.stft` with
    `pad_mode="constant"`.

    Raises:
      ValueError: the waveform is shorter than one frame.
    """
    return jnp.fft.rfft(windowed_frames(waveform, config))


@functools.partial(jax.jit, static_argnames=("config", "length"), inline=True)
def istft(
    spectrum: jax.Array,
    config: StftConfig,
    length: int,
    num_samples: jax.Array | int | None = None,
) -> jax.Array:
    """Inverse STFT: the waveform whose STFT is nearest to `spectrum` (Griffin & Lim 1984, eq. 6).

    Complex `[..., frames, bins]` to `[..., length]`, equal to `librosa.istft` with `length`. If
    `num_samples` is given (it may be traced), samples after the first `num_samples` are zeros, and
    the frames after the first `config.num_frames(num_samples)` must be zeros.
    """
    frames = jnp.fft.irfft(spectrum, n=config.n_fft) * config.window_values()
    padded = overlap_add(frames, config.hop_length)
    total = _window_sum(config, spectrum.shape[-2], num_samples)
    padded = padded / jnp.where(total > np.finfo(np.float32).tiny, total, 1.0)
    missing = max(config.padding + length - padded.shape[-1], 0)
    padded = jnp.pad(padded, [(0, 0)] * (padded.ndim - 1) + [(0, missing)])
    waveform = padded[..., config.padding : config.padding + length]
    return waveform if num_samples is None else jnp.where(first(num_samples, length), waveform, 0.0)


def _window_sum(
    config: StftConfig, num_frames: int, num_samples: jax.Array | int | None
) -> jax.Array | np.ndarray:
    """`window_sum` of the frames of so many samples, by default of all, as `overlap_add` pads."""
    if num_samples is None:
        total = window_sum(config, num_frames)
        return np.pad(total, (0, -total.size % config.hop_length))
    counted = first(config.num_frames(num_samples), num_frames)[:, None]
    return overlap_add(counted * config.window_values() ** 2, config.hop_length)


@functools.partial(jax.jit, inline=True)
def magnitude(spectrum: jax.Array) -> jax.Array:
    """Absolute value of a complex array, with gradient zero where it is zero."""
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    silent = power == 0.0
    return jnp.where(silent, 0.0, jnp.sqrt(jnp.where(silent, 1.0, power)))


@functools.partial(jax.jit, static_argnames="config", inline=True)
def log_magnitude(waveform: jax.Array, config: StftConfig) -> jax.Array:
    """`log(1 + |STFT|)` of a waveform, `[..., samples]` to `[..., frames, bins]`."""
    return jnp.log1p(magnitude(stft(waveform, config)))


def hz_to_mel(frequency: np.ndarray | float) -> np.ndarray:
    """Hz to mel (Slaney): linear with 200/3 Hz per mel below 1000 Hz, logarithmic above."""
    frequency = np.asarray(frequency, np.float64)
    linear = 3.0 * frequency / 200.0
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(frequency, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(frequency < 1000.0, linear, logarithmic)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    logarithmic = 1000.0 * np.exp(np.log(6.4) * (np.maximum(mel, 15.0) - 15.0) / 27.0)
    return np.where(mel < 15.0, 200.0 * mel / 3.0, logarithmic)


def mel_filterbank(
    sample_rate: int, n_fft: int, num_mels: int, fmin: float = 0.0, fmax: float | None = None
) -> np.ndarray:
    """Triangular mel filters of unit area (Slaney), `[bins, mels]` float32.

    The transpose of `librosa.filters.mel`. `magnitude @ filterbank` gives mel bands.

    Args:
      sample_rate: Hz.
      n_fft: length of the Fourier transform, samples.
      num_mels: number of filters.
      fmin: low end of the lowest filter, Hz.
      fmax: high end of the highest filter, Hz; half the sample rate by default.
    """
    fmax = sample_rate / 2 if fmax is None else fmax
    edges = mel_to_hz(np.linspace(hz_to_mel(fmin), hz_to_mel(fmax), num_mels + 2))
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * 2.0 / (high - low)).astype(np.float32)
