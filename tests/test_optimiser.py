"""What every optimiser, schedule and average of a training must do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.models.network import Variables
from research.training.optimiser import (
    OPTIMISERS,
    SCHEDULES,
    LearningRate,
    make_optimiser,
    update_average,
)

PARAMS = {"kernel": np.float32([[3.0, -2.0], [0.5, 1.0]]), "bias": np.float32([1.0, -1.0])}


def params() -> dict[str, jax.Array]:
    return jax.tree.map(jnp.asarray, PARAMS)


def run(name: str, gradient_of, num_steps: int, rate: float = 0.05, **recipe):
    """Parameters and state after some steps, compiled."""
    optimiser = make_optimiser(name, optax.constant_schedule(rate), **recipe)

    @jax.jit
    def step(values, state):
        updates, state = optimiser.update(gradient_of(values), state, values)
        return optax.apply_updates(values, updates), state

    values, state = params(), optimiser.init(params())
    for _ in range(num_steps):
        values, state = step(values, state)
    return values, state


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_finds_the_minimum_of_a_parabola(name):
    values, state = run(name, lambda values: values, 300, rate=0.03)  # Of half the square.
    for leaf in jax.tree.leaves(values):
        assert np.abs(leaf).max() < 0.05
    assert optax.tree.get_all_with_path(state, "count")
    assert all(int(count) == 300 for _, count in optax.tree.get_all_with_path(state, "count"))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_without_a_gradient_only_arrays_of_more_axes_decay(name):
    zeros = jax.tree.map(jnp.zeros_like, params())
    values, _ = run(name, lambda values: zeros, 2, rate=0.1, weight_decay=0.5)
    np.testing.assert_allclose(values["kernel"], PARAMS["kernel"] * 0.95**2, rtol=1e-6)
    np.testing.assert_array_equal(values["bias"], PARAMS["bias"])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_is_proportional_to_the_learning_rate(name):
    steps = []
    for rate in (0.01, 0.02):
        values, _ = run(name, lambda values: values, 1, rate=rate, weight_decay=0.1)
        steps.append(jax.tree.map(lambda new, old: new - old, values, PARAMS))
    jax.tree.map(
        lambda one, two: np.testing.assert_allclose(2 * one, two, rtol=1e-4, atol=1e-6), *steps
    )


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_state_is_that_of_the_direction_and_counts(name):
    state = make_optimiser(name, optax.constant_schedule(0.0), weight_decay=0.1).init(params())
    own = OPTIMISERS[name]().init(params())
    assert jax.tree.structure(state["direction"]) == jax.tree.structure(own)
    rest = {key: value for key, value in state.items() if key != "direction"}
    assert [leaf.shape for leaf in jax.tree.leaves(rest)] == [()]


def test_two_steps_of_sgd_by_hand():
    # Momentum v = g + 0.9 v, step g + 0.9 v (Nesterov), with a constant gradient of 1.
    ones = jax.tree.map(jnp.ones_like, params())
    values, _ = run("sgd", lambda values: ones, 2, rate=0.1)
    moved = 0.1 * ((1 + 0.9 * 1) + (1 + 0.9 * 1.9))
    jax.tree.map(
        lambda new, old: np.testing.assert_allclose(new, old - moved, rtol=1e-6), values, PARAMS
    )


def rates(maximum: float, num_steps: int, *arguments) -> np.ndarray:
    learning_rate = LearningRate.of(maximum, num_steps, *arguments)
    return np.asarray(jax.vmap(learning_rate)(jnp.arange(num_steps)))


def test_rates_rise_and_fall_along_a_cosine():
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.5, 200, 999)
    wanted = schedule(np.arange(1, 201)), schedule(np.arange(200, 999))
    found = rates(0.5, 999, 200, "cosine")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(rates(0.5, 999), np.full(999, np.float32(0.5)))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("num_steps", "num_warmup_steps"), [(1, 0), (1, 1), (7, 7), (9, 3)])
def test_every_schedule_has_its_maximum_at_the_end_of_warmup(schedule, num_steps, num_warmup_steps):
    found = rates(0.25, num_steps, num_warmup_steps, schedule)
    assert found[max(num_warmup_steps - 1, 0)] == found.max() == np.float32(0.25)
    assert np.all(found > 0.0)
    rising = 0.25 * np.arange(1, num_warmup_steps + 1) / max(num_warmup_steps, 1)
    np.testing.assert_allclose(found[:num_warmup_steps], rising, rtol=1e-6)
    assert np.all(np.diff(found[num_warmup_steps:]) <= 0.0)


def test_the_average_is_of_all_steps_at_first_and_then_of_the_last():
    average, values = Variables({"a": jnp.float32(0)}, {}), np.random.default_rng(0).normal(size=40)
    wanted = 0.0
    for step, value in enumerate(values):
        kept = min(0.8, (step + 2) / (step + 11))
        wanted = kept * wanted + (1 - kept) * value
        new = Variables({"a": jnp.float32(value)}, {})
        average = update_average(average, new, 0.8, jnp.int32(step))
        assert float(average.params["a"]) == pytest.approx(wanted, abs=1e-6)
