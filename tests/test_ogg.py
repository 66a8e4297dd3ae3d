"""Ogg: cut short and chained streams."""

import numpy as np
import pytest
from encoding import ID3V1, encode, id3, load_bytes, sound

from research.errors import InputError


@pytest.fixture(scope="module", params=["VORBIS", "OPUS"])
def parts(request):
    """Three and two seconds."""
    return [
        encode(sound(seconds, 48000, seed=seconds), "OGG", 48000, subtype=request.param)
        for seconds in (3, 2)
    ]


@pytest.fixture
def load(tmp_path):
    """Loads bytes as a file."""
    return lambda data: load_bytes(tmp_path / "audio.ogg", data)


def test_a_chain_is_read_whole_in_its_order(load, parts):
    first, second = (load(part).samples for part in parts)
    chained = load(parts[0] + parts[1] + parts[0])
    np.testing.assert_array_equal(chained.samples, np.concatenate([first, second, first], axis=1))
    assert chained.seconds == pytest.approx(8, abs=1e-3)


@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_stream_without_its_last_page_is_cut_short(load, parts, fraction):
    first, second = (part[: int(fraction * len(part))] for part in parts)
    for data in (first, parts[0] + second, first + parts[1]):
        with pytest.raises(InputError, match=r"cut short.*: (no more than \d|nothing)"):
            load(data)


def test_holes_and_damaged_pages_are_told(load, parts):
    whole = parts[0]
    for place in (len(whole) // 5, len(whole) // 2):  # In the first page of audio and behind it.
        for data in (
            whole[:place] + bytes(2000) + whole[place + 2000 :],
            whole[:place] + whole[place + 2000 :],
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        ):
            for joined in (data, parts[1] + data, data + parts[1]):
                with pytest.raises(InputError, match=r"audio\.ogg is cut short"):
                    load(joined)


def test_what_surrounds_a_stream_is_left_out(load, parts):
    expected = load(parts[0]).samples
    for data in (id3(3000) + parts[0], parts[0] + ID3V1, parts[0] + bytes(3000)):
        np.testing.assert_array_equal(load(data).samples, expected)
    between = load(parts[1] + ID3V1 + parts[0])
    assert between.seconds == pytest.approx(5, abs=1e-3)


def test_chains_of_several_rates_are_refused(load):
    data = [encode(sound(1, rate), "OGG", rate, subtype="VORBIS") for rate in (22050, 44100)]
    with pytest.raises(InputError, match=r"holds recordings of 22050 Hz .* and 44100 Hz"):
        load(b"".join(data))


def test_a_stream_whose_first_page_is_damaged_is_told(load, parts):
    for data in (parts[0][:30], parts[0].replace(b"OggS\0\x02", b"OggS\0\0", 1)):
        with pytest.raises(InputError, match=r"cannot be read as audio|cut short"):
            load(data)
