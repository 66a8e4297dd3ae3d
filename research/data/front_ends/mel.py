"""Log-mel spectrograms of audio, as GTZAN's images show them.

A published image has 128 mel bands and 334 columns for 30 s. The columns are 334 of the 1293 frames
of an STFT of 2048 samples, and the brightest point may be in a frame that is not shown. The same
frames are taken here, two more at the start.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, magnitude, mel_filterbank, stft
from research.audio.waveform import Waveform
from research.data.front_ends.base import AudioFrontEnd
from research.data.front_ends.blocks import transform_blocks
from research.data.front_ends.decibels import (
    HOP_LENGTH,
    NUM_BANDS,
    RANGE_DB,
    SAMPLE_RATE,
    STEP,
    DecibelFrames,
)
from research.products import matmul

_STFT = StftConfig(n_fft=2048, hop_length=HOP_LENGTH)
_TINY = np.finfo(np.float32).tiny
# Raise it when frames are computed in another way: all are computed again.
_VERSION = 2


@dataclasses.dataclass(frozen=True)
class MelConfig(DecibelFrames, AudioFrontEnd):
    """Log-mel frames of audio, `[frames, 128]` from 0 to 1."""

    name: ClassVar[str] = "mel"

    @property
    def folder(self) -> str:
        """Name and version."""
        return f"mel_{_VERSION}"

    def frames(self, waveform: Waveform) -> np.ndarray:
        """`max(1 + 10 log10(power / maximum) / 40, 0)` of the mean of the channels.

        The power is that of 128 mel bands in about every fourth frame, and the maximum is over all
        frames; `[frames, 128]`, float16. Silence is 0.

        Raises:
          InputError: the samples are far above full scale.
        """
        power = transform_blocks(waveform, SAMPLE_RATE, _STFT, _mel_power)
        loudest = max(power.max(), _TINY)
        shown = np.floor(STEP * np.arange(np.ceil(len(power) / STEP))).astype(int)
        decibels = 10 * np.log10(np.maximum(power[shown] / loudest, _TINY))
        return np.maximum(1 + decibels / RANGE_DB, 0).astype(np.float16)


@jax.jit(static_argnames="config")
def _mel_power(samples: jax.Array, *, config: StftConfig) -> jax.Array:
    filters = mel_filterbank(SAMPLE_RATE, config.n_fft, NUM_BANDS)
    return matmul(jnp.square(magnitude(stft(samples, config))), filters)
