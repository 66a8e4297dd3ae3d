"""The contract that every optimiser keeps: a row of the registry is all that a new one needs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.transfer.optimise import minimise
from research.transfer.optimisers import OPTIMISERS, OptimiserConfig

LOWEST = np.array([1.0, -2.0, 0.5, 3.0], np.float32)
CURVATURE = np.array([1.0, 3.0, 10.0, 0.3], np.float32)

every_optimiser = pytest.mark.parametrize("name", OPTIMISERS)


class Bowl:
    """A convex quadratic loss, and a list that grows with every evaluation."""

    def __init__(self):
        self.calls = []

    def terms(self, variable, targets):
        """`sum of curvature * (x - lowest)^2`."""
        jax.debug.callback(lambda _: self.calls.append(1), variable)
        return {"height": jnp.sum(CURVATURE * jnp.square(variable - targets))}


def height(x: np.ndarray) -> float:
    return float(np.sum(CURVATURE * np.square(np.float64(x) - LOWEST)))


def config_of(name: str, **changes) -> OptimiserConfig:
    return OptimiserConfig(**{"name": name, "learning_rate": 0.1, "log_every": 5} | changes)


def descend(name: str, num_iterations: int, shape: type[Bowl] = Bowl, **changes):
    """A bowl, and the minimum of a descent into it from 0."""
    bowl = shape()
    minimum = minimise(
        bowl,
        jnp.zeros(4),
        jnp.asarray(LOWEST),
        {"height": 1.0},
        config=config_of(name, **changes),
        num_iterations=num_iterations,
    )
    jax.effects_barrier()
    return bowl, minimum


@every_optimiser
def test_a_convex_loss_goes_down(name):
    _, minimum = descend(name, 20)
    assert minimum.losses[0] == pytest.approx(height(np.zeros(4)), rel=1e-5)
    assert minimum.loss < 0.2 * minimum.losses[0]
    assert np.isfinite(minimum.losses).all()


@every_optimiser
@pytest.mark.parametrize("learning_rate", [0.1, 3.0])
def test_the_best_iterate_is_kept(name, learning_rate):
    """Of large steps, too."""
    _, minimum = descend(name, 15, learning_rate=learning_rate)
    best = min(*minimum.losses, minimum.history[-1].loss)
    assert minimum.loss == pytest.approx(best, rel=1e-4, abs=1e-9)
    assert height(minimum.variable) == pytest.approx(best, rel=1e-4, abs=1e-6)


@every_optimiser
@pytest.mark.parametrize(
    ("num_iterations", "changes"),
    [
        (0, {}),
        (10, {"patience": 0}),
        (12, {"patience": 0}),  # The last chunk is not full.
        (12, {"patience": 0, "unrolled": True}),
        (40, {"patience": 3}),  # It ends within a chunk.
        (15, {"learning_rate": 3.0}),  # The best iterate is not the last.
    ],
)
def test_evaluations_are_all_that_were_made(name, num_iterations, changes):
    bowl, minimum = descend(name, num_iterations, **changes)
    assert minimum.evaluations == len(bowl.calls) >= 1


def test_only_steps_need_gradients():
    """Reports of terms are of values alone, and so is a start without a line search."""
    gradients = []

    @jax.custom_vjp
    def watched(x):
        return x

    def backward(_, slope):
        jax.debug.callback(lambda _: gradients.append(1), slope)
        return (slope,)

    watched.defvjp(lambda x: (x, None), backward)

    class Watched(Bowl):
        def terms(self, variable, targets):
            return super().terms(watched(variable), targets)

    for name in OPTIMISERS:
        gradients.clear()
        _, minimum = descend(name, 10, Watched, patience=0)
        reports = len(minimum.history) - OPTIMISERS[name].searches_line
        last = minimum.evaluations - minimum.history[-1].evaluations
        assert len(gradients) == minimum.evaluations - reports - last


@every_optimiser
def test_a_line_search_leaves_value_and_gradient_of_the_iterate_in_the_state(name):
    kind, config = OPTIMISERS[name], config_of(name)
    optimiser = kind.make(config)
    loss_of = jax.value_and_grad(lambda x: Bowl().terms(x, LOWEST)["height"])
    variable = jnp.zeros(4)
    loss, gradient = loss_of(variable)
    updates, state = optimiser.update(
        gradient,
        optimiser.init(variable),
        variable,
        value=loss,
        grad=gradient,
        value_fn=lambda x: loss_of(x)[0],
    )
    after = np.asarray(optax.apply_updates(variable, updates))
    assert after.shape == (4,) and np.any(after != 0)
    kept = [optax.tree.get(state, key) for key in ("value", "grad", "num_linesearch_steps")]
    if not kind.searches_line:
        assert kept == [None, None, None]
        return
    loss, gradient = loss_of(jnp.asarray(after))
    assert float(kept[0]) == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(kept[1], gradient, rtol=1e-4, atol=1e-5)
    assert 1 <= int(kept[2]) <= config.max_linesearch_steps
