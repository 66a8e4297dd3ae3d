"""The log-frequency spectrum of a piece, and its tuning.

Bin b lies at `27.5 * 2^(b / 36)` Hz, so that all pitches have the same pattern of partials, shifted
by three bins a semitone. As in a constant-Q transform (Brown 1991), low bins come from long windows
and high ones from short windows:

    X[t, b] = sum_n s_n[b] sqrt(sum_k B_n[k, b] |STFT_n[t, k]|^2),   n = 8192, 4096, 2048 samples

with triangles B_n of unit sum, and shares s_n that cross at 330 and 1500 Hz and sum to 1.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, split_frames
from research.products import matmul
from research.transfer.reorchestration.blocks import BLOCK, join_blocks
from research.transfer.reorchestration.grid import SAMPLE_RATE, STFT

BINS_PER_OCTAVE = 36
BINS_PER_SEMITONE = BINS_PER_OCTAVE // 12
WINDOWS = (8192, 4096, 2048)
SPLITS = (330.0, 1500.0)  # Hz, between the windows.
LOWEST_PITCH = 21  # MIDI, of the first bin.
_LOWEST, _HIGHEST = 27.5, 10000.0  # Hz.
NUM_BINS = int(np.log2(_HIGHEST / _LOWEST) * BINS_PER_OCTAVE)
HERTZ = _LOWEST * 2 ** (np.arange(NUM_BINS) / BINS_PER_OCTAVE)

_SMOOTH_OCTAVES = 1 / 12  # Of the change from one window to the next.
_TUNING_HERTZ = (150.0, 2500.0)
_TUNING_HOP = 4  # Frames.


class Spectrum(NamedTuple):
    """What pitches are found in.

    Attributes:
      magnitude: at each log-frequency bin, `[frames, log bins]`.
      tuning: semitones from A4 = 440 Hz, -0.5 to 0.5.
    """

    magnitude: np.ndarray
    tuning: float


def analyse(samples: np.ndarray) -> Spectrum:
    """The log-frequency spectrum and the tuning of mono `[samples]` at 22 050 Hz.

    The tuning is the circular mean of the distance of spectral peaks from the tempered scale,
    weighted by their magnitude, from 150 to 2500 Hz. Peaks are parabolas in log magnitude.
    """
    num_frames, hop, margin = STFT.num_frames(len(samples)), STFT.hop_length, WINDOWS[0] // 2
    length = -(-num_frames // BLOCK) * BLOCK * hop
    padded = np.pad(samples.astype(np.float32), (margin, length - len(samples) + margin))
    found = [
        _analyse_block(
            padded[first * hop :][: (BLOCK - 1) * hop + WINDOWS[0]],
            num_frames - first,
            _resolutions(),
        )
        for first in range(0, num_frames, BLOCK)
    ]
    total = np.sum([np.asarray(total) for _, total in found])
    tuning = float(np.angle(total) / (2 * np.pi))
    return Spectrum(join_blocks([magnitude for magnitude, _ in found], num_frames), tuning)


@functools.cache
def _resolutions() -> list[tuple[jax.Array, jax.Array]]:
    """For each window, the matrix from its bins to log bins, and how much each log bin uses it."""
    found, log_hertz = [], np.log2(HERTZ)
    edges = (1.0, *SPLITS, 20000.0)
    for window, low, high in zip(WINDOWS, edges, edges[1:], strict=False):
        spacing = SAMPLE_RATE / window
        hertz = np.arange(window // 2 + 1) * spacing
        width = np.maximum(HERTZ * (2 ** (1 / BINS_PER_OCTAVE) - 1), 0.75 * spacing)
        matrix = np.maximum(0, 1 - np.abs(hertz[:, None] - HERTZ) / width)
        matrix /= np.maximum(matrix.sum(axis=0), 1e-6)
        above = 1 / (1 + np.exp(-(log_hertz - np.log2(low)) / _SMOOTH_OCTAVES))
        below = 1 / (1 + np.exp((log_hertz - np.log2(high)) / _SMOOTH_OCTAVES))
        found.append((matrix.astype(np.float32), (above * below).astype(np.float32)))
    return jax.device_put(found)


@jax.jit
def _analyse_block(
    samples: jax.Array, num_frames: int, resolutions: list[tuple[jax.Array, jax.Array]]
) -> tuple[jax.Array, jax.Array]:
    """Magnitudes of a block, and the sum of its first `num_frames` that the tuning is the angle of.

    Args:
      samples: of the longest windows of the block.
      num_frames: frames before the end of the piece.
      resolutions: of `_resolutions`.
    """
    hop = STFT.hop_length
    magnitude = jnp.zeros((BLOCK, NUM_BINS))
    longest = jnp.zeros((BLOCK, WINDOWS[0] // 2 + 1))
    for window, (matrix, share) in zip(WINDOWS, resolutions, strict=True):
        start = (WINDOWS[0] - window) // 2
        frames = split_frames(samples[start:][: (BLOCK - 1) * hop + window], window, hop)
        spectrum = jnp.fft.rfft(frames * StftConfig(n_fft=window).window_values())
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        scale = (WINDOWS[1] / window) ** 2  # The level of a tone is that of one window.
        magnitude += jnp.sqrt(scale * matmul(power, matrix)) * share
        longest = jnp.sqrt(power) if window == WINDOWS[0] else longest
    held = jnp.arange(BLOCK) < num_frames
    return magnitude, _tuning_sum(longest[::_TUNING_HOP] * held[::_TUNING_HOP, None])


def _tuning_sum(magnitude: jax.Array) -> jax.Array:
    """Sum over peaks of `magnitude exp(2 pi i semitones)`, of the longest windows."""
    left, middle, right = magnitude[:, :-2], magnitude[:, 1:-1], magnitude[:, 2:]
    a, b, c = (jnp.log(each + 1e-9) for each in (left, middle, right))
    shift = jnp.clip(0.5 * (a - c) / (a - 2 * b + c - 1e-9), -0.5, 0.5)
    hertz = (jnp.arange(1, magnitude.shape[1] - 1) + shift) * (SAMPLE_RATE / WINDOWS[0])
    used = (middle > left) & (middle >= right)
    used &= (hertz > _TUNING_HERTZ[0]) & (hertz < _TUNING_HERTZ[1])
    angle = 2 * jnp.pi * 12 * jnp.log2(hertz / 440)
    return jnp.sum(jnp.where(used, middle, 0) * jnp.exp(1j * angle))
