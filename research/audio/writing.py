"""Writing audio files, and whether one can be written."""

import dataclasses
import io
import os
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from research.audio.decoding import decode
from research.audio.media import READABLE
from research.audio.waveform import Waveform
from research.errors import InputError
from research.files import atomic_write, check_place

_SUBTYPES = {"WAV": "PCM_24", "FLAC": "PCM_24", "OGG": "VORBIS", "MP3": None, "AU": "PCM_24"}
_LOSSY = "OGG", "MP3"
_TAGGED = "WAV", "FLAC", "OGG", "MP3"
# The most channels and the highest sample rate in Hz. Above them, libvorbis ends the process.
_LIMITS = {"FLAC": (8, 655350), "OGG": (255, 200000), "MP3": (2, 48000)}
_ATTEMPTS = 5  # To keep the peak of a decoded lossy file at full scale.


def check_writable(path: str | os.PathLike, num_channels: int, sample_rate: int) -> None:
    """Check that an audio file can be written, before time is spent on computing it.

    Args:
      path: of the file.
      num_channels: that it will have.
      sample_rate: that it will have, Hz.

    Raises:
      InputError: the format is unknown or cannot hold such audio, the folder does not exist, or
        there is no permission.
    """
    import soundfile

    path = pathlib.Path(path)
    if not path.is_dir():
        kind = _find_format(path, num_channels, sample_rate)
        moment = Waveform(np.zeros((num_channels, 4096), np.float32), sample_rate)
        try:
            _encode(io.BytesIO(), kind, moment)
        except soundfile.SoundFileError as error:
            raise InputError(
                f"output {path}: {kind} cannot hold {num_channels} channels at {sample_rate} Hz; "
                "give the name of a WAV file"
            ) from error
    check_place(path)


def _find_format(path: pathlib.Path, num_channels: int, sample_rate: int) -> str:
    """The format of a name. Raises an InputError if it is none, or cannot hold such audio."""
    kind = path.suffix.removeprefix(".").upper()
    if kind not in _SUBTYPES:
        raise InputError(f"output {path}: unknown audio format {path.suffix!r}; give {READABLE}")
    most, highest = _LIMITS.get(kind, (num_channels, sample_rate))
    if num_channels > most or sample_rate > highest:
        raise InputError(
            f"output {path}: {kind} holds at most {most} channels and {highest} Hz, and these are "
            f"{num_channels} at {sample_rate} Hz; give the name of a WAV file"
        )
    return kind


def _encode(
    file: pathlib.Path | BinaryIO,
    kind: str,
    waveform: Waveform,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> None:
    import soundfile

    num_channels, subtype = len(waveform.samples), _SUBTYPES[kind]
    # The name of a file need not be Unicode, and soundfile takes bytes.
    place: Any = os.fsencode(file) if isinstance(file, pathlib.Path) else file
    with soundfile.SoundFile(
        place, "w", waveform.sample_rate, num_channels, format=kind, subtype=subtype
    ) as sound:
        for name, text in tags.items() if kind in _TAGGED else ():
            setattr(sound, name, text)
        # In blocks: libvorbis overflows its stack if it gets a minute at once.
        for start in range(0, waveform.samples.shape[1], 65536):
            sound.write(waveform.samples[:, start : start + 65536].T)


def save_waveform(
    path: str | os.PathLike,
    waveform: Waveform,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write an audio file atomically, in the format of its suffix.

    WAV, FLAC and AU get 24 bits per sample, Ogg is Vorbis. Lossy encoding changes peaks: if a
    decoded Ogg or MP3 file would exceed full scale, all of it is turned down by the difference.
    AU holds no tags.

    Raises:
      InputError: the format is unknown or cannot hold such audio, or the file cannot be written.
    """
    import soundfile

    path = pathlib.Path(path)
    kind = _find_format(path, len(waveform.samples), waveform.sample_rate)
    try:
        with atomic_write(path) as temporary:
            _encode(temporary, kind, waveform, tags)
            if kind in _LOSSY:
                _keep_below_full_scale(temporary, kind, waveform, tags)
    except soundfile.SoundFileError as error:
        raise InputError(f"output {path} cannot be written ({error})") from error


def _keep_below_full_scale(
    file: pathlib.Path, kind: str, waveform: Waveform, tags: Mapping[str, str]
) -> None:
    """Encode again, more quietly, until no decoded sample exceeds full scale."""
    gain = 1.0
    for _ in range(_ATTEMPTS):
        peak = float(np.abs(decode(file)[0]).max(initial=0))
        if peak <= 1:
            return
        gain *= 0.998 / peak
        quieter = dataclasses.replace(waveform, samples=waveform.samples * np.float32(gain))
        _encode(file, kind, quieter, tags)
