"""Rests and slow dynamics, against levels known by construction."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from research.transfer import dynamics
from research.transfer.dynamics import find_sound, follow_dynamics, quieten_rests

RATE = 22050


def noise(seconds: float, level: float = 0.1, num_channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (num_channels, int(seconds * RATE))
    return (level * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def decibels(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20)


def with_rest(start: float, end: float, quiet_db: float, num_channels: int = 1) -> np.ndarray:
    """Three seconds of noise that fall to a level within."""
    samples = noise(3, num_channels=num_channels)
    samples[:, int(start * RATE) : int(end * RATE)] *= 10 ** (quiet_db / 20)
    return samples


def test_a_rest_in_the_middle_is_found_within_its_ends():
    sound = find_sound(with_rest(1.0, 2.0, -80))
    rest = np.flatnonzero(~sound) / RATE
    assert 1.0 < rest.min() < 1.0 + 4 * 512 / RATE
    assert 2.0 - 4 * 512 / RATE < rest.max() < 2.0
    assert len(rest) == pytest.approx((rest.max() - rest.min()) * RATE + 1, abs=0.01)


@pytest.mark.parametrize(("start", "end", "edge"), [(0.0, 1.0, 0), (2.0, 3.0, -1)])
def test_a_rest_at_an_end_reaches_to_the_end(start, end, edge):
    sound = find_sound(with_rest(start, end, -80))
    assert not sound[edge]
    assert sound[-1 - edge]
    assert (~sound).sum() / RATE == pytest.approx(1.0, abs=4 * 512 / RATE)


@pytest.mark.parametrize("level", [-40.0, -20.0])
def test_what_is_soft_is_no_rest(level):
    assert find_sound(with_rest(1.0, 2.0, level)).all()


def test_a_gap_of_a_tenth_of_a_second_is_no_rest():
    assert find_sound(with_rest(1.0, 1.1, -90)).all()
    assert not find_sound(with_rest(1.0, 1.3, -90)).all()


def test_a_rest_is_one_of_all_channels():
    samples = with_rest(1.0, 2.0, -80, num_channels=2)
    samples[1] = noise(3, seed=1)[0]
    assert find_sound(samples).all()


def test_a_piece_that_hardly_sounds_is_kept_whole():
    samples = noise(4, level=1e-6)
    samples[:, : RATE // 4] = noise(0.25)[:, : RATE // 4]
    assert find_sound(samples).all()


@given(length=st.integers(1, 5000))
def test_sound_has_the_length_of_the_piece(length):
    assert find_sound(np.ones((1, length), np.float32)).shape == (length,)
    assert find_sound(np.zeros((1, length), np.float32)).all()


def test_a_rest_goes_down_to_what_is_asked_and_the_rest_stays():
    samples, sound = noise(3, num_channels=2), find_sound(with_rest(1.0, 2.0, -80))
    quiet = quieten_rests(samples, sound, 24.0)
    np.testing.assert_array_equal(quiet[:, sound], samples[:, sound])
    # A block of the rest's own power, which varies by half a decibel from block to block.
    within = quiet[:, int(1.2 * RATE) : int(1.8 * RATE)]
    assert decibels(within) - decibels(quiet[:, : RATE // 2]) == pytest.approx(-24, abs=1.0)


def test_a_rest_that_is_quiet_already_stays_as_it_is():
    samples = with_rest(1.0, 2.0, -60)
    np.testing.assert_array_equal(quieten_rests(samples, find_sound(samples), 24.0), samples)
    everywhere = np.ones(samples.shape[1], bool)
    assert quieten_rests(samples, everywhere, 24.0) is samples


def test_a_rest_comes_and_goes_without_a_click():
    tone = np.sin(2 * np.pi * 100 * np.arange(3 * RATE) / RATE)[None].astype(np.float32)
    quiet = quieten_rests(tone, find_sound(with_rest(1.0, 2.0, -80)), 40.0)
    steepest = np.abs(np.diff(tone)).max()
    assert np.abs(np.diff(quiet)).max() < 1.05 * steepest
    at_the_start = quieten_rests(tone, find_sound(with_rest(0.0, 1.0, -80)), 40.0)
    assert np.abs(at_the_start[:, : RATE // 2]).max() < 0.011  # From the first sample on.


def contour_ratio(first: float, second: float) -> np.ndarray:
    """Noise whose second half differs in level."""
    return np.concatenate([noise(3, first), noise(3, second, seed=1)], axis=1)


@pytest.mark.parametrize(("amount", "expected_db"), [(0.0, 0.0), (0.5, 6.0), (1.0, 12.0)])
def test_slow_dynamics_come_back_by_the_amount(amount, expected_db):
    followed = follow_dynamics(noise(6), contour_ratio(0.05, 0.2), amount, 1.5, 24.0, RATE)
    step = decibels(followed[:, 5 * RATE :]) - decibels(followed[:, :RATE])
    assert step == pytest.approx(expected_db, abs=0.4)
    assert followed.dtype == np.float32


def test_dynamics_follow_no_further_than_their_range():
    followed = follow_dynamics(noise(6), contour_ratio(0.2, 0.2e-4), 1.0, 1.5, 24.0, RATE)
    step = decibels(followed[:, :RATE]) - decibels(followed[:, 5 * RATE :])
    assert step == pytest.approx(24.0, abs=0.5)


def test_a_piece_follows_itself_to_itself():
    piece = contour_ratio(0.02, 0.2)
    np.testing.assert_allclose(
        follow_dynamics(piece, piece, 1.0, 1.5, 24.0, RATE), piece, rtol=1e-6
    )


def test_what_is_fast_stays_with_the_style():
    """Pulses of an eighth of a second keep their height."""
    pulses = noise(6) * (np.arange(6 * RATE) // (RATE // 8) % 2 * 0.9 + 0.1).astype(np.float32)
    followed = follow_dynamics(pulses, contour_ratio(0.05, 0.2), 1.0, 1.5, 24.0, RATE)
    gain = followed[0, RATE // 2 : RATE] / pulses[0, RATE // 2 : RATE]
    assert gain.max() / gain.min() < 1.2


def test_silence_has_no_dynamics_to_follow():
    assert np.isfinite(follow_dynamics(noise(1), 0 * noise(1), 1.0, 1.5, 24.0, RATE)).all()
    assert not follow_dynamics(0 * noise(1), noise(1), 1.0, 1.5, 24.0, RATE).any()


def test_parts_of_a_long_recording_give_what_the_whole_gives(monkeypatch):
    samples, content = noise(3, num_channels=2), with_rest(1.0, 2.0, -20, num_channels=2)
    whole = follow_dynamics(samples, content, 0.7, 0.5, 60.0, RATE)
    monkeypatch.setattr(dynamics, "_SPAN", 20 * 512)
    parts = follow_dynamics(samples, content, 0.7, 0.5, 60.0, RATE)
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
