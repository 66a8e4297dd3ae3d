"""Spectrograms of audio, `log(1 + |STFT|)`."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, log_magnitude
from research.audio.waveform import Waveform
from research.data.front_ends.base import AudioFrontEnd
from research.data.front_ends.blocks import transform_blocks
from research.settings import between


@dataclasses.dataclass(frozen=True)
class SpectrogramConfig(AudioFrontEnd):
    """`log(1 + |STFT|)` of the mean of the channels; levels are not normalised.

    Attributes:
      sample_rate: to which audio is resampled, Hz.
      stft: the short-time Fourier transform.
    """

    name: ClassVar[str] = "stft"
    family: ClassVar[str] = "stft"
    invertible: ClassVar[bool] = True
    augmentations: ClassVar[tuple[str, ...]] = (
        "crop",
        "gain_db",
        "equaliser_db",
        "time_mask",
        "frequency_mask",
        "mixup",
    )

    sample_rate: int = between(22050, 1000, 384000)
    stft: StftConfig = StftConfig()

    @property
    def num_bins(self) -> int:
        """Frequencies from 0 to half the sample rate."""
        return self.stft.num_bins

    @property
    def frame_seconds(self) -> float:
        """Hop, s."""
        return self.stft.hop_length / self.sample_rate

    @property
    def folder(self) -> str:
        """Sample rate, frame length and hop."""
        return f"{self.sample_rate}_{self.stft.n_fft}_{self.stft.hop_length}"

    def num_frames(self, seconds: float) -> int:
        """Frames of a waveform of this duration."""
        return max(self.stft.num_frames(round(seconds * self.sample_rate)), 0)

    def frames(self, waveform: Waveform) -> np.ndarray:
        """`log(1 + |STFT|)` of the mean of the channels, `[frames, bins]` float16.

        Raises:
          InputError: the waveform is shorter than a frame, or far above full scale.
        """
        return transform_blocks(waveform, self.sample_rate, self.stft, _log_magnitude)

    def amplify(self, frames: jax.Array, decibels: jax.Array) -> jax.Array:
        """`log(1 + gain |STFT|)`, `[..., frames, bins]`; decibels broadcast to it."""
        return jnp.log1p(jnp.expm1(frames) * 10 ** (decibels / 20))


@jax.jit(static_argnames="config")
def _log_magnitude(samples: jax.Array, *, config: StftConfig) -> jax.Array:
    return log_magnitude(samples, config).astype(jnp.float16)
