"""Audio in memory and in files: reading, writing, resampling, channels, level and peak limiting.

Samples are float32 `[channels, samples]`, full scale 1.
"""

import dataclasses
import hashlib
import os
import pathlib
import sys
import threading

import numpy as np

from research.errors import InputError
from research.files import atomic_write, check_place

MIN_SECONDS = 0.5
PEAK_CEILING = 0.95
_KNOWN_FORMATS = "WAV, FLAC, Ogg, MP3 or AU"
_SUBTYPES = {"WAV": "PCM_24", "FLAC": "PCM_24", "OGG": "VORBIS", "MP3": None, "AU": "PCM_24"}


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
        digest.update(self.samples.data)
        return digest.hexdigest()


def load_waveform(path: str | os.PathLike) -> Waveform:
    """Read an audio file in any format that soundfile decodes.

    Raises:
      InputError: the file is missing, not audio, truncated, shorter than 0.5 s or digital silence,
        or has samples that are not finite.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory; give an audio file")
    if not path.exists():
        raise InputError(f"{path} does not exist; give an audio file")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); give an audio file")
    samples, sample_rate = _decode(path)
    if samples.shape[-1] < MIN_SECONDS * sample_rate:
        raise InputError(
            f"{path} lasts {samples.shape[-1] / sample_rate:.4g} s ({samples.shape[-1]} samples); "
            f"give at least {MIN_SECONDS} s"
        )
    invalid = np.count_nonzero(~np.isfinite(samples))
    if invalid:
        raise InputError(f"{path} holds {invalid} samples that are NaN or infinite; export it anew")
    if not samples.any():
        raise InputError(f"{path} is digital silence; give audio with sound in it")
    return Waveform(samples, sample_rate)


def _decode(path: pathlib.Path) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        with _quiet_decoder, soundfile.SoundFile(path) as file:
            promised, sample_rate = file.frames, file.samplerate
            samples = file.read(dtype="float32", always_2d=True)
    except MemoryError as error:
        raise InputError(
            f"{path} claims a length that does not fit into memory; get a whole copy"
        ) from error
    except (soundfile.SoundFileError, OSError, UnicodeError) as error:
        reason = str(error).removeprefix(f"Error opening {str(path)!r}: ").rstrip(".")
        raise InputError(
            f"{path} cannot be read as audio ({reason}); give {_KNOWN_FORMATS}"
        ) from error
    if len(samples) < promised and _states_its_length(path):
        raise InputError(
            f"{path} is cut short: {len(samples) / sample_rate:.2f} s of "
            f"{promised / sample_rate:.2f} s can be decoded; get a whole copy"
        )
    return np.ascontiguousarray(samples.T), sample_rate


def _states_its_length(path: pathlib.Path) -> bool:
    """True if the header states the length. Without a Xing tag, that of an MP3 is estimated."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # The size of the tag is four bytes of seven bits.
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            file.seek(size, os.SEEK_CUR)
        tags = head + file.read(4096)
    return path.suffix.lower() != ".mp3" or b"Xing" in tags or b"Info" in tags


class _QuietDecoder:
    """Hides the warnings that the MP3 decoder, which is C code, writes to stderr.

    All threads share stderr: the first one that decodes redirects it, the last one restores it.
    """

    def __init__(self):
        self._lock, self._inside, self._saved = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                sys.stderr.flush()
                self._saved = os.dup(2)
                with open(os.devnull, "wb") as sink:
                    os.dup2(sink.fileno(), 2)

    def __exit__(self, *_) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                os.dup2(self._saved, 2)
                os.close(self._saved)


_quiet_decoder = _QuietDecoder()


def resample(waveform: Waveform, sample_rate: int) -> Waveform:
    """Resample to another rate in Hz by soxr (quality HQ), to `ceil(seconds * rate)` samples."""
    if waveform.sample_rate == sample_rate:
        return waveform
    import soxr

    length = -(-waveform.samples.shape[-1] * sample_rate // waveform.sample_rate)
    samples = soxr.resample(waveform.samples.T, waveform.sample_rate, sample_rate, quality="HQ").T
    return Waveform(fit_length(samples, length), sample_rate)


def fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Truncate or zero-pad `[channels, samples]` at the end to `[channels, length]`."""
    samples = samples[..., :length]
    return np.pad(samples, [(0, 0), (0, length - samples.shape[-1])])


def match_channels(samples: np.ndarray, num_channels: int) -> np.ndarray:
    """Samples with `num_channels` channels: unchanged, or their mean repeated.

    Args:
      samples: `[channels, samples]`.
      num_channels: number of channels of the result.
    """
    if samples.shape[0] == num_channels:
        return samples
    return np.repeat(samples.mean(axis=0, keepdims=True), num_channels, axis=0)


def rms(samples: np.ndarray) -> float:
    """Root mean square over all channels and samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def match_loudness(
    samples: np.ndarray, target_rms: float, sample_rate: int, ceiling: float = PEAK_CEILING
) -> np.ndarray:
    """Scale samples to an RMS level and limit peaks above `ceiling`.

    Limiting lowers the level, so gain and limiter alternate 8 times. Digital silence is unchanged.
    The result is quieter than the target if the limiter prevents it.

    Args:
      samples: `[channels, samples]`.
      target_rms: RMS level over all channels and samples.
      sample_rate: Hz.
      ceiling: largest absolute sample.
    """
    level = rms(samples)
    if level == 0.0:
        return samples
    for _ in range(8):
        samples = limit_peaks(samples * np.float32(target_rms / level), sample_rate, ceiling)
        level = rms(samples)
    return samples


def limit_peaks(
    samples: np.ndarray, sample_rate: int, ceiling: float = PEAK_CEILING, seconds: float = 0.003
) -> np.ndarray:
    """Limit absolute samples to `ceiling` by a smooth gain that the channels share.

    The gain is the one that each sample needs, then the minimum over `seconds` on either side,
    then the mean over the same span.

    Args:
      samples: `[channels, samples]`.
      sample_rate: Hz.
      ceiling: largest absolute sample.
      seconds: half the span of the smoothing.
    """
    from scipy import ndimage

    peaks = np.abs(samples).max(axis=0).astype(np.float64)
    if peaks.max() <= ceiling:
        return samples
    span = 2 * int(seconds * sample_rate) + 1
    needed = ndimage.minimum_filter1d(ceiling / np.maximum(peaks, ceiling), span)
    gain = ndimage.uniform_filter1d(needed, span)
    return np.clip(samples * gain, -ceiling, ceiling).astype(np.float32)


def check_writable(path: str | os.PathLike) -> None:
    """Check that an audio file can be written, before time is spent on computing it.

    Raises:
      InputError: the format is unknown, the folder does not exist, or there is no permission.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        _format_of(path)
    check_place(path)


def _format_of(path: pathlib.Path) -> str:
    name = path.suffix.removeprefix(".").upper()
    if name not in _SUBTYPES:
        raise InputError(
            f"output {path}: unknown audio format {path.suffix!r}; give {_KNOWN_FORMATS}"
        )
    return name


def save_waveform(path: str | os.PathLike, waveform: Waveform) -> None:
    """Write an audio file atomically, in the format of its suffix.

    WAV, FLAC and AU get 24 bits per sample, Ogg is Vorbis.

    Raises:
      InputError: the format is unknown, or the file cannot be written.
    """
    import soundfile

    path = pathlib.Path(path)
    kind = _format_of(path)
    num_channels = waveform.samples.shape[0]
    try:
        with (
            atomic_write(path) as temporary,
            soundfile.SoundFile(
                temporary,
                "w",
                waveform.sample_rate,
                num_channels,
                format=kind,
                subtype=_SUBTYPES[kind],
            ) as file,
        ):
            # In blocks: libvorbis overflows its stack if it gets a minute at once.
            for start in range(0, waveform.samples.shape[1], 65536):
                file.write(waveform.samples[:, start : start + 65536].T)
    except soundfile.SoundFileError as error:
        raise InputError(f"output {path} cannot be written ({error})") from error
