"""Sound of the files that libsndfile does not read, such as M4A, WMA, WebM and video, by PyAV.

PyAV brings FFmpeg's libraries with it. It is optional.
"""

import pathlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from research.errors import InputError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

READABLE = "WAV, FLAC, Ogg, MP3 or AU"
"""The formats that messages suggest."""
# How files of MPEG-4, Matroska and WebM, ASF, AVI, FLV, ADTS, Musepack, APE, WavPack, True Audio,
# AMR, RealMedia, MPEG streams, AC-3 and DTS begin.
_START = re.compile(
    rb"....(ftyp|moov|mdat|wide|free|skip)|\x1a\x45\xdf\xa3|\x30\x26\xb2\x75|RIFF....AVI |FLV\x01|"
    rb"\xff[\xf0\xf1\xf8\xf9]|MPCK|MP\+|MAC |wvpk|TTA[12]|#!AMR|\.RMF|\x00\x00\x01[\xba\xb3]|"
    rb"\x0b\x77|\x7f\xfe\x80\x01",
    re.DOTALL,
)
_EBML = b"\x1a\x45\xdf\xa3"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # The file's size is in it.
_EXACT = {"mov,mp4,m4a,3gp,3g2,mj2"}  # Containers that state the length of each stream exactly.
_TOLERANCE = 0.25  # Seconds. Encoders round to their frames.


def is_media(path: pathlib.Path) -> bool:
    """Whether a file begins as those do that PyAV reads and libsndfile does not."""
    with path.open("rb") as file:
        return _START.match(file.read(16)) is not None


def _stated_size(path: pathlib.Path) -> int:
    """The least size of a file, bytes, by what its header says; 0 if it says nothing."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if head.startswith(b"RIFF"):
        return 8 + int.from_bytes(head[4:8], "little")
    properties = head.find(_ASF_PROPERTIES)
    if properties >= 0:
        return int.from_bytes(head[properties + 40 : properties + 48], "little")
    if head.startswith(_EBML):
        begin, length = _ebml_element(head, 0)
        begin, length = _ebml_element(head, begin + (length or 0))
        return 0 if length is None else begin + length
    return 0


def _ebml_element(data: bytes, start: int) -> tuple[int, int | None]:
    """Where the content of an element of Matroska begins and its size; None if it is unknown."""
    start += _ebml_width(data, start)  # The identifier.
    width = _ebml_width(data, start)
    unknown = (1 << 7 * width) - 1
    size = int.from_bytes(data[start : start + width], "big") & unknown
    return start + width, None if size == unknown else size


def _ebml_width(data: bytes, start: int) -> int:
    """Bytes of a number, which begins with a zero bit for each byte after the first."""
    return 9 - data[start].bit_length() if start < len(data) else 1


def decode_media(path: pathlib.Path) -> tuple[np.ndarray, int]:
    """Samples `[channels, samples]` float32 of the sound of a file, and its sample rate in Hz.

    Of several tracks it is the one that players choose.

    Raises:
      InputError: PyAV is not installed, or the file has no sound, or is cut short or damaged.
    """
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise InputError(
            f"{path} is of a format that needs PyAV; pip install av, or give {READABLE}"
        ) from error
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            stream: Any = container.streams.best("audio")
            if stream is None:
                raise InputError(f"{path} has no sound; give a file with sound")
            promised = _promised_seconds(container, stream)
            samples, sample_rate, damage = _decode(container, stream)
    except (FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as audio ({error.strerror}); get a whole copy, or give another "
            "format"
        ) from error
    seconds = samples.shape[1] / sample_rate
    if damage or not seconds:
        raise InputError(
            f"{path} is cut short or damaged: no more than {seconds:.2f} s can be decoded{damage}; "
            "get a whole copy"
        )
    if promised is not None and seconds < promised - _TOLERANCE:
        raise InputError(
            f"{path} is cut short: {seconds:.2f} s of {promised:.2f} s can be decoded; get a whole "
            "copy"
        )
    size, stated = path.stat().st_size, _stated_size(path)
    if size < stated:
        raise InputError(
            f"{path} is cut short: it has {size} of {stated} bytes, {seconds:.2f} s; get a whole "
            "copy"
        )
    # The last frame of an encoder is filled up with silence.
    length = None if promised is None else round(promised * sample_rate)
    return np.ascontiguousarray(samples[:, :length]), sample_rate


def _promised_seconds(container: "InputContainer", stream: "AudioStream") -> float | None:
    """The length that is stated for a stream; None if it is not, or is an estimate."""
    if container.format.name not in _EXACT or not stream.duration or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)


def _decode(container: "InputContainer", stream: "AudioStream") -> tuple[np.ndarray, int, str]:
    """Samples, sample rate, and the reason in words if an error ended them."""
    import av
    from av.error import FFmpegError

    blocks, sample_rate, resampler, damage = [], 1, None, ""
    try:
        frames: Any = container.decode(stream)
        for frame in frames:
            if resampler is None:  # A stream may change its format, which the first frame fixes.
                sample_rate = frame.sample_rate
                resampler = av.AudioResampler("fltp", frame.layout, sample_rate)
            frame.pts = None
            blocks += [each.to_ndarray() for each in resampler.resample(frame)]
        if resampler is not None:
            blocks += [each.to_ndarray() for each in resampler.resample(None)]
    except FFmpegError as error:
        damage = f" ({error.strerror})"
    samples = np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0), np.float32)
    return samples, sample_rate, damage
