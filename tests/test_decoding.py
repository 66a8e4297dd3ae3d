"""Decoding of FLAC without a length, cut short and joined, and of files by their contents."""

import mmap
import os
import pathlib

import numpy as np
import pytest
from encoding import ID3V1, encode, id3, load_bytes, sound

from research.audio.waveform import load_waveform
from research.errors import InputError


@pytest.fixture
def load(tmp_path):
    """Loads bytes as a file of any name."""
    return lambda data, name="audio.flac": load_bytes(tmp_path / name, data)


def flac(seconds: float, states_length: bool = True, **options) -> bytes:
    data = bytearray(encode(sound(seconds), "FLAC", **options))
    if not states_length:  # The 36 bits of the total number of samples, in the first block.
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    return bytes(data)


@pytest.mark.parametrize("states_length", [True, False])
def test_flac_is_read_whole(load, states_length):
    expected = load(flac(3)).samples
    assert expected.shape == (1, 66150)
    data = flac(3, states_length)
    for tagged in (data, id3(5000) + data, data + ID3V1):
        np.testing.assert_array_equal(load(tagged).samples, expected)
    joined = load(data + flac(2) + data)
    np.testing.assert_array_equal(
        joined.samples, np.concatenate([expected, load(flac(2)).samples, expected], axis=1)
    )


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("states_length", [True, False])
def test_flac_that_ends_early_is_told(load, states_length, subtype):
    data = flac(3, states_length, subtype=subtype)
    middle, words = len(data) // 2, r"cut short or damaged: 1.\d\d s"
    words += " of 3.00 s can" if states_length else " can"
    for damaged in (
        data[:middle],
        data[:middle] + bytes(len(data) - middle),
        data[:middle] + bytes(3000) + data[middle + 3000 :],
        flac(2) + data[:middle],
    ):
        with pytest.raises(InputError, match=rf"audio\.flac is {words}"):
            load(damaged)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AU", "AIFF"])
@pytest.mark.parametrize("name", ["audio.mp3", "audio.wav", "audio.raw", "audio.vox", "audio"])
def test_names_say_nothing(load, kind, name):
    data = encode(sound(1), kind)
    np.testing.assert_array_equal(load(data, name).samples, load(data, "audio.bin").samples)


def test_a_name_that_is_not_unicode_is_read(tmp_path):
    plain = tmp_path / "plain.wav"
    plain.write_bytes(encode(sound(1), "WAV"))
    expected = load_waveform(plain).samples
    path = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    plain.rename(path)
    np.testing.assert_array_equal(load_waveform(path).samples, expected)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_file_system_that_cannot_map_files_is_read(load, monkeypatch, kind):
    data = encode(sound(1), kind)
    expected = load(data).samples

    def refuse(*_, **__):
        raise OSError(19, "No such device")

    monkeypatch.setattr(mmap, "mmap", refuse)
    np.testing.assert_array_equal(load(data).samples, expected)
    np.testing.assert_array_equal(load(data + data).samples[:, : expected.shape[1]], expected)
