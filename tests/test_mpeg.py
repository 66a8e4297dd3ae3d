"""MPEG audio: with and without stated lengths, tags, cut short and joined."""

import struct

import numpy as np
import pytest
from encoding import ID3V1, encode, id3, load_bytes, sound

from research.audio.mpeg import mpeg_recordings
from research.errors import InputError

KBPS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
NOISE = np.random.default_rng(0).bytes(5000)


@pytest.fixture
def load(tmp_path):
    """Loads bytes as a file of any name."""
    return lambda data, name="audio.mp3": load_bytes(tmp_path / name, data)


def mp3(seconds: float, mode: str = "VARIABLE", rate: int = 44100, num_channels: int = 1) -> bytes:
    samples = sound(seconds, rate, num_channels)
    return encode(samples, "MP3", rate, bitrate_mode=mode, compression_level=0.5)


def split(data: bytes) -> list[bytes]:
    """The frames of a file of layer III without tags."""
    frames, place = [], 0
    while place < len(data):
        assert data[place] == 0xFF and data[place + 1] >> 5 == 7 and data[place + 1] >> 1 & 3 == 1
        version = data[place + 1] >> 3 & 3
        rate = (44100, 48000, 32000)[data[place + 2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
        kind = 1 if version == 3 else 2
        kbps = KBPS[kind][data[place + 2] >> 4]
        size = {1: 144000, 2: 72000}[kind] * kbps // rate + (data[place + 2] >> 1 & 1)
        frames.append(data[place : place + size])
        place += size
    return frames


def bare(data: bytes) -> bytes:
    """The same without the first frame, which states the length."""
    first, *rest = split(data)
    assert b"Xing" in first or b"Info" in first
    return b"".join(rest)


def picture(size: int) -> bytes:
    """An ID3v2 tag of a picture, that may look like MPEG audio here and there."""
    frames = (b"\xff\xfb\x90\x64" + bytes(413)) * (size // 834)
    return id3(size, b"APIC" + struct.pack(">I", size - 10) + bytes(2) + frames + NOISE)


def ape(header: bool) -> bytes:
    """An APE tag that ends with a footer."""

    def mark(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII8x", 2000, 532, 3, flags)

    return mark(0xA0000000) * header + NOISE[:500] + mark(0x80000000 * header)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize(("rate", "num_channels"), [(44100, 2), (22050, 1), (8000, 1)])
def test_tags_and_names_change_nothing(load, mode, rate, num_channels):
    data = mp3(2, mode, rate, num_channels)
    expected = load(data).samples
    assert expected.shape == (num_channels, 2 * rate)
    for tagged in (
        picture(100000) + data,
        id3(1000) + id3(30000) + data,
        id3(1000) + bytes(3000) + data,  # More zeros than the tag states.
        data + ID3V1,
        data + ape(header=True) + ID3V1,
        data + ape(header=False),
        data + b"LYRICSBEGININD0000200000037LYRICS200" + ID3V1,
        data + id3(500),
        data + bytes(5000),
    ):
        np.testing.assert_array_equal(load(tagged).samples, expected)
    for name in ("audio.wav", "audio.mpga", "AUDIO.MP3", "audio.raw", "audio"):
        np.testing.assert_array_equal(load(data, name).samples, expected)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("rate", [44100, 16000])
def test_a_length_that_is_not_stated_is_counted(load, mode, rate):
    data = bare(mp3(3, mode, rate))
    # Nothing says which samples are padding.
    for tagged in (data, picture(20000) + data + ape(header=True) + ID3V1):
        for name in ("audio.mp3", "audio.wav", "audio"):
            assert 3 <= load(tagged, name).seconds < 3.2
    assert 3 <= load(data + bytes(100000)).seconds < 3.2
    assert load(data[: len(data) // 2]).seconds == pytest.approx(1.5, abs=0.2)
    assert load(data[200:]).seconds == pytest.approx(3, abs=0.2)  # As a radio station is recorded.


def test_loud_parts_do_not_shorten_a_file_without_a_length(load):
    # A decoder estimates the length from the first frames, which are of the least bit rate here.
    samples = np.concatenate([np.zeros((22050, 1)), 4 * sound(3, 44100)])
    data = encode(samples, "MP3", 44100, bitrate_mode="VARIABLE", compression_level=0.5)
    assert len(split(data)[4]) <= len(split(data)[60]) / 2
    assert load(bare(data)).seconds == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("fraction", [0.5, 0.95])
@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
def test_fewer_frames_than_stated_are_cut_short(load, mode, fraction):
    data, other = mp3(3, mode), mp3(2, mode)
    cut = data[: int(fraction * len(data))]
    for tagged in (cut, picture(50000) + cut, cut + ID3V1):
        with pytest.raises(InputError, match=r"cut short: \d\.\d\d s of 3.0\d s"):
            load(tagged)
    for joined in (cut + other, other + cut):
        with pytest.raises(InputError, match=r"cut short: \d\.\d\d s of 5.0\d s"):
            load(joined)
    hole = cut[: len(cut) // 2] + bytes(len(data) - len(cut) // 2)
    with pytest.raises(InputError, match="cut short"):
        load(hole)


def vbri(data: bytes) -> bytes:
    """The same with the header of Fraunhofer's encoder instead of Xing's."""
    first, *frames = split(data)
    size = sum(map(len, frames)) + len(first)
    tag = b"VBRI" + struct.pack(">HHHIIHHHH", 1, 0, 75, size, len(frames), 0, 1, 2, 20)
    return (first[:4] + bytes(32) + tag).ljust(len(first), b"\0") + b"".join(frames)


def test_a_length_is_stated_in_several_ways(load):
    data = mp3(3)
    assert load(vbri(data)).seconds == pytest.approx(3.05, abs=0.05)
    with pytest.raises(InputError, match=r"cut short: 1.\d\d s of 3.0\d s"):
        load(vbri(data)[: len(data) // 2])
    place, num_frames = data.index(b"Xing") + 4, len(split(data)) - 1
    without = data[:place] + bytes(4) + data[place + 4 :]
    assert load(without).seconds == pytest.approx(3.05, abs=0.05)
    # Some programs count the frame that holds the number.
    counted = data[: place + 4] + struct.pack(">I", num_frames + 1) + data[place + 8 :]
    assert load(counted).seconds == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("modes", [("VARIABLE", "VARIABLE"), ("CONSTANT", "VARIABLE")])
def test_joined_files_are_read_whole(load, modes):
    first, second = mp3(3, modes[0]), mp3(2, modes[1])
    expected = np.concatenate([load(first).samples, load(second).samples], axis=1)
    assert expected.shape == (1, 5 * 44100)
    tagged = picture(9000) + first + ID3V1 + picture(20000) + second + ape(header=True) + ID3V1
    for data in (first + second, tagged):
        np.testing.assert_array_equal(load(data).samples, expected)
    for data in (bare(first) + second, first + bare(second), bare(first) + bare(second)):
        assert load(data).seconds == pytest.approx(5.05, abs=0.06)


@pytest.mark.parametrize(
    ("second", "words"),
    [(mp3(1, rate=22050), "22050 Hz with 1 channel"), (mp3(1, num_channels=2), "2 channels")],
    ids=["rate", "channels"],
)
def test_joined_files_of_several_formats_are_refused(load, second, words):
    with pytest.raises(InputError, match=f"recordings of 44100 Hz with 1 channel and .*{words}"):
        load(mp3(1) + second)


def test_free_bit_rates_are_left_to_the_decoder(load):
    frames = [bytearray(frame) for frame in split(mp3(2, "CONSTANT"))[1:]]
    size = min(map(len, frames))
    for frame in frames:
        frame[2] &= 0x0D  # No bit rate, no padding.
    data = b"".join(frame[:size] for frame in frames)
    assert mpeg_recordings(data, 0) == []
    assert load(data).seconds == pytest.approx(2.05, abs=0.06)


@pytest.mark.parametrize(
    "data",
    [
        NOISE * 10,
        b"\xff" * 50000,
        b"\xff\xfb\x90\x64" * 2000,
        b"words, words\n" * 4000,
        bytes(50000),
    ],
    ids=["noise", "ones", "headers", "text", "zeros"],
)
@pytest.mark.parametrize("name", ["audio.mp3", "audio.au", "audio.raw", "audio.vox", "audio"])
def test_what_is_no_audio_is_none_under_any_name(load, data, name):
    with pytest.raises(InputError, match=f"{name} cannot be read as audio"):
        load(data, name)
