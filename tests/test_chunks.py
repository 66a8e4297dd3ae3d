"""Containers that state the size of their audio: cut short, from a pipe, and joined."""

import struct

import numpy as np
import pytest
from encoding import ID3V1, RATE, encode, id3, load_bytes, sound, with_number

from research.errors import InputError

# Formats and subtypes of libsndfile.
KINDS = [
    *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM")),
    *(("AIFF", subtype) for subtype in ("PCM_16", "PCM_24", "DOUBLE", "IMA_ADPCM")),
    *(("CAF", subtype) for subtype in ("PCM_16", "FLOAT", "ALAC_16")),
    *((kind, "PCM_16") for kind in ("WAVEX", "RF64", "W64", "AU", "SVX", "NIST", "MAT4", "VOC")),
    ("NIST", "ULAW"),
]


@pytest.fixture
def load(tmp_path):
    """Loads bytes as a file of any name."""
    return lambda data, name="audio.bin": load_bytes(tmp_path / name, data)


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
def test_half_a_file_is_told_as_half(load, kind, subtype):
    whole = encode(sound(4), kind, subtype=subtype)
    assert load(whole).seconds == pytest.approx(4, abs=0.05)
    with pytest.raises(InputError, match=r"audio\.bin is cut short") as error:
        load(whole[: len(whole) // 2])
    if kind not in ("MAT4", "VOC"):  # Nothing says how much is missing.
        assert (
            "of 4.0 s" in str(error.value)
            or "of 3.9" in str(error.value)
            or "of 4." in str(error.value)
        )
    with pytest.raises(InputError, match="cut short"):
        load(whole[: -len(whole) // 50])


def test_a_header_without_audio_is_cut_short(load):
    whole = encode(sound(1), "WAV")
    with pytest.raises(InputError, match="cut short"):
        load(whole[:44])
    with pytest.raises(InputError, match="cannot be read as audio"):
        load(whole[:20])


def test_a_size_that_counts_the_header_is_complete(load):
    whole = encode(sound(1), "WAV")
    for size in (len(whole), len(whole) - 8):
        waveform = load(with_number(whole, 40, "<I", size))
        assert waveform.samples.shape == (1, RATE)


def streamed(kind: str, size: int) -> bytes:
    """A file whose sizes are what programs write that do not know them yet."""
    data = encode(sound(2), kind, subtype="PCM_16")
    if kind in ("WAV", "AIFF"):
        order, name = ("<I", b"data") if kind == "WAV" else (">I", b"SSND")
        data = with_number(data, 4, order, size)
        data = with_number(data, data.index(name) + 4, order, size)
        if kind == "AIFF":  # Frames.
            data = with_number(data, data.index(b"COMM") + 10, ">I", size)
    elif kind == "AU":
        data = with_number(data, 8, ">I", size)
    elif kind == "CAF":
        data = with_number(data, data.index(b"data") + 4, ">Q", size)
    else:
        for offset in (8, 16, 24):
            data = with_number(data, data.index(b"ds64") + offset, "<Q", size)
    return data


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *(("WAV", size) for size in (0, 0xFFFFFFFF, 0x7FFFF000, 0x80000024)),
        *((kind, size) for kind in ("AIFF", "AU") for size in (0, 0xFFFFFFFF)),
        *((kind, 2**64 - 1) for kind in ("CAF", "RF64")),
        ("RF64", 0),
    ],
)
def test_what_comes_from_a_pipe_is_read_as_far_as_it_goes(load, kind, size):
    data, expected = streamed(kind, size), load(encode(sound(2), kind, subtype="PCM_16"))
    samples = load(data).samples
    np.testing.assert_array_equal(samples[:, : 2 * RATE], expected.samples)
    assert samples.shape[1] - 2 * RATE < 2100  # CAF may end in other chunks.
    assert load(data[: len(data) // 2]).seconds == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "W64", "CAF", "RF64", "AU"])
def test_joined_files_are_read_whole(load, kind):
    parts = [encode(sound(seconds), kind, subtype="PCM_16") for seconds in (2, 1, 3)]
    waveform = load(b"".join(parts))
    expected = np.concatenate([load(part).samples for part in parts], axis=1)
    np.testing.assert_array_equal(waveform.samples, expected)
    with pytest.raises(InputError, match=r"cut short: (5.0|4.9)\d s of 6.00 s"):
        load(b"".join(parts)[: -len(parts[1]) + 500])


def test_a_file_behind_half_a_file_is_not_taken_for_its_audio(load):
    first, second = encode(sound(2), "WAV"), encode(sound(3), "WAV")
    with pytest.raises(InputError, match=r"cut short: 4.00 s of 5.00 s"):
        load(first[: len(first) // 2] + second)
    streamed = with_number(with_number(first, 4, "<I", 2**32 - 1), 40, "<I", 2**32 - 1)
    assert load(streamed + second).samples.shape == (1, 5 * RATE)


def test_joined_files_of_several_formats_are_refused(load):
    first = encode(sound(2), "WAV")
    for second, words in (
        (encode(sound(2, 44100), "WAV", 44100), "22050 Hz with 1 channel and 44100 Hz with 1 chan"),
        (encode(sound(2, num_channels=2), "WAV"), "with 1 channel and 22050 Hz with 2 channels"),
    ):
        with pytest.raises(InputError, match=f"audio.bin holds recordings of .*{words}"):
            load(first + second)


def test_other_chunks_and_tags_are_no_audio(load):
    plain = encode(sound(2), "WAV")
    text = (
        b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"
    )
    for data in (
        plain + text,
        plain[:36] + text + plain[36:],
        plain + bytes(5000),
        plain + ID3V1,
        id3(5000) + plain,
    ):
        np.testing.assert_array_equal(load(data).samples, load(plain).samples)
    with_text = plain[:36] + text + plain[36:]
    with pytest.raises(InputError, match=r"cut short: 1.00 s of 2.00 s"):
        load(with_text[: len(with_text) - RATE * 2])


def test_bw64_is_read_as_rf64(load):
    data = encode(sound(2), "RF64", subtype="PCM_24")
    np.testing.assert_array_equal(load(b"BW64" + data[4:]).samples, load(data).samples)
