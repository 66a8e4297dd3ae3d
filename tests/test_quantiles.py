"""Quantiles against numpy and scipy, and random projections."""

import operator

import jax
import numpy as np
import pytest
from hazen import hazen_quantiles
from representing import normal
from scipy import optimize

from research.transfer.frames import Frames
from research.transfer.quantiles import quantiles, random_projections


@pytest.mark.parametrize(("num_frames", "count"), [(1, 5), (2, 5), (7, 5), (7, 7), (7, 40)])
def test_quantiles_are_those_of_hazen(num_frames, count):
    values = normal(2, num_frames, 3)
    found = jax.jit(lambda values: quantiles(Frames.of(values), count))(values)
    np.testing.assert_allclose(found, hazen_quantiles(values, count), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("num_frames", "count"), [(1, 5), (2, 5), (7, 5), (7, 40)])
def test_quantiles_are_those_of_the_frames_that_count(num_frames, count):
    values = normal(2, 9, 3)
    found = jax.jit(lambda *frames: quantiles(Frames(*frames), count))(values, num_frames)
    expected = hazen_quantiles(values[:, :num_frames], count)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_squared_error_of_quantiles_is_a_squared_wasserstein_distance():
    """Of all pairings of two samples, that of least cost."""
    first, second = normal(1, 40, 2), 1 + 2 * normal(1, 40, 2, seed=1)
    apart = jax.jit(lambda *each: operator.sub(*(quantiles(Frames.of(x), 40) for x in each)))
    found = np.square(apart(first, second)).mean(axis=(0, 1))
    for d in range(2):
        cost = np.square(first[0, :, None, d] - second[0, :, d])
        rows, columns = optimize.linear_sum_assignment(cost)
        assert found[d] == pytest.approx(cost[rows, columns].mean(), rel=1e-5)


def test_projections_are_unit_columns_of_their_seed():
    first, again, other = (random_projections(seed, 50, 30) for seed in ([0, 1], [0, 1], [0, 2]))
    assert first.shape == (50, 30) and first.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first, axis=0), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.15
