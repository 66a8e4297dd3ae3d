"""Ogg: cut short and chained streams."""

import numpy as np
import pytest
from encoding import ID3V1, encode, id3, sound

from research.audio.waveform import load_waveform
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

    def read(data: bytes):
        (tmp_path / "audio.ogg").write_bytes(data)
        return load_waveform(tmp_path / "audio.ogg")

    return read


def test_a_chain_is_read_whole_in_its_order(load, parts):
    first, second = (load(part).samples for part in parts)
    chained = load(parts[0] + parts[1] + parts[0])
    np.testing.assert_array_equal(chained.samples, np.concatenate([first, second, first], axis=1))
    assert chained.seconds == pytest.approx(8, abs=1e-3)


@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_stream_without_its_last_page_is_cut_short(load, parts, fraction):
    first, second = (part[: int(fraction * len(part))] for part in parts)
    for data in (first, parts[0] + second, first + parts[1]):
        with pytest.raises(InputError, match=r"audio\.ogg is cut short: (no more than \d|nothing)"):
            load(data)


def test_a_hole_is_cut_short(load, parts):
    whole, middle = parts[0], len(parts[0]) // 2
    for data in (
        whole[:middle] + bytes(9000) + whole[middle + 9000 :],
        whole[:middle] + whole[middle + 9000 :],
    ):
        with pytest.raises(InputError, match="cut short"):
            load(data)


def test_what_surrounds_a_stream_is_left_out(load, parts):
    expected = load(parts[0]).samples
    for data in (id3(3000) + parts[0], parts[0] + ID3V1, parts[0] + bytes(3000)):
        np.testing.assert_array_equal(load(data).samples, expected)


def test_chains_of_several_rates_are_refused(load):
    data = [encode(sound(1, rate), "OGG", rate, subtype="VORBIS") for rate in (22050, 44100)]
    with pytest.raises(InputError, match=r"holds recordings of 22050 Hz .* and 44100 Hz"):
        load(b"".join(data))
