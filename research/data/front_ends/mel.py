"""Log-mel spectrograms as GTZAN's pictures show them, of audio.

A published picture has 334 columns for 30 s, about every fourth frame of an STFT of 2048 samples,
and 128 mel bands. What is computed here for any audio looks the same to a network.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, magnitude, mel_filterbank, stft
from research.audio.waveform import Waveform
from research.data.front_ends.stft import WaveformFrames, transform_blocks

RANGE_DB = 40.0
_SAMPLE_RATE = 22050
# One frame in 90 ms, in samples; not the mean of several, which the pictures do not show either.
_STFT = StftConfig(n_fft=2048, hop_length=1980)
_TINY = np.finfo(np.float32).tiny
# Of how frames are computed; raise it when that changes, and what is kept is computed anew.
_VERSION = 1


class DecibelFrames:
    """Frames of 128 mel bands from 0, 40 dB below the loudest point of a track or less, to 1.

    Attributes:
      dtype: of the frames.
      augmentations: that mean something to the frames, of `AugmentConfig`.
      num_bins: mel bands (Slaney) up to 11 025 Hz.
      frame_seconds: from a frame to the next.
    """

    dtype: ClassVar[type] = np.float16
    augmentations: ClassVar[tuple[str, ...]] = (
        "crop",
        "gain_db",
        "equaliser_db",
        "shift",
        "time_mask",
        "frequency_mask",
        "mixup",
    )
    num_bins: ClassVar[int] = 128
    frame_seconds: ClassVar[float]

    def num_frames(self, seconds: float) -> int:
        """Frames of so many seconds."""
        return round(seconds / self.frame_seconds)

    def amplify(self, frames: jax.Array, decibels: jax.Array) -> jax.Array:
        """Frames of what is so much louder, `[..., frames, bins]`; decibels broadcast to it.

        What was cut off below stays so, for nobody knows how far below it was.
        """
        louder = jnp.clip(frames + decibels / RANGE_DB, 0.0, 1.0)
        return jnp.where(frames > 0.0, louder, 0.0)


@dataclasses.dataclass(frozen=True)
class MelConfig(WaveformFrames, DecibelFrames):
    """What a classifier of GTZAN's pictures sees of a waveform, `[frames, 128]` from 0 to 1.

    Attributes:
      name: of this way to see a track.
      folder: what the folder of such spectrograms is called.
    """

    name: ClassVar[str] = "mel"
    frame_seconds: ClassVar[float] = _STFT.hop_length / _SAMPLE_RATE
    folder: ClassVar[str] = f"mel_{_VERSION}"

    def frames(self, waveform: Waveform) -> np.ndarray:
        """`1 + (10 log10(power) - its maximum) / 40` of the mean of the channels, cut at 0.

        The power is that of 128 mel bands, `[frames, 128]` float16. Silence is 0.

        Raises:
          InputError: the samples are too loud for single precision.
        """
        power = transform_blocks(waveform, _SAMPLE_RATE, _STFT, _mel_power)
        loudest = max(power.max(), _TINY)
        decibels = 10 * np.log10(np.maximum(power / loudest, _TINY))
        return np.maximum(1 + decibels / RANGE_DB, 0).astype(np.float16)


@jax.jit(static_argnames="config")
def _mel_power(samples: jax.Array, *, config: StftConfig) -> jax.Array:
    filters = mel_filterbank(_SAMPLE_RATE, config.n_fft, MelConfig.num_bins)
    return jnp.square(magnitude(stft(samples, config))) @ filters
