"""The crossfade, and the height of a point above the curve of crossfades."""

import numpy as np
import pytest
from playing import SAMPLE_RATE, tune

from research.audio.waveform import Waveform
from research.judge.crossfade import crossfade, height_above


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_crossfade_is_the_weighted_sum_at_one_level(fraction):
    content, style = tune(440), tune(220, seconds=0.7, channels=2)
    mixed = crossfade(content, style, fraction)
    assert mixed.samples.shape == content.samples.shape
    other = np.resize(style.samples.mean(0), content.samples.shape[1])
    other = other * (content.samples.std() / other.std())
    expected = (1 - fraction) * content.samples[0] + fraction * other
    np.testing.assert_allclose(mixed.samples[0], expected, atol=1e-3)


def test_crossfade_never_clips():
    loud = Waveform(3 * tune(440).samples, SAMPLE_RATE)
    assert np.abs(crossfade(loud, loud, 0.5).samples).max() <= 0.95


@pytest.mark.parametrize(
    ("point", "height"),
    [
        ((0.8, 0.6), 0.0),
        ((0.9, 0.3), 0.0),  # Half-way along the first piece.
        ((1.0, 1.0), 1 / 3),  # (2/3, 2/3) is on the second.
        ((0.5, 0.3), -0.3),  # The corner, moved by 0.3.
        ((0.0, 1.0), 0.0),
        ((1.0, 0.0), 0.0),
    ],
)
def test_height_above_a_line_by_hand(point, height):
    line = np.array([(1.0, 0.0), (0.8, 0.6), (0.0, 1.0)])
    assert height_above(*point, line) == pytest.approx(height)


def test_height_is_above_the_highest_crossing_and_defined_beyond_the_ends():
    # The line crosses the diagonal at (0.25, 0.25), (0.35, 0.35) and (0.48, 0.48).
    line = np.array([(1.0, 0.0), (0.1, 0.3), (0.6, 0.4), (0.0, 0.8)])
    assert height_above(0.5, 0.5, line) == pytest.approx(0.02)
    assert height_above(0.0, 1.0, line) == pytest.approx(0.1)  # It ends at (0, 0.8).
