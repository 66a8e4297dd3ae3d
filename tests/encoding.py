"""Audio files as bytes, what programs and transmissions make of them, and what is asserted."""

import io
import pathlib
import struct

import numpy as np
import pytest
import soundfile

from research.audio.waveform import Waveform, load_waveform

RATE = 22050


def sound(seconds: float, rate: int = RATE, num_channels: int = 1, seed: int = 0) -> np.ndarray:
    """A gliding tone with noise, `[samples, channels]`."""
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.2 * np.sin(2 * np.pi * (220 + 50 * np.sin(time) + 30 * seed) * time)
    noise = 0.02 * np.random.default_rng(seed).standard_normal(time.size)
    return np.outer(tone + noise, 1 - 0.3 * np.arange(num_channels))


def stereo(chord: np.ndarray) -> np.ndarray:
    """Two channels that differ."""
    return np.stack([chord, -0.5 * chord[::-1]])


def assert_one_line_about(path: pathlib.Path, error: pytest.ExceptionInfo) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message


def encode(samples: np.ndarray, kind: str, rate: int = RATE, **options) -> bytes:
    """A file of a format of libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, **options)
    return file.getvalue()


def load_bytes(path: pathlib.Path, data: bytes) -> Waveform:
    """Bytes loaded as a file."""
    path.write_bytes(data)
    return load_waveform(path)


def with_number(data: bytes, place: int, layout: str, number: int) -> bytes:
    """The same with another number at a byte."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, place, number)
    return bytes(changed)


def id3(size: int, body: bytes = b"") -> bytes:
    """An ID3v2 tag of `size` bytes and a header of ten, its size in bytes of seven bits."""
    sizes = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + sizes + body.ljust(size, b"\0")


ID3V1 = b"TAG" + b"a" * 125
