"""The loop that minimises: what it finds, what it keeps, when it ends, what it compiles."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from research.transfer.optimise import _run_chunk, bytes_of_take, minimise, minimise_each
from research.transfer.optimisers import OPTIMISERS, OptimiserConfig


@dataclasses.dataclass(frozen=True)
class Valley:
    """Rosenbrock's curved valley, its lowest point 0 at `(a, a^2)`."""

    def terms(self, variable, a):
        """`(a - x)^2` and `(y - x^2)^2`."""
        x, y = variable
        return {"slope": jnp.square(a - x), "bend": jnp.square(y - x**2)}


@dataclasses.dataclass(frozen=True)
class Cliff:
    """`(3 - x)^2`, not a number beyond 1."""

    def terms(self, variable, targets):
        """The one term."""
        return {"height": jnp.sum(jnp.where(variable <= 1.0, (targets - variable) ** 2, jnp.nan))}


WEIGHTS = {"slope": 1.0, "bend": 100.0}
# Most tests share these, and chunks of 5: a program for each is compiled once.
CONFIGS = {
    name: OptimiserConfig(name, learning_rate=0.05, log_every=5, patience=0) for name in OPTIMISERS
}


def descend(num_iterations, config, *, objective=None, start=(-1.2, 1.0), a=1.0, weights=WEIGHTS):
    return minimise(
        objective or Valley(),
        jnp.array(start),
        jnp.float32(a),
        weights,
        config=config,
        num_iterations=num_iterations,
    )


def valley(x: float, y: float) -> float:
    return (1.0 - x) ** 2 + 100.0 * (y - x**2) ** 2


def test_lbfgs_finds_the_end_of_a_curved_valley():
    minimum = descend(60, CONFIGS["lbfgs"])
    np.testing.assert_allclose(minimum.variable, [1.0, 1.0], atol=1e-3)
    assert minimum.loss < 1e-6
    assert minimum.stopped == "finished"


def test_adam_goes_down():
    minimum = descend(100, CONFIGS["adam"])
    assert minimum.losses[0] == pytest.approx(valley(-1.2, 1.0))
    assert minimum.loss < 0.2 * minimum.losses[0]
    assert minimum.loss == pytest.approx(min(minimum.losses), rel=0.05)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_loss_and_terms_are_those_of_the_variable_given_back(name):
    minimum = descend(10, CONFIGS[name])
    x, y = np.asarray(minimum.variable, np.float64)
    assert minimum.terms == pytest.approx({"slope": (1 - x) ** 2, "bend": (y - x**2) ** 2}, 1e-3)
    assert minimum.loss == pytest.approx(valley(x, y), rel=1e-3)


def test_the_best_iterate_is_kept_when_steps_are_far_too_large():
    minimum = descend(45, OptimiserConfig("adam", learning_rate=2.0, log_every=9))
    assert np.count_nonzero(np.diff(minimum.losses) > 0.0) > 10  # It does oscillate,
    assert minimum.losses[-1] > 3 * min(minimum.losses)  # and does not end at its best.
    assert minimum.loss == pytest.approx(min(minimum.losses), rel=1e-5)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_without_iterations_the_start_and_its_loss_come_back(name):
    minimum = descend(0, CONFIGS[name])
    np.testing.assert_array_equal(minimum.variable, jnp.array([-1.2, 1.0]))
    assert minimum.loss == pytest.approx(valley(-1.2, 1.0))
    assert minimum.losses == []
    assert [progress.iteration for progress in minimum.history] == [0]
    assert minimum.evaluations == 1
    assert minimum.stopped == "finished"


@pytest.mark.parametrize("name", OPTIMISERS)
def test_history_has_the_start_and_every_chunk_and_losses_every_iteration(name):
    told = []
    minimum = minimise(
        Valley(),
        jnp.array([-1.2, 1.0]),
        jnp.float32(1.0),
        WEIGHTS,
        config=CONFIGS[name],
        num_iterations=12,
        on_progress=told.append,
    )
    assert [progress.iteration for progress in minimum.history] == [0, 5, 10, 12]
    assert told == minimum.history[1:]
    assert len(minimum.losses) == 12
    # The loss that an iteration starts from is the one that the chunk before ended at.
    for progress in minimum.history[:-1]:
        assert minimum.losses[progress.iteration] == pytest.approx(progress.loss, rel=1e-5)
        expected = progress.terms["slope"] + 100.0 * progress.terms["bend"]
        assert progress.loss == pytest.approx(expected, rel=1e-5)
    # One more where the best iterate is not the last.
    assert minimum.evaluations - minimum.history[-1].evaluations in (0, 1)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_no_progress_for_as_long_as_patience_ends_it(name):
    config = OptimiserConfig(name, learning_rate=1e-9, log_every=4, patience=6)
    minimum = descend(100, config)
    assert minimum.stopped == "converged"
    assert len(minimum.losses) < 60
    if not OPTIMISERS[name].searches_line:
        # Its steps are too small for float32: no progress after the first loss.
        assert len(minimum.losses) == 1 + 6


def test_progress_of_more_than_the_tolerance_is_no_reason_to_end():
    config = OptimiserConfig("adam", learning_rate=0.002, log_every=4, patience=3)
    assert descend(24, config).stopped == "finished"
    assert descend(24, dataclasses.replace(config, tolerance=0.5)).stopped == "converged"


def test_patience_zero_never_ends_it():
    minimum = descend(60, OptimiserConfig("adam", learning_rate=1e-9, patience=0))
    assert (minimum.stopped, len(minimum.losses)) == ("finished", 60)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_start_at_the_lowest_point_stays_there(name):
    minimum = descend(10, CONFIGS[name], start=(1.0, 1.0))
    np.testing.assert_array_equal(minimum.variable, [1.0, 1.0])
    assert minimum.loss == 0.0


def test_a_loss_that_turns_nan_ends_it_at_the_best_finite_iterate():
    minimum = minimise(
        Cliff(),
        jnp.zeros(1),
        jnp.float32(3.0),
        {"height": 2.0},
        config=OptimiserConfig("adam", learning_rate=0.3, log_every=4),
        num_iterations=50,
    )
    assert minimum.stopped == "non-finite"
    assert float(minimum.variable[0]) == pytest.approx(0.9, abs=0.01)  # The third step of 0.3.
    assert minimum.loss == pytest.approx(2.0 * 2.1**2, rel=0.01)
    assert len(minimum.losses) == 4
    assert np.isfinite(minimum.losses).all()


def test_lbfgs_does_not_give_back_a_place_where_the_loss_is_nan():
    config, weights = CONFIGS["lbfgs"], {"height": 2.0}
    minimum = minimise(
        Cliff(), jnp.zeros(1), jnp.float32(3.0), weights, config=config, num_iterations=20
    )
    assert 0.0 <= float(minimum.variable[0]) <= 1.0
    assert np.isfinite(minimum.loss)
    assert minimum.loss <= minimum.losses[0]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_start_without_a_finite_loss_is_told_as_such(name):
    config, weights = CONFIGS[name], {"height": 2.0}
    minimum = minimise(
        Cliff(), jnp.array([2.0]), jnp.float32(3.0), weights, config=config, num_iterations=10
    )
    assert minimum.stopped == "non-finite"
    assert not np.isfinite(minimum.loss)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_chunks_of_one_length_are_compiled_once(name):
    before = _run_chunk._cache_size()
    descend(9, OptimiserConfig(name, log_every=3))
    assert _run_chunk._cache_size() == before + 1


@pytest.mark.parametrize("name", OPTIMISERS)
def test_another_weight_target_or_start_compiles_nothing(name):
    config = CONFIGS[name]
    first = descend(10, config)
    compiled = _run_chunk._cache_size()
    others = [
        descend(10, config, weights={"slope": 3, "bend": 7.5}),
        descend(10, config, a=2.0),
        descend(10, config, start=(0.5, -0.5)),
        descend(10, config, objective=Valley()),
    ]
    assert _run_chunk._cache_size() == compiled
    assert all(other.loss != first.loss for other in others[:3])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_same_inputs_give_the_same_bits(name):
    first, again = descend(15, CONFIGS[name]), descend(15, CONFIGS[name])
    assert np.asarray(first.variable).tobytes() == np.asarray(again.variable).tobytes()
    assert first.losses == again.losses


def test_the_start_is_left_as_it_was():
    start = jnp.array([-1.2, 1.0])
    config = CONFIGS["adam"]
    minimise(Valley(), start, jnp.float32(1.0), WEIGHTS, config=config, num_iterations=5)
    np.testing.assert_array_equal(start, np.array([-1.2, 1.0], np.float32))


STARTS = np.array([[-1.2, 1.0], [0.5, -0.5], [2.0, 2.0]], np.float32)
SLOPES = [1.0, 3.0, 0.2]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_takes_side_by_side_are_what_they_are_alone(name, own):
    lowest = [1.0, 0.5, 2.0] if own else 3 * [1.0]
    together = minimise_each(
        Valley(),
        jnp.array(STARTS),
        jnp.array(lowest) if own else jnp.float32(1.0),
        {"slope": SLOPES, "bend": [100.0] * 3},
        config=CONFIGS[name],
        num_iterations=12,
        own=own,
    )
    for start, slope, a, minimum in zip(STARTS, SLOPES, lowest, together, strict=True):
        weights = {"slope": slope, "bend": 100.0}
        alone = descend(12, CONFIGS[name], start=start, a=a, weights=weights)
        np.testing.assert_allclose(minimum.variable, alone.variable, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(minimum.losses, alone.losses, rtol=1e-3, atol=1e-6)
        assert minimum.evaluations == alone.evaluations
        assert [step.iteration for step in minimum.history] == [0, 5, 10, 12]
        assert [step.evaluations for step in minimum.history] == [
            step.evaluations for step in alone.history
        ]


def test_each_take_ends_by_itself():
    config = OptimiserConfig("adam", learning_rate=0.3, log_every=4, patience=3)
    told = []
    stuck, lost, other = minimise_each(
        Cliff(),
        jnp.array([[0.5], [0.0], [-30.0]]),
        jnp.array([[0.5], [3.0], [0.5]]),
        {"height": [1.0] * 3},
        config=config,
        num_iterations=24,
        own=True,
        on_progress=told.append,
    )
    assert [one.stopped for one in (stuck, lost, other)] == ["converged", "non-finite", "finished"]
    assert stuck.loss == 0.0 and float(stuck.variable[0]) == 0.5
    assert float(lost.variable[0]) == pytest.approx(0.9, abs=0.01)
    assert len(stuck.losses) == len(lost.losses) == 4
    assert len(other.losses) == 24 and np.isfinite(other.losses).all()
    assert [len(one.history) for one in (stuck, lost, other)] == [2, 2, 7]
    assert [[step.iteration for step in steps] for steps in told][-1] == [4, 4, 24]


def test_memory_of_a_take_grows_with_its_variable_and_what_is_remembered():
    def needed(size: int, memory_size: int) -> int:
        config = OptimiserConfig("lbfgs", memory_size=memory_size)
        start = jnp.zeros((1, size))
        return bytes_of_take(Cliff(), start, jnp.float32(0.0), {"height": 1.0}, config)

    # A pair that is remembered is two variables of four bytes a number, here and anew.
    more = needed(1000, 20) - needed(1000, 10)
    assert more == pytest.approx(2 * 10 * 2 * 4000, rel=0.01)
    assert needed(4000, 10) == pytest.approx(4 * needed(1000, 10), rel=0.1)
