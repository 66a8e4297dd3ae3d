"""Rests and slow dynamics of a recording.

Rests of a style are cut out before a transfer, since they would leave gaps in the output. Rests of
a content are filled with the quietest sound of the style by a transfer, and turned down after it.
"""

import numpy as np

from research.audio.levels import rms
from research.audio.spans import spans

_BLOCK = 512
_SPAN = 4096 * _BLOCK  # Samples in memory at a time.
_QUIET_DB = 45.0  # Below the loud blocks.
_LOUD_PERCENTILE = 95  # Level of the loud blocks.
_SHORTEST = 6  # Blocks of the shortest rest.
_MARGIN = 2  # Blocks at either end of a rest that count as sound.


def find_sound(samples: np.ndarray) -> np.ndarray:
    """True for samples that are in no rest, `[channels, samples]` to bool `[samples]`.

    A rest is at least 6 blocks of 512 samples that are more than 45 dB below the loud blocks,
    without 2 blocks at either end. If less than a tenth of the blocks is sound, all of them are.
    """
    level = _block_levels(samples)
    num_blocks = len(level)
    quiet = level < np.percentile(level, _LOUD_PERCENTILE) - _QUIET_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    sound = np.ones(num_blocks, bool)
    for start, end in edges.reshape(-1, 2):
        if end - start >= _SHORTEST:
            first = start + _MARGIN if start > 0 else 0
            last = end - _MARGIN if end < num_blocks else num_blocks
            sound[first:last] = False
    if sound.mean() < 0.1:
        sound[:] = True
    return np.repeat(sound, _BLOCK)[: samples.shape[-1]]


def _block_levels(samples: np.ndarray) -> np.ndarray:
    """Level of every block of 512 samples, dB; the last block is padded by zeros."""
    num_blocks = -(-samples.shape[-1] // _BLOCK)
    padded = np.pad(samples, ((0, 0), (0, num_blocks * _BLOCK - samples.shape[-1])))
    power = np.square(padded).reshape(len(samples), num_blocks, _BLOCK).mean(axis=(0, 2))
    return 10 * np.log10(power + 1e-12)


def quieten_rests(samples: np.ndarray, sound: np.ndarray, rest_db: float) -> np.ndarray:
    """Attenuate rests that are louder than `rest_db` below the loud blocks to that level.

    The gain is faded within the rest, over a block of 512 samples.

    Args:
      samples: `[channels, samples]`.
      sound: `find_sound` of the content, `[samples]`.
      rest_db: level of rests below the loud blocks, dB.
    """
    if sound.all():
        return samples
    wanted = np.percentile(_block_levels(samples), _LOUD_PERCENTILE) - rest_db
    gain = np.ones(samples.shape[1], np.float32)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~sound, [False]])))
    for start, end in edges.reshape(-1, 2):
        level = 20 * np.log10(rms(samples[:, start:end]) + 1e-6)
        distance = np.arange(end - start)
        to_edge = np.minimum(
            distance if start > 0 else _BLOCK,
            distance[::-1] if end < len(sound) else _BLOCK,
        )
        fade = 0.5 - 0.5 * np.cos(np.pi * np.minimum(to_edge / _BLOCK, 1.0))
        gain[start:end] = 10 ** (fade * min(wanted - level, 0.0) / 20)
    return samples * gain


def follow_dynamics(
    samples: np.ndarray,
    content: np.ndarray,
    amount: float,
    seconds: float,
    range_db: float,
    sample_rate: int,
) -> np.ndarray:
    """Give samples the slow dynamics of a content: its root mean square, smoothed by a Gaussian.

    Args:
      samples: `[channels, samples]`.
      content: `[channels, samples]`.
      amount: fraction of the difference in dB that is applied, 0 to 1.
      seconds: 2.5 standard deviations of the Gaussian; faster changes stay those of the samples.
      range_db: largest difference between the loudest and the quietest level, dB.
      sample_rate: Hz.
    """
    if amount == 0:
        return samples
    own, wanted = (
        _smooth_powers(recording, seconds, range_db, sample_rate)
        for recording in (samples, content)
    )
    centres, found = (np.arange(len(own)) + 0.5) * _BLOCK, np.empty(samples.shape, np.float32)
    for span in spans(samples.shape[-1], _SPAN):
        places = np.arange(span.start, span.stop)
        ratio = np.interp(places, centres, wanted) / np.interp(places, centres, own)
        found[:, span] = samples[:, span] * (ratio ** (amount / 2)).astype(np.float32)
    return found


def _smooth_powers(
    samples: np.ndarray, seconds: float, range_db: float, sample_rate: int
) -> np.ndarray:
    """Mean square of every block of 512 samples, smoothed over time, `[blocks]`."""
    from scipy.ndimage import gaussian_filter1d

    powers = []
    for span in spans(samples.shape[-1], _SPAN):
        part = samples[:, span]
        padded = np.pad(part, ((0, 0), (0, -part.shape[-1] % _BLOCK)), mode="edge")
        squares = np.square(padded, dtype=np.float64).reshape(len(samples), -1, _BLOCK)
        powers.append(squares.mean(axis=(0, 2)))
    sigma = seconds / 2.5 * sample_rate / _BLOCK
    smooth = gaussian_filter1d(np.concatenate(powers), sigma, mode="nearest")
    return np.maximum(smooth, 10 ** (-range_db / 10) * smooth.max() + 1e-20)
