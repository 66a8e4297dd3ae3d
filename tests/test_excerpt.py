"""The excerpt of a long recording, by numbers that are counted by hand."""

import numpy as np
import pytest

from research.audio.excerpt import find_middle, in_words, middle
from research.audio.waveform import Waveform


def ramp(seconds: float, rate: int = 1000) -> Waveform:
    return Waveform(np.arange(round(seconds * rate), dtype=np.float32)[None], rate)


@pytest.mark.parametrize("seconds", [0.5, 89.0, 90.0])
def test_a_short_recording_stays_whole(seconds):
    recording = ramp(seconds)
    assert middle(recording) is recording
    assert find_middle(seconds) is None and in_words(seconds) == ""


def test_a_long_recording_is_cut_on_both_sides_alike():
    found = middle(ramp(1200.0))
    assert found.seconds == 90.0
    assert (found.samples[0, 0], found.samples[0, -1]) == (555_000.0, 644_999.0)
    assert found.samples.base is None  # So that the whole is not kept in memory.
    assert find_middle(1200.0) == (555.0, 645.0)
    assert in_words(1200.0) == " (9:15 to 10:45)"


def test_an_excerpt_may_be_shorter():
    assert middle(ramp(20.0), 4.0).seconds == 4.0
    assert find_middle(20.0, 4.0) == (8.0, 12.0) and in_words(20.0, 4.0) == " (0:08 to 0:12)"


def test_recordings_of_one_length_are_cut_at_one_time():
    one, other = ramp(201.37, 22050), ramp(201.37, 44100)
    starts = [float(each.samples[0, 0]) / each.sample_rate for each in map(middle, (one, other))]
    assert abs(starts[0] - starts[1]) < 1 / 22050
