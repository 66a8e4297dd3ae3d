"""Levels: loudness and the limiter of peaks."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy import ndimage

from research.audio import levels
from research.audio.levels import PEAK_CEILING, limit_peaks, match_loudness, rms


def stereo(chord):
    """Two channels that differ."""
    return np.stack([chord, -0.5 * chord[::-1]])


@hypothesis.given(
    spikes=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 2999), st.floats(-50, 50)), max_size=20
    ),
    ceiling=st.sampled_from([0.95, 0.3]),
)
def test_limited_peaks_never_exceed_the_ceiling(spikes, ceiling):
    samples = np.random.default_rng(0).uniform(-0.25, 0.25, (2, 3000)).astype(np.float32)
    quiet = np.ones(3000, bool)
    for channel, place, height in spikes:
        samples[channel, place] = height
        quiet[max(place - 133, 0) : place + 133] = False  # 2 times 3 ms at 22050 Hz.
    limited = limit_peaks(samples, 22050, ceiling)
    assert limited.dtype == np.float32
    assert np.abs(limited).max() <= np.float32(ceiling)
    np.testing.assert_array_equal(limited[:, quiet], samples[:, quiet])


def test_quiet_audio_is_left_untouched(chord):
    np.testing.assert_array_equal(limit_peaks(chord[None], 22050), chord[None])


def test_limiter_turns_all_channels_down_alike_and_without_a_step():
    samples = np.stack([np.full(2000, 0.5), np.full(2000, 0.1)]).astype(np.float32)
    samples[0, 1000] = 9.5
    limited = limit_peaks(samples, 22050)
    gain = limited / samples
    np.testing.assert_allclose(gain[0], gain[1], rtol=1e-4)
    assert limited[0, 1000] == pytest.approx(0.95, rel=1e-5)
    assert gain[0, 1000] == pytest.approx(0.1, rel=1e-5)
    # From 1 to 0.1 in a ramp of 2 * 3 ms = 133 samples.
    assert np.abs(np.diff(gain)).max() < 1.05 * 0.9 / 133


@pytest.mark.parametrize("target", [0.001, 0.05, 0.15, 0.25])
def test_loudness_is_reached_under_the_ceiling(chord, target):
    samples = stereo(chord) / 3
    # At 0.25 the loudest sample would reach 2.4 without the limiter.
    result = match_loudness(samples, target, 22050)
    assert abs(20 * np.log10(rms(result) / target)) < 0.1
    assert np.abs(result).max() <= np.float32(PEAK_CEILING)


def test_loudness_out_of_reach_stays_under_the_ceiling(chord):
    with pytest.warns(UserWarning, match=r"RMS level is 0\.\d+ instead of 2, since peaks are"):
        result = match_loudness(stereo(chord), 2.0, 22050)
    assert np.isfinite(result).all()
    assert np.abs(result).max() <= np.float32(PEAK_CEILING)
    assert rms(result) > rms(stereo(chord))


def test_silence_stays_silent_at_any_loudness():
    np.testing.assert_array_equal(match_loudness(np.zeros((2, 99)), 0.1, 22050), np.zeros((2, 99)))


@pytest.mark.parametrize("target", [0.1, 0.25, 0.4, 0.5, 0.66])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_white_noise_reaches_its_loudness(target, num_channels):
    noise = np.random.default_rng(0).standard_normal((num_channels, 44100)).astype(np.float32)
    result = match_loudness(0.3 * noise, target, 22050)
    assert rms(result) == pytest.approx(target, rel=0.01)
    assert np.abs(result).max() <= np.float32(PEAK_CEILING)


def test_loudness_that_noise_cannot_have_is_told_with_what_it_reached():
    noise = np.random.default_rng(0).standard_normal((1, 22050)).astype(np.float32)
    noise[:, 11025:] = 0
    with pytest.warns(UserWarning, match=r"level is 0\.6\d+ instead of 0\.9, since .* to 0\.95$"):
        result = match_loudness(noise, 0.9, 22050)
    assert rms(result) > 0.95 * 0.95 * np.sqrt(0.5)


@pytest.mark.parametrize("block", [300, 1000, 2999, 3000, 1 << 20])
def test_blocks_are_limited_as_the_whole(monkeypatch, block):
    samples = (3 * np.random.default_rng(1).standard_normal((2, 3000)) ** 5).astype(np.float32)
    span = 2 * int(0.003 * 22050) + 1
    needed = 0.95 / np.maximum(np.abs(samples).max(axis=0).astype(np.float64), 0.95)
    gain = ndimage.uniform_filter1d(ndimage.minimum_filter1d(needed, span), span)
    monkeypatch.setattr(levels, "_BLOCK", block)
    kept = samples.copy()
    np.testing.assert_allclose(
        limit_peaks(samples, 22050), np.clip(samples * gain, -0.95, 0.95), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(samples, kept)
    assert rms(samples) == pytest.approx(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
