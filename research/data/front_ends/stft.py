"""Spectrograms of waveforms of any length: `log(1 + |STFT|)`, or any other function of frames."""

import abc
import dataclasses
import pathlib
from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, log_magnitude
from research.audio.waveform import Waveform, load_waveform, match_channels, resample
from research.errors import InputError
from research.settings import at_least

_BLOCK_FRAMES = 256


class WaveformFrames(abc.ABC):
    """What is seen of a waveform, whatever it is."""

    @abc.abstractmethod
    def frames(self, waveform: Waveform) -> np.ndarray:
        """What is seen, `[frames, bins]` float16.

        Raises:
          InputError: the waveform is shorter than a frame, or far above full scale.
        """

    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of the samples of a file, and what makes their frames.

        Raises:
          InputError: the file cannot be decoded.
        """
        waveform = load_waveform(file)
        return waveform.digest(), lambda: self.frames(waveform)


@dataclasses.dataclass(frozen=True)
class SpectrogramConfig(WaveformFrames):
    """What a classifier sees of a waveform: `log(1 + |STFT|)` of the mean of its channels.

    Attributes:
      name: of this way to see a track.
      dtype: of the frames.
      augmentations: that mean something to the frames, of `AugmentConfig`.
      sample_rate: to which audio is resampled, Hz.
      stft: the short-time Fourier transform.
    """

    name: ClassVar[str] = "stft"
    dtype: ClassVar[type] = np.float16
    augmentations: ClassVar[tuple[str, ...]] = (
        "crop",
        "gain_db",
        "equaliser_db",
        "time_mask",
        "frequency_mask",
        "mixup",
    )

    sample_rate: int = at_least(22050, 1000)
    stft: StftConfig = StftConfig()

    @property
    def num_bins(self) -> int:
        """Numbers a frame."""
        return self.stft.num_bins

    @property
    def frame_seconds(self) -> float:
        """From a frame to the next."""
        return self.stft.hop_length / self.sample_rate

    @property
    def folder(self) -> str:
        """What the folder of such spectrograms is called."""
        return f"{self.sample_rate}_{self.stft.n_fft}_{self.stft.hop_length}"

    def frames(self, waveform: Waveform) -> np.ndarray:
        """`log(1 + |STFT|)` of the mean of the channels, `[frames, bins]` float16.

        Raises:
          InputError: the waveform is shorter than a frame, or too loud for half precision.
        """
        return transform_blocks(waveform, self.sample_rate, self.stft, _log_magnitude)

    def amplify(self, frames: jax.Array, decibels: jax.Array) -> jax.Array:
        """Frames of what is so much louder, `[..., frames, bins]`; decibels broadcast to it."""
        return jnp.log1p(jnp.expm1(frames) * 10 ** (decibels / 20))

    def num_frames(self, seconds: float) -> int:
        """Frames of a waveform that lasts so long."""
        return max(self.stft.num_frames(round(seconds * self.sample_rate)), 0)


@jax.jit(static_argnames="config")
def _log_magnitude(samples: jax.Array, *, config: StftConfig) -> jax.Array:
    return log_magnitude(samples, config).astype(jnp.float16)


def transform_blocks(
    waveform: Waveform,
    sample_rate: int,
    stft: StftConfig,
    transform: Callable[..., jax.Array],
) -> np.ndarray:
    """What a function gives for all frames of the mean of the channels, `[frames, values]`.

    Computed block by block, so that one compiled program serves every length.

    Args:
      waveform: of any length and rate.
      sample_rate: to which it is resampled, Hz.
      stft: of the frames.
      transform: of samples `[samples]`, and of how they are framed as `config`; gives
        `[frames, values]`.

    Raises:
      InputError: the waveform is shorter than a frame, or what it gives is not finite.
    """
    mono = Waveform(match_channels(waveform.samples, 1), waveform.sample_rate)
    samples = resample(mono, sample_rate).samples[0]
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
    parts = [np.asarray(transform(block, config=uncentred)) for block in blocks]
    frames = np.concatenate(parts)[:num_frames]
    if not np.isfinite(frames).all():
        raise InputError("samples are far above full scale; export it anew")
    return frames
