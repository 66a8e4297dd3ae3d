"""Audio in memory: reading it from a file, resampling, length, channels and offset.

Samples are float32 `[channels, samples]`, full scale 1.
"""

import dataclasses
import hashlib
import os
import pathlib
import warnings

import numpy as np

from research.audio.decoding import decode
from research.audio.levels import rms
from research.errors import InputError, about

MIN_SECONDS = 0.5
SAMPLE_RATES = 1000, 768000
"""The lowest and the highest sample rate in Hz."""
_LOUDEST = 100.0  # 40 dB above full scale. Integers as floats are far above it.
_QUIETEST = 1e-5  # 100 dB below full scale; rounding to 24 bits and its dither are below it.
_BLOCK = 1 << 15  # Samples.
_CANCELLED = 0.1  # Level of the mean of channels that cancel each other, relative to theirs.


@dataclasses.dataclass(frozen=True)
class Waveform:
    """Audio in memory.

    Attributes:
      samples: `[channels, samples]` float32, full scale 1.
      sample_rate: Hz.
    """

    samples: np.ndarray
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples.shape[-1] / self.sample_rate

    def digest(self, kind: str = "") -> str:
        """Hexadecimal hash of the samples, their number of channels, the sample rate and `kind`."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{kind}{self.sample_rate} Hz, {len(self.samples)} channels".encode())
        digest.update(np.ascontiguousarray(self.samples).data)
        return digest.hexdigest()


def load_waveform(path: str | os.PathLike) -> Waveform:
    """Read an audio file in any format that soundfile decodes, whatever its name.

    A file of several recordings, such as joined files or the stream of a radio station, is read as
    one, in order. A warning tells where channels cancel each other; see `match_channels`.

    Raises:
      InputError: the file is missing, not audio, cut short, shorter than 0.5 s or silent, or its
        sample rate or its samples are out of range.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory; give an audio file")
    if not path.exists():
        raise InputError(f"{path} does not exist; give an audio file")
    if not path.is_file():
        raise InputError(f"{path} is a pipe or a device; write it to a file, and give that")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); give an audio file")
    waveform = Waveform(*decode(path))
    with about(path):
        check_waveform(waveform)
    if _cancelling(waveform.samples) is not None:
        warnings.warn(
            f"{path}: its channels cancel each other; where they are mixed, the loudest is used",
            stacklevel=1,
        )
    return waveform


def check_waveform(waveform: Waveform) -> None:
    """Check that a waveform is a recording that can be used.

    Raises:
      InputError: it is shorter than 0.5 s or silent, or its sample rate or its samples are out of
        range.
    """
    samples, sample_rate = waveform.samples, waveform.sample_rate
    low, high = SAMPLE_RATES
    if not low <= sample_rate <= high:
        raise InputError(f"the sample rate is {sample_rate} Hz; give one from {low} to {high} Hz")
    if samples.shape[-1] < MIN_SECONDS * sample_rate:
        raise InputError(
            f"it lasts {samples.shape[-1] / sample_rate:.4g} s ({samples.shape[-1]} samples); "
            f"give at least {MIN_SECONDS} s"
        )
    invalid = np.count_nonzero(~np.isfinite(samples))
    if invalid:
        raise InputError(f"{invalid} samples are NaN or infinite; export it anew")
    check_peak(samples)
    # Without their offset, which is no sound.
    peak = (samples.max(axis=1) / 2 - samples.min(axis=1) / 2).max()
    if not samples.any():
        raise InputError("it is digital silence; give audio with sound in it")
    if peak < _QUIETEST:
        raise InputError(
            "it is silence, more than 100 dB below full scale; give audio with sound in it"
        )


def check_peak(samples: np.ndarray) -> None:
    """Check that no sample is above 100, full scale being 1.

    Samples of a float file may be somewhat above full scale. Far above it are those of files that
    hold integers as floats.

    Raises:
      InputError: a sample is above 100.
    """
    peak = max(samples.max(initial=0), -samples.min(initial=0))
    if not peak <= _LOUDEST:
        raise InputError(f"samples are far above full scale, up to {peak:.3g}; export it anew")


def resample(waveform: Waveform, sample_rate: int) -> Waveform:
    """Resample to another rate in Hz by soxr (quality HQ), to `ceil(seconds * rate)` samples.

    Raises:
      InputError: a rate is out of `SAMPLE_RATES`.
    """
    if waveform.sample_rate == sample_rate:
        return waveform
    low, high = SAMPLE_RATES
    for rate in (waveform.sample_rate, sample_rate):
        if not low <= rate <= high:  # soxr would end the process.
            raise InputError(f"the sample rate is {rate} Hz; give one from {low} to {high} Hz")
    import soxr

    length = -(-waveform.samples.shape[-1] * sample_rate // waveform.sample_rate)
    samples = soxr.resample(waveform.samples.T, waveform.sample_rate, sample_rate, quality="HQ").T
    return Waveform(fit_length(samples, length), sample_rate)


def fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Truncate `[channels, samples]` to `[channels, length]`, a view, or zero-pad the end."""
    samples = samples[..., :length]
    if samples.shape[-1] == length:
        return samples
    return np.pad(samples, [(0, 0), (0, length - samples.shape[-1])])


def match_channels(samples: np.ndarray, num_channels: int) -> np.ndarray:
    """Samples with `num_channels` channels: unchanged, or their mean repeated.

    Where the channels cancel each other, so that their mean is more than 20 dB quieter than they
    are, it is the loudest channel that is repeated. Offsets do not count.

    Args:
      samples: `[channels, samples]`.
      num_channels: number of channels of the result.
    """
    if samples.shape[0] == num_channels:
        return samples
    loudest = _cancelling(samples)
    mixed = samples.mean(axis=0, keepdims=True) if loudest is None else samples[[loudest]]
    return np.repeat(mixed, num_channels, axis=0)


def _cancelling(samples: np.ndarray) -> int | None:
    """The loudest of channels that cancel each other, None if they do not."""
    num_channels, length = samples.shape
    offset, covariance = samples.mean(axis=1, keepdims=True), np.zeros((num_channels, num_channels))
    for start in range(0, length if num_channels > 1 else 0, _BLOCK):
        block = samples[:, start : start + _BLOCK] - offset  # Fits into the cache of a processor.
        covariance += block @ block.T
    power, power_of_mean = np.diag(covariance), covariance.mean()
    return int(np.argmax(power)) if power_of_mean < _CANCELLED**2 * np.mean(power) else None


def _deviation(samples: np.ndarray, mean: float) -> float:
    """Standard deviation of `[samples]` of this mean."""
    return max(rms(samples) ** 2 - mean**2, 0.0) ** 0.5


def without_offset(waveform: Waveform) -> Waveform:
    """The same without the mean of each channel, where it is an offset (DC) of the recording.

    That is a mean of more than 0.3 % of the standard deviation (-50 dB), and more than a cut-off
    period of music leaves: 2 % divided by the duration in seconds, where a tone of 20 Hz leaves at
    most 1.1 %. Other channels, and all of less than 0.5 s, stay as they are, to the bit.
    """
    if waveform.seconds < MIN_SECONDS:
        return waveform
    samples = waveform.samples
    mean = samples.mean(axis=1, dtype=np.float64)
    limit = max(0.003, 0.02 / waveform.seconds)
    suspects = np.flatnonzero(mean)
    is_offset = np.zeros(len(mean), bool)
    is_offset[suspects] = [
        abs(mean[channel]) > limit * _deviation(samples[channel], mean[channel])
        for channel in suspects
    ]
    if not is_offset.any():
        return waveform
    return dataclasses.replace(
        waveform, samples=samples - np.where(is_offset, mean, 0)[:, None].astype(np.float32)
    )
