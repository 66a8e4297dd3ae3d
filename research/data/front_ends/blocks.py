"""Frames of a waveform of any length, computed block by block."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from research.audio.stft import StftConfig
from research.audio.waveform import (
    Waveform,
    check_peak,
    match_channels,
    resample,
    without_offset,
)
from research.errors import InputError

_BLOCK_FRAMES = 256


def transform_blocks(
    waveform: Waveform,
    sample_rate: int,
    stft: StftConfig,
    transform: Callable[..., jax.Array],
) -> np.ndarray:
    """Frames `[frames, bins]` that a function computes from the mean of the channels.

    An offset (DC) is removed before; see `match_channels` for channels that cancel each other.
    All blocks have the same length, so one compiled program serves every waveform.

    Args:
      waveform: of any length, rate and channels.
      sample_rate: to which it is resampled, Hz.
      stft: of the frames.
      transform: called with samples `[samples]` and with how they are framed as `config`; returns
        `[frames, bins]`.

    Raises:
      InputError: the waveform is shorter than a frame, or far above full scale.
    """
    check_peak(waveform.samples)
    mono = Waveform(match_channels(waveform.samples, 1), waveform.sample_rate)
    samples = resample(without_offset(mono), sample_rate).samples[0]
    num_frames = stft.num_frames(samples.size)
    if num_frames < 1:
        raise InputError(
            f"{samples.size} samples are less than one frame of {stft.n_fft}; give longer audio"
        )
    num_blocks = -(-num_frames // _BLOCK_FRAMES)
    span = (_BLOCK_FRAMES - 1) * stft.hop_length + stft.n_fft
    stride = _BLOCK_FRAMES * stft.hop_length
    padded = np.zeros((num_blocks - 1) * stride + span, np.float32)
    used = min(samples.size, padded.size - stft.padding)
    padded[stft.padding :][:used] = samples[:used]
    uncentred = dataclasses.replace(stft, center=False)
    blocks = (padded[block * stride :][:span] for block in range(num_blocks))
    transformed = [np.asarray(transform(block, config=uncentred)) for block in blocks]
    return np.concatenate(transformed)[:num_frames]
