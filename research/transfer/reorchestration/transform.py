"""The STFT of all steps, its inverse and Griffin-Lim, block by block."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, overlap_add, stft, window_sum
from research.transfer.reorchestration.blocks import BLOCK, join_blocks, split_blocks
from research.transfer.reorchestration.grid import STFT

_HOP, _N_FFT = STFT.hop_length, STFT.n_fft
_SPAN = (BLOCK - 1) * _HOP + _N_FFT  # Samples of the frames of a block.
_IN_BLOCK = StftConfig(n_fft=_N_FFT, hop_length=_HOP, center=False)


def spectrum(samples: np.ndarray) -> np.ndarray:
    """The STFT of `[samples]`, complex `[frames, bins]`."""
    return join_blocks(_analyse(_pad(samples)), STFT.num_frames(len(samples)))


def inverse(spectrum: np.ndarray, num_samples: int) -> np.ndarray:
    """The waveform `[samples]` whose STFT is nearest to complex `[frames, bins]`."""
    padded = _synthesise(split_blocks(spectrum), _window_sum(len(spectrum)), num_samples)
    return _without_padding(padded, num_samples)


def griffin_lim(
    target: np.ndarray, start: np.ndarray, num_samples: int, num_iterations: int, momentum: float
) -> np.ndarray:
    """Waveform `[samples]` whose STFT magnitude approaches `target`, see `phase.griffin_lim`.

    Args:
      target: magnitudes, `[frames, bins]`.
      start: initial phases as complex numbers of magnitude 1, of the same shape.
      num_samples: length of the waveform.
      num_iterations: number of iterations.
      momentum: from 0 to 1, exclusive.
    """
    push, windows = momentum / (1 + momentum), _window_sum(len(target))
    targets, blocks, before = split_blocks(target), split_blocks(target * start), None
    for _ in range(num_iterations):
        padded = _synthesise(blocks, windows, num_samples)
        moved = padded if before is None else padded - np.float32(push) * before
        before = padded
        blocks = [
            _impose(magnitude, block)
            for magnitude, block in zip(targets, _analyse(moved), strict=True)
        ]
    return _without_padding(_synthesise(blocks, windows, num_samples), num_samples)


def _pad(samples: np.ndarray) -> np.ndarray:
    """Samples with zeros before and after, for whole blocks of frames."""
    after = _padded_length(STFT.num_frames(len(samples))) - STFT.padding - len(samples)
    return np.pad(samples.astype(np.float32), (STFT.padding, after))


def _padded_length(num_frames: int) -> int:
    return (-(-num_frames // BLOCK) - 1) * BLOCK * _HOP + _SPAN


def _without_padding(padded: np.ndarray, num_samples: int) -> np.ndarray:
    return padded[STFT.padding :][:num_samples]


def _window_sum(num_frames: int) -> np.ndarray:
    """What overlapping frames are divided by, 1 after the last of them, of the padded length."""
    total = window_sum(STFT, num_frames)
    total = np.pad(total, (0, _padded_length(num_frames) - len(total)))
    return np.where(total > np.finfo(np.float32).tiny, total, np.float32(1))


def _analyse(padded: np.ndarray) -> list[jax.Array]:
    """Spectra of the blocks of padded samples, `[128, bins]` each."""
    starts = range(0, len(padded) - _SPAN + 1, BLOCK * _HOP)
    return [stft(padded[start:][:_SPAN], _IN_BLOCK) for start in starts]


def _synthesise(blocks: Sequence[jax.Array], windows: np.ndarray, num_samples: int) -> np.ndarray:
    """Padded samples of the blocks, zero before and after the waveform."""
    padded = np.zeros_like(windows)
    for index, samples in enumerate([_overlap(block) for block in blocks]):
        padded[index * BLOCK * _HOP :][:_SPAN] += samples
    padded /= windows
    padded[: STFT.padding] = padded[STFT.padding + num_samples :] = 0
    return padded


@jax.jit
def _overlap(block: jax.Array) -> jax.Array:
    """Overlapping frames of a block, windowed and summed, `[samples]`."""
    return overlap_add(jnp.fft.irfft(block, n=_N_FFT) * STFT.window_values(), _HOP)


@jax.jit
def _impose(magnitude: jax.Array, spectrum: jax.Array) -> jax.Array:
    """Magnitudes with the phase of a spectrum, 0 where the spectrum is 0."""
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return magnitude * spectrum * jax.lax.rsqrt(jnp.maximum(power, 1e-30))
