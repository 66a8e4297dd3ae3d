"""Decoding audio files by libsndfile, with all recordings of a file and what is missing of it.

What libsndfile does not read is left to `research.audio.media`.
"""

import contextlib
import io
import mmap
import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from research.audio.containers import find_recordings
from research.audio.media import READABLE, decode_media, is_media
from research.audio.recording import Data, Recording
from research.errors import InputError

if TYPE_CHECKING:
    import soundfile

_BLOCK = 1 << 26  # Samples of all channels. Most files fit, and more is not reserved on trust.
_UNKNOWN_LENGTH = 1 << 62  # Lengths from here on are placeholders.


class _Decoded(NamedTuple):
    """One recording.

    Attributes:
      blocks: at least one, `[channels, samples]` each.
      sample_rate: Hz.
      missing: samples that are promised and not there; None if nothing says how many.
    """

    blocks: list[np.ndarray]
    sample_rate: int
    missing: int | None

    @property
    def format(self) -> str:
        """Sample rate and number of channels in words."""
        count = len(self.blocks[0])
        return f"{self.sample_rate} Hz with {count} channel{'s' if count > 1 else ''}"


def decode(path: pathlib.Path) -> tuple[np.ndarray, int]:
    """Samples `[channels, samples]` float32 of all recordings in a file, and the sample rate in Hz.

    Raises:
      InputError: the file is not audio or cut short, or holds recordings of several formats; see
        `decode_media`.
    """
    import soundfile

    try:
        with _contents(path) as data:
            recordings = find_recordings(data)
            with _quiet_decoder:
                decoded = [_decode_one(path, data, recording) for recording in recordings]
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory; give a shorter file") from error
    except (soundfile.SoundFileError, OSError, UnicodeError) as error:
        if isinstance(error, soundfile.SoundFileError) and is_media(path):
            return decode_media(path)
        raise InputError(
            f"{path} cannot be read as audio ({_reason(error)}); give {READABLE}"
        ) from error
    formats = list(dict.fromkeys(one.format for one in decoded))
    if len(formats) > 1:
        raise InputError(f"{path} holds recordings of {' and '.join(formats)}; split it into files")
    sample_rate, blocks = decoded[0].sample_rate, [each for one in decoded for each in one.blocks]
    length, missing = sum(block.shape[1] for block in blocks), [one.missing for one in decoded]
    if None in missing:
        raise InputError(
            f"{path} is cut short or damaged: no more than {length / sample_rate:.2f} s can be "
            "decoded; get a whole copy"
        )
    if any(missing):
        promised = length + sum(count or 0 for count in missing)
        raise InputError(
            f"{path} is cut short: {length / sample_rate:.2f} s of {promised / sample_rate:.2f} s "
            "can be decoded; get a whole copy"
        )
    joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    return np.ascontiguousarray(joined), sample_rate


@contextlib.contextmanager
def _contents(path: pathlib.Path) -> Iterator[Data]:
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # Not every file system can.
            yield file.read()
        else:
            with data:
                yield data


def _decode_one(path: pathlib.Path, data: Data, recording: Recording) -> _Decoded:
    import soundfile

    try:
        with _open(path, data, recording) as file:
            if file.frames >= (recording.num_samples or 0):
                return _read(file, recording.held)
        with _open(path, data, recording, recording.length_frame) as file:
            return _read(file, recording.held)
    except soundfile.SoundFileError as error:
        found = _find_damage(path, data, recording)
        if recording.held == 1 and not found:
            raise
        what, reason = "cut short", ""
        if recording.held == 1:
            what, reason = "cut short or damaged", f" ({_reason(error)})"
        raise InputError(
            f"{path} is {what}: {found or 'nothing of it'} can be decoded{reason}; get a whole copy"
        ) from error


def _find_damage(path: pathlib.Path, data: Data, recording: Recording) -> str:
    """How much can be decoded before an error, in words; nothing if the file cannot be opened."""
    import soundfile

    length = 0
    with contextlib.suppress(soundfile.SoundFileError), _open(path, data, recording) as file:
        file.seekable = lambda: False
        with contextlib.suppress(soundfile.SoundFileError):
            while count := len(file.read(4096, dtype="float32", always_2d=True)):
                length += count
        words = f"{length / file.samplerate:.2f} s"
        if file.frames < _UNKNOWN_LENGTH:
            words += f" of {file.frames / file.samplerate:.2f} s"
        return words
    return ""


@contextlib.contextmanager
def _open(
    path: pathlib.Path, data: Data, recording: Recording, length_frame: bytes = b""
) -> Iterator["soundfile.SoundFile"]:
    """Open a recording by its contents: the name of a file may say anything."""
    import soundfile

    if recording.is_file and not length_frame:
        with path.open("rb") as raw, soundfile.SoundFile(raw.fileno(), closefd=False) as file:
            yield file
    else:
        head = recording.head + length_frame
        joined = head + b"".join(data[start:end] for start, end in recording.spans)
        with soundfile.SoundFile(io.BytesIO(joined)) as file:
            yield file


def _read(file: "soundfile.SoundFile", held: float | None) -> _Decoded:
    """Decode to the end, whatever length is stated."""
    # After each block, soundfile would seek to its end, which fails without a true length.
    file.seekable = lambda: False
    size, blocks, length = max(_BLOCK // file.channels, 1), [], 0
    while not blocks or (blocks[-1].shape[1] == size and length < file.frames):
        count = min(size, file.frames - length)
        blocks.append(file.read(count, dtype="float32", always_2d=True).T)
        length += blocks[-1].shape[1]
    missing = max(file.frames - length, 0) if file.frames < _UNKNOWN_LENGTH else 0
    if not held or "truncated" in file.extra_info:
        missing = None
    elif held < 1:
        missing = max(missing, round(length / held) - length, 1)
    elif file.format == "MP3" or file.subtype.startswith("MPEG"):
        missing = 0  # The frames were counted, and the length is an estimate if it is not stated.
    return _Decoded(blocks, file.samplerate, missing)


def _reason(error: Exception) -> str:
    return getattr(error, "error_string", str(error)).rstrip(".").removeprefix("Error : ")


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
