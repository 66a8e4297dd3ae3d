"""Beats of clicks, whose times are known, and those that librosa finds in the shipped clips."""

import librosa
import numpy as np
import pytest
from conftest import CLIPS
from hypothesis import given
from hypothesis import strategies as st

from research.audio.waveform import load_waveform, resample
from research.report.beats import find_beats

# librosa.beat.beat_track(onset_envelope=onset_strength(y, 22050), sr=22050), librosa 0.11.
BY_LIBROSA = {
    "band": "63 84 104 125 145 166 187 207 227 248 268 289 309 330 351 371 392 412",
    "piano": "52 69 86 102 119 136 153 170 186 203 220 237 253 270 287 304 321 337 354",
}


def assert_inner_beats(found: np.ndarray, clicks: np.ndarray) -> None:
    """All clicks are beats, but for the first and the last, beyond which there is no evidence."""
    assert set(clicks[1:-1]) <= set(found)
    assert set(found[1:-1]) <= set(clicks)


@pytest.mark.parametrize("period", [15, 20, 33])
def test_beats_are_the_clicks(period):
    onsets = np.full(300, 0.01)
    clicks = np.arange(7, 300, period)
    onsets[clicks] = 1.0
    assert_inner_beats(find_beats(onsets, period), clicks)


def test_a_missing_click_is_bridged_and_one_off_the_beat_is_not_one():
    onsets = np.zeros(400)
    clicks = np.arange(10, 400, 20)
    onsets[clicks] = 1.0
    onsets[clicks[8]] = 0.0
    onsets[clicks[4] + 7] = 0.3
    assert_inner_beats(find_beats(onsets, 20), clicks)


def test_a_slow_change_of_tempo_is_followed():
    clicks = np.cumsum(np.linspace(20, 24, 30)).round().astype(int)
    onsets = np.zeros(clicks[-1] + 5)
    onsets[clicks] = 1.0
    assert_inner_beats(find_beats(onsets, 22), clicks)


@pytest.mark.parametrize("name", BY_LIBROSA)
def test_beats_of_music_are_those_of_librosa(name):
    waveform = resample(load_waveform(CLIPS / f"{name}.ogg"), 22050)
    samples = waveform.samples.mean(axis=0)
    onsets = librosa.onset.onset_strength(y=samples, sr=22050)
    tempo = librosa.feature.tempo(onset_envelope=onsets, sr=22050)[0]
    found = find_beats(onsets, round(60 * 22050 / (512 * tempo)))
    np.testing.assert_array_equal(found, [int(text) for text in BY_LIBROSA[name].split()])


@pytest.mark.parametrize("onsets", [np.zeros(0), np.ones(1), np.zeros(50), np.full(50, 3.0)])
def test_without_onsets_there_are_none(onsets):
    assert len(find_beats(onsets, 20)) == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 60))
def test_they_are_frames_in_order_at_any_tempo(seed, length, period):
    onsets = np.maximum(np.random.default_rng(seed).standard_normal(length), 0)
    beats = find_beats(onsets, period)
    assert np.all(np.diff(beats) > 0)
    assert np.all((beats >= 0) & (beats < length))
