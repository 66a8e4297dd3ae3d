"""Rests by hand."""

import numpy as np
import pytest
from playing import SAMPLE_RATE, make_content, make_style

from research.judge.rests import HOP, filled_fraction, find_rests, frame_levels

NUM_FRAMES = 172


def sound(*silences):
    """172 frames of a tone with silences from frame to frame."""
    samples = np.sin(2 * np.pi * 440 / SAMPLE_RATE * np.arange(NUM_FRAMES * HOP))
    for first, end in silences:
        samples[first * HOP - HOP // 2 : end * HOP - HOP // 2] = 0
    return samples


@pytest.mark.parametrize("length", [512, 11000, 11025, 22050, 22272])
def test_as_many_frames_as_an_stft(length):
    assert frame_levels(np.ones(length)).shape == (1 + length // HOP,)


def test_levels_are_relative_to_the_loud_frames():
    samples = sound()
    samples[: len(samples) // 2] *= 0.1
    levels = frame_levels(5 * samples)
    assert levels[20] == pytest.approx(-20, abs=0.1) and levels[-20] == pytest.approx(0, abs=0.1)


def test_rests_last_at_least_thirteen_frames():
    rests = find_rests(sound((20, 33), (60, 72), (100, 140)))
    assert list(np.flatnonzero(rests)) == [*range(20, 33), *range(100, 140)]
    assert not find_rests(make_content()).any() and not find_rests(make_style()).any()


def test_a_recording_that_almost_only_rests_has_no_rests():
    assert not find_rests(sound((15, NUM_FRAMES + 1))).any()
    assert not find_rests(np.zeros(SAMPLE_RATE)).any()


def test_filled_fraction_by_hand():
    content = sound((100, 140))
    rests = find_rests(content)
    num_frames, counted = NUM_FRAMES + 1, 30  # Ten of the forty are for decays and attacks.
    assert filled_fraction(content, rests) == 0
    assert filled_fraction(0.01 * content, rests) == 0
    assert filled_fraction(sound(), rests) == pytest.approx(counted / num_frames, rel=0.02)
    soft = sound()
    soft[100 * HOP : 140 * HOP] *= 0.1  # Half-way to -40 dB.
    assert filled_fraction(soft, rests) == pytest.approx(counted / num_frames / 2, rel=0.05)
    decay = sound((108, 140))
    assert filled_fraction(decay, rests) == 0
