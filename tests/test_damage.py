"""Clicks, clipping and naturalness."""

import numpy as np
import pytest
from playing import MELODY, SAMPLE_RATE, make_content, noise, play

from research.judge.damage import Damage, count_clicks, measure_damage, naturalness


def test_clicks_per_second_and_the_fraction_at_full_scale():
    content = make_content()
    assert measure_damage(content, SAMPLE_RATE) == (0, 0)
    damaged = content.copy()
    damaged[np.arange(6) * 14_000 + 7_000] += content.max()
    assert count_clicks(damaged, SAMPLE_RATE) == pytest.approx(6 * SAMPLE_RATE / len(content))
    damaged[:2000] = 1.0
    damaged[2000:3000] = -0.9995
    assert measure_damage(damaged, SAMPLE_RATE).clipped == 3000 / len(content)


@pytest.mark.parametrize(
    ("damage", "flatness", "expected"),
    [
        (Damage(0.001, 2.0), 0.1, 1.0),  # As the inputs.
        (Damage(0.0, 0.0), 0.0, 1.0),  # Better than the inputs.
        (Damage(0.006, 2.0), 0.1, 0.5),
        (Damage(0.5, 2.0), 0.1, 0.0),
        (Damage(0.001, 3.0), 0.1, 0.5),
        (Damage(0.001, 2.0), (0.1 + np.exp(-np.euler_gamma)) / 2, 0.5),
        (Damage(0.001, 2.0), 0.9, 0.0),
        (Damage(0.006, 5.0), 0.1, 0.25),  # The worst counts.
    ],
)
def test_naturalness_by_hand(damage, flatness, expected):
    assert naturalness(damage, Damage(0.001, 2.0), flatness, 0.1) == pytest.approx(expected)


def test_hiss_and_buzz_are_not_clicks():
    content = play(MELODY, (1.0, 0.4, 0.1), decay=3.0)
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 31))
    assert count_clicks(noise(content), SAMPLE_RATE) == 0
    assert count_clicks(buzz, SAMPLE_RATE) == 0
