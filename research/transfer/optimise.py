"""Minimise a loss with optax, in jitted chunks of scanned iterations.

The best iterate is kept. The host reads the device once a chunk: there the progress is told, the
history written, and the end decided.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.settings import above, at_least, one_of

OPTIMISERS = ("lbfgs", "adam")


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """How a loss is minimised.

    Attributes:
      name: "lbfgs" (memory, zoom line search) or "adam".
      learning_rate: of Adam.
      memory_size: pairs that L-BFGS remembers.
      max_linesearch_steps: evaluations that one L-BFGS iteration may take.
      unrolled: whether the steps of a chunk follow each other in the program instead of in a loop:
        it compiles longer, and convolutions on CPU, slow in a loop, run six times as fast. Not
        those of a line search, which is a loop itself.
      log_every: iterations a chunk; the loss of every iteration and the terms at the end of every
        chunk go into the history.
      patience: iterations without progress after which to stop; 0 never stops early.
      tolerance: relative decrease of the best loss that counts as progress.
    """

    name: str = one_of("lbfgs", OPTIMISERS)
    learning_rate: float = above(0.01, 0)
    memory_size: int = at_least(10, 1)
    max_linesearch_steps: int = at_least(20, 1)
    unrolled: bool = False
    log_every: int = at_least(5, 1)
    patience: int = at_least(0, 0)
    tolerance: float = at_least(1e-3, 0)


class Progress(NamedTuple):
    """What is known at the end of a chunk.

    `loss` is that of the current iterate, `evaluations` counts values with their gradients.
    """

    iteration: int
    evaluations: int
    loss: float
    terms: dict[str, float]


class Minimum(NamedTuple):
    """Where a minimisation ended.

    Attributes:
      variable: the best iterate.
      loss: its loss.
      terms: its unweighted terms.
      losses: of every iteration, the start first.
      history: of every chunk, the start first.
      evaluations: values with gradients that it took.
      stopped: "finished", "converged" (no progress for `patience` iterations) or "non-finite".
    """

    variable: jax.Array
    loss: float
    terms: dict[str, float]
    losses: list[float]
    history: list[Progress]
    evaluations: int
    stopped: str


def _optimiser(config: OptimiserConfig) -> optax.GradientTransformationExtraArgs:
    if config.name == "adam":
        return optax.with_extra_args_support(optax.adam(config.learning_rate))
    search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=config.max_linesearch_steps, initial_guess_strategy="one"
    )
    return optax.lbfgs(memory_size=config.memory_size, linesearch=search)


class _Carry(NamedTuple):
    variable: jax.Array
    optimiser: Any
    best: jax.Array
    best_loss: jax.Array
    milestone: jax.Array  # The best loss when progress was last made,
    stale: jax.Array  # and the iterations since.
    evaluations: jax.Array
    failed: jax.Array


def _keep_best(carry: _Carry, loss: jax.Array) -> _Carry:
    better = loss < carry.best_loss
    return carry._replace(
        best=jnp.where(better, carry.variable, carry.best),
        best_loss=jnp.where(better, loss, carry.best_loss),
    )


def _stalled(carry: _Carry, config: OptimiserConfig) -> jax.Array:
    return (config.patience > 0) & (carry.stale >= config.patience)


@functools.partial(jax.jit, static_argnames=("objective", "config"), donate_argnames="carry")
def _run_chunk(carry, targets, weights, num_iterations, *, objective, config):
    """At most `log_every` steps; the carry, and the losses they started from."""
    optimiser = _optimiser(config)

    def loss_of(variable):
        return weighted_sum(objective.terms(variable, targets), weights)

    def iterate(carry):
        variable = carry.variable
        if config.name == "adam":
            loss, gradient = jax.value_and_grad(loss_of)(variable)
        else:  # The line search came by them.
            loss, gradient = (optax.tree.get(carry.optimiser, key) for key in ("value", "grad"))
        updates, state = optimiser.update(
            gradient, carry.optimiser, variable, value=loss, grad=gradient, value_fn=loss_of
        )
        taken = 1
        if config.name == "lbfgs":
            first = carry.evaluations == 0
            taken = optax.tree.get(state, "num_linesearch_steps") + first
        carry = _keep_best(carry, loss)
        progress = carry.best_loss < (1 - config.tolerance) * carry.milestone
        failed = ~jnp.isfinite(loss)
        return carry._replace(
            variable=jnp.where(failed, variable, optax.apply_updates(variable, updates)),
            optimiser=state,
            milestone=jnp.where(progress, carry.best_loss, carry.milestone),
            stale=jnp.where(progress, 0, carry.stale + 1),
            evaluations=carry.evaluations + taken,
            failed=failed,
        ), loss

    def step(carry, index):
        done = carry.failed | _stalled(carry, config) | (index >= num_iterations)
        if config.unrolled:  # A branch is as slow as a loop.
            after = (*iterate(carry),)
            return jax.tree.map(functools.partial(jnp.where, done), (carry, jnp.nan), after)
        return jax.lax.cond(done, lambda c: (c, jnp.nan), iterate, carry)

    return jax.lax.scan(step, carry, jnp.arange(config.log_every), unroll=config.unrolled)


@functools.partial(jax.jit, static_argnames="objective")
def _evaluate(variable, targets, weights, *, objective):
    """Loss, terms and gradient: one program for all of them, since compiling it takes seconds."""

    def loss_of(variable):
        terms = objective.terms(variable, targets)
        return weighted_sum(terms, weights), terms

    (loss, terms), gradient = jax.value_and_grad(loss_of, has_aux=True)(variable)
    return loss, terms, gradient


def evaluate(
    objective: Callable, variable: jax.Array, targets: Any, weights: dict[str, float]
) -> tuple[float, dict[str, float]]:
    """Loss and unweighted terms of a variable, in float32 as `minimise` sees them."""
    loss, terms, _ = _evaluate(variable, targets, _to_float32(weights), objective=objective)
    return float(loss), _to_floats(terms)


def minimise(
    objective: Callable,
    variable: jax.Array,
    targets: Any,
    weights: dict[str, float],
    *,
    config: OptimiserConfig,
    num_iterations: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Minimum:
    """Minimise `objective(variable, targets, weights)` from `variable`.

    Args:
      objective: hashable; has `terms(variable, targets)`, unweighted, of which its value is the
        weighted sum.
      variable: start.
      targets: any pytree; traced.
      weights: of the terms; traced, so that another weight compiles nothing.
      config: the optimiser.
      num_iterations: at most.
      on_progress: called at the end of every chunk.
    """
    weights = _to_float32(weights)
    run = functools.partial(_run_chunk, objective=objective, config=config)
    assess = functools.partial(_evaluate, objective=objective)
    loss, terms, gradient = assess(variable, targets, weights)
    history = [Progress(0, 0, float(loss), _to_floats(terms))]
    losses = []
    optimiser = _optimiser(config).init(variable)
    if config.name == "lbfgs":
        optimiser = optax.tree.set(optimiser, value=loss, grad=gradient)
    infinity = jnp.float32(jnp.inf)
    carry = _Carry(
        variable=variable,
        optimiser=optimiser,
        best=variable,
        best_loss=infinity,
        milestone=infinity,
        stale=jnp.int32(0),
        evaluations=jnp.int32(0),
        failed=jnp.array(False),
    )
    # Donated, so no array may stand in it twice; of strong types, so that every chunk has the same.
    carry = jax.tree.map(lambda x: jnp.array(x, dtype=x.dtype), carry)
    stopped = "finished"
    iteration = 0
    while iteration < num_iterations:
        length = min(config.log_every, num_iterations - iteration)
        carry, chunk = run(carry, targets, weights, length)
        iteration += length
        losses += np.asarray(chunk)[:length].tolist()
        loss, terms, _ = assess(carry.variable, targets, weights)
        history.append(Progress(iteration, int(carry.evaluations), float(loss), _to_floats(terms)))
        on_progress(history[-1])
        if carry.failed or not jnp.isfinite(loss):
            stopped = "non-finite"
            break
        if _stalled(carry, config):
            stopped = "converged"
            break
    best = carry.best
    if not iteration or loss < carry.best_loss:
        best = carry.variable
    loss, terms = evaluate(objective, best, targets, weights)
    return Minimum(
        variable=best,
        loss=loss,
        terms=terms,
        losses=[value for value in losses if value == value],
        history=history,
        evaluations=int(carry.evaluations),
        stopped=stopped,
    )


def weighted_sum(terms: dict[str, Any], weights: dict[str, Any]) -> Any:
    """`sum over terms of weight * term`."""
    return sum(weights[name] * terms[name] for name in terms)


def _to_floats(terms: dict[str, jax.Array]) -> dict[str, float]:
    return {name: float(value) for name, value in terms.items()}


def _to_float32(weights: dict[str, float]) -> dict[str, np.float32]:
    with np.errstate(over="ignore"):  # To infinity, which the loss then tells.
        return {name: np.float32(weight) for name, weight in weights.items()}
