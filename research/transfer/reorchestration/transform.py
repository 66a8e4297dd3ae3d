"""The STFT of all steps, its inverse and Griffin-Lim, block by block."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.phase import impose_phase
from research.audio.stft import StftConfig, overlap_add, stft, window_sum
from research.transfer.reorchestration.blocks import BLOCK, spans, split_blocks
from research.transfer.reorchestration.grid import STFT

_HOP, _N_FFT = STFT.hop_length, STFT.n_fft
_SPAN = (BLOCK - 1) * _HOP + _N_FFT  # Samples of the frames of a block.
_IN_BLOCK = StftConfig(n_fft=_N_FFT, hop_length=_HOP, center=False)
_AT_ONCE = 16  # Blocks.
MARGIN = 4
"""Frames beside a block that means over time need."""


def magnitudes(samples: np.ndarray) -> np.ndarray:
    """`|STFT|` of `[samples]`, `[frames, bins]`."""
    padded, num_frames = _pad(samples), STFT.num_frames(len(samples))
    found = np.empty((num_frames, STFT.num_bins), np.float32)
    for span in spans(num_frames):
        block = np.asarray(stft(padded[span.start * _HOP :][:_SPAN], _IN_BLOCK))
        found[span] = np.abs(block[: span.stop - span.start])
    return found


def spectrum_around(samples: np.ndarray, span: slice) -> np.ndarray:
    """The frames of a block and `MARGIN` frames on either side, `[frames + 2 MARGIN, bins]`.

    Args:
      samples: the whole piece, `[samples]`; outside of it are zeros.
      span: of the block, of `spans`.
    """
    first = (span.start - MARGIN) * _HOP - STFT.padding
    last = first + (BLOCK + 2 * MARGIN - 1) * _HOP + _N_FFT
    inside = samples[max(first, 0) : max(last, 0)]
    before = max(-first, 0)
    piece = np.pad(inside, (before, last - first - before - len(inside)))
    frames = np.asarray(stft(piece.astype(np.float32), _IN_BLOCK))
    return frames[: span.stop - span.start + 2 * MARGIN]


class Synthesis:
    """The inverse STFT of blocks that come one after the other.

    Args:
      num_samples: length of the waveform.
    """

    def __init__(self, num_samples: int):
        self._num_samples = num_samples
        self._windows = _window_sum(STFT.num_frames(num_samples))
        self._padded, self._start = np.zeros_like(self._windows), 0

    def add(self, block: jax.typing.ArrayLike) -> None:
        """Add the next frames, complex `[128, bins]`; fewer in the last block."""
        block = np.asarray(block)
        self.add_overlapped(_overlap(np.pad(block, [(0, BLOCK - len(block)), (0, 0)])))

    def add_overlapped(self, samples: jax.Array) -> None:
        """Add the next frames, which are already an `_overlap`."""
        self._padded[self._start :][:_SPAN] += samples
        self._start += BLOCK * _HOP

    def padded(self) -> np.ndarray:
        """Samples with the zeros before and after, once all blocks are added."""
        padded = self._padded / self._windows
        padded[: STFT.padding] = padded[STFT.padding + self._num_samples :] = 0
        return padded

    def samples(self) -> np.ndarray:
        """The waveform whose STFT is nearest to the blocks, `[samples]`."""
        return self.padded()[STFT.padding :][: self._num_samples]


def griffin_lim(
    target: np.ndarray, start: np.ndarray, num_iterations: int, momentum: float
) -> np.ndarray:
    """Waveform whose STFT magnitude approaches `target`, see `phase.griffin_lim`.

    Args:
      target: magnitudes, `[frames, bins]`.
      start: waveform with the initial phase, `[samples]`.
      num_iterations: number of iterations.
      momentum: from 0 to 1, exclusive.

    Returns:
      `[samples]`, as many as in `start`.
    """
    push, targets = np.float32(momentum / (1 + momentum)), split_blocks(target)
    moved, before = _pad(start), None
    for _ in range(num_iterations):
        padded = _impose_all(targets, moved, len(start)).padded()
        moved = padded if before is None else padded - push * before
        before = padded
    return _impose_all(targets, moved, len(start)).samples()


def _impose_all(targets: list[jax.Array], padded: np.ndarray, num_samples: int) -> Synthesis:
    """A waveform of the target magnitudes with the phases of another one."""
    synthesis = Synthesis(num_samples)
    # Some at a time, so that the device has work, and not all, which are large together.
    for first in range(0, len(targets), _AT_ONCE):
        blocks = [
            _overlap(
                impose_phase(
                    targets[index], stft(padded[index * BLOCK * _HOP :][:_SPAN], _IN_BLOCK)
                )
            )
            for index in range(first, min(first + _AT_ONCE, len(targets)))
        ]
        for block in blocks:
            synthesis.add_overlapped(block)
    return synthesis


def _pad(samples: np.ndarray) -> np.ndarray:
    """Samples with zeros before and after, for whole blocks of frames."""
    after = _padded_length(STFT.num_frames(len(samples))) - STFT.padding - len(samples)
    return np.pad(samples.astype(np.float32), (STFT.padding, after))


def _padded_length(num_frames: int) -> int:
    return (-(-num_frames // BLOCK) - 1) * BLOCK * _HOP + _SPAN


@functools.lru_cache(maxsize=1)
def _window_sum(num_frames: int) -> np.ndarray:
    """What overlapping frames are divided by, 1 after the last of them, of the padded length."""
    total = window_sum(STFT, num_frames)
    total = np.pad(total, (0, _padded_length(num_frames) - len(total)))
    return np.where(total > np.finfo(np.float32).tiny, total, np.float32(1))


@jax.jit
def _overlap(block: jax.Array) -> jax.Array:
    """Overlapping frames of a block, windowed and summed, `[samples]`."""
    return overlap_add(jnp.fft.irfft(block, n=_N_FFT) * STFT.window_values(), _HOP)
