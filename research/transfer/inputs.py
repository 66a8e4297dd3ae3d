"""Content and style as samples at the rate, channels and level at which a transfer works."""

import numpy as np

from research.audio.levels import rms
from research.audio.waveform import Waveform, match_channels, resample, without_offset
from research.errors import InputError
from research.transfer.config import TransferConfig
from research.transfer.dynamics import find_sound
from research.transfer.representations import FINE

_SILENCE = 1e-7  # Root mean square. A recording of less is refused where it is read.


def content_samples(content: Waveform, config: TransferConfig) -> np.ndarray:
    """Samples of a content, `[channels, samples]`.

    Raises:
      InputError: the recording is silent, or too short for the config.
    """
    num_channels = 1 if config.mono else content.samples.shape[0]
    recording = resample(content, config.sample_rate)
    samples = match_channels(recording.samples, num_channels)
    return _check_length(_scale(samples, config, "content"), config, "content")


def mix_down(recording: Waveform, sample_rate: int) -> np.ndarray:
    """A recording at another sample rate, mixed down and without an offset, `[1, samples]`."""
    return match_channels(resample(without_offset(recording), sample_rate).samples, 1)


def style_samples(style: Waveform, config: TransferConfig) -> np.ndarray:
    """Samples of a style, `[1, samples]`: mixed down, without an offset and without its rests.

    Raises:
      InputError: the recording is silent, or too short for the config.
    """
    samples = mix_down(style, config.sample_rate)
    if config.keep_rests and samples.any():
        samples = samples[:, find_sound(samples / np.abs(samples).max())]
    return _check_length(_scale(samples, config, "style"), config, "style")


def _scale(samples: np.ndarray, config: TransferConfig, name: str) -> np.ndarray:
    level = rms(samples)
    if level < _SILENCE:
        raise InputError(f"{name} is silence below {config.sample_rate / 2:g} Hz; give another")
    return samples if config.rms is None else samples * np.float32(config.rms / level)


def _check_length(samples: np.ndarray, config: TransferConfig, name: str) -> np.ndarray:
    """The same samples, if there is a frame for every representation."""
    num_samples = samples.shape[-1]
    if config.needs_waveform and num_samples < FINE.n_fft:
        raise InputError(
            f"{name} has {num_samples} samples at {config.sample_rate} Hz, and a frame has "
            f"{FINE.n_fft}; give a longer one"
        )
    if config.needs_features and config.features.num_filters:
        width, frames = max(config.features.widths), config.stft.num_frames(num_samples)
        if frames < width:
            raise InputError(
                f"{name} has {max(frames, 0)} frames of {config.stft.hop_length} samples; a filter "
                f"of config.features.widths spans {width}"
            )
    return samples
