"""Minimise a loss with optax, in jitted chunks of scanned iterations.

The best iterate is kept. The host reads the device once a chunk: it reports the progress, writes
the history and decides whether to go on.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.products import full_precision
from research.transfer.evaluation import (
    Loss,
    by_take,
    differentiate_each,
    evaluate_each,
    of_one,
    to_float32,
    weighted_sum,
)
from research.transfer.layout import Layout, lay_out
from research.transfer.optimisers import OPTIMISERS, OptimiserConfig


class Progress(NamedTuple):
    """A point of an optimisation: its start or the end of a chunk.

    Attributes:
      iteration: number of iterations so far.
      evaluations: number of times that the loss was computed so far, with or without its gradient.
      loss: of the current iterate.
      terms: unweighted terms of the current iterate.
    """

    iteration: int
    evaluations: int
    loss: float
    terms: dict[str, float]


class Minimum(NamedTuple):
    """Where a minimisation ended.

    Attributes:
      variable: the best iterate.
      loss: of the best iterate; None if nothing was optimised.
      terms: unweighted terms of the best iterate.
      losses: one for each iteration, the start first.
      history: the start, and the end of every chunk.
      evaluations: number of times that the loss was computed: with its gradient at the start and in
        every step, and without it where terms are reported.
      stopped: "finished", "converged" (no progress for `patience` iterations) or "non-finite".
    """

    variable: jax.Array | np.ndarray
    loss: float | None
    terms: dict[str, float]
    losses: list[float]
    history: list[Progress]
    evaluations: int
    stopped: str


def not_optimised(variable: np.ndarray) -> Minimum:
    """The result where nothing is optimised and no loss is computed."""
    return Minimum(variable, None, {}, [], [], 0, "finished")


class _Carry(NamedTuple):
    variable: jax.Array
    optimiser: Any
    best: jax.Array
    best_loss: jax.Array
    milestone: jax.Array  # The best loss when progress was last made,
    stale: jax.Array  # and the iterations since.
    evaluations: jax.Array
    failed: jax.Array


def _stalled(carry: _Carry, config: OptimiserConfig) -> jax.Array:
    return (config.patience > 0) & (carry.stale >= config.patience)


@functools.partial(
    jax.jit, static_argnames=("objective", "config", "layout"), donate_argnames="carry"
)
def _run_chunk(carry, targets, weights, num_iterations, *, objective, config, layout):
    """At most `log_every` iterations of every take; the carries, and the losses they started from.

    An iteration of a take that has ended leaves it as it is, and its loss is NaN.
    """
    searches_line = OPTIMISERS[config.name].searches_line
    optimiser = OPTIMISERS[config.name].make(config)

    def run_take(take, targets):
        carry, weights, num_iterations = take

        def loss_of(variable):
            return weighted_sum(objective.terms(variable, targets), weights)

        @full_precision
        def iterate(carry):
            variable = carry.variable
            if searches_line:
                loss, gradient = (optax.tree.get(carry.optimiser, key) for key in ("value", "grad"))
            else:
                loss, gradient = jax.value_and_grad(loss_of)(variable)
            updates, state = optimiser.update(
                gradient, carry.optimiser, variable, value=loss, grad=gradient, value_fn=loss_of
            )
            taken = optax.tree.get(state, "num_linesearch_steps") if searches_line else 1
            better = loss < carry.best_loss
            carry = carry._replace(
                best=jnp.where(better, variable, carry.best),
                best_loss=jnp.where(better, loss, carry.best_loss),
            )
            progress = carry.best_loss < (1 - config.tolerance) * carry.milestone
            failed = ~jnp.isfinite(loss)
            after: Any = optax.apply_updates(variable, updates)
            return carry._replace(
                variable=jnp.where(failed, variable, after),
                optimiser=state,
                milestone=jnp.where(progress, carry.best_loss, carry.milestone),
                stale=jnp.where(progress, 0, carry.stale + 1),
                evaluations=carry.evaluations + taken,
                failed=failed,
            ), loss

        def step(carry, index):
            done = carry.failed | _stalled(carry, config) | (index >= num_iterations)
            if config.unrolled:  # A branch is as slow as a loop.
                after, loss = iterate(carry)
                kept = functools.partial(jnp.where, done)
                chosen, loss = jax.tree.map(kept, (carry, jnp.nan), (after, loss))
                return chosen._replace(evaluations=after.evaluations), loss
            return jax.lax.cond(done, lambda c: (c, jnp.nan), iterate, carry)

        return jax.lax.scan(step, carry, jnp.arange(config.log_every), unroll=config.unrolled)

    return layout.each(run_take, (carry, weights, num_iterations), targets)


def minimise(
    objective: Loss,
    variable: jax.Array | np.ndarray,
    targets: Any,
    weights: dict[str, float],
    *,
    config: OptimiserConfig,
    num_iterations: int,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Minimum:
    """Minimise the weighted terms of `objective` from `variable`; see `minimise_each`."""
    [minimum] = minimise_each(
        objective,
        variable[None],
        targets,
        of_one(weights),
        config=config,
        num_iterations=num_iterations,
        on_progress=lambda progress: on_progress(progress[0]),
    )
    return minimum


@dataclasses.dataclass
class _Record:
    """What the host keeps of one take; see `Minimum`."""

    history: list[Progress]
    losses: list[float] = dataclasses.field(default_factory=list)
    stopped: str = "finished"

    def add(self, end: Progress, losses: np.ndarray, failed: bool, stalled: bool) -> None:
        """Add a chunk, unless the take had ended before it."""
        if self.stopped != "finished":
            return
        self.history.append(end)
        self.losses += losses[~np.isnan(losses)].tolist()
        if failed or stalled:
            self.stopped = "non-finite" if failed else "converged"


def minimise_each(
    objective: Loss,
    variables: jax.Array | np.ndarray,
    targets: Any,
    weights: dict[str, Any],
    *,
    config: OptimiserConfig,
    num_iterations: int,
    own: Any = False,
    devices: Sequence[Any] = (),
    on_progress: Callable[[list[Progress]], None] = lambda progress: None,
    on_best: Callable[[np.ndarray], None] | None = None,
) -> list[Minimum]:
    """Minimise `sum of weight * term` for several takes in one program.

    Args:
      objective: the terms.
      variables: starts, `[takes, ...]`.
      targets: any pytree; traced.
      weights: by term, `[takes]` each; traced, so that other weights compile nothing.
      config: the optimiser.
      num_iterations: at most; at least 1.
      own: True if each take has targets of its own, stacked like the variables, and False if all
        share them; or a pytree of that, a prefix of the targets.
      devices: of jax; takes are spread over them in equal numbers; by default the first one.
      on_progress: called at the end of every chunk, with a `Progress` for each take.
      on_best: called after it with the best iterates so far, `[takes, ...]`.
    """
    weights = to_float32(weights)
    layout = lay_out(devices or jax.local_devices()[:1], targets, own)
    starts, weights = jax.device_put((variables, weights), layout.spread)
    run = functools.partial(_run_chunk, objective=objective, config=config, layout=layout)
    assess = functools.partial(evaluate_each, objective=objective, layout=layout)
    if OPTIMISERS[config.name].searches_line:
        loss, terms, gradient = differentiate_each(
            starts, targets, weights, objective=objective, layout=layout
        )
    else:
        (loss, terms), gradient = assess(starts, targets, weights), None
    records = [_Record([Progress(0, 1, *at)]) for at in by_take(loss, terms)]
    carry = _start(starts, loss, gradient, config, layout)
    iteration = 0
    while iteration < num_iterations and any(one.stopped == "finished" for one in records):
        length = min(config.log_every, num_iterations - iteration)
        lengths = jax.device_put(np.full(len(records), length), layout.spread)
        carry, chunk = run(carry, targets, weights, lengths)
        # On one device jit returns some arrays without the axis, and would compile anew for them.
        carry = jax.device_put(carry, layout.spread)
        iteration += length
        loss, terms = assess(carry.variable, targets, weights)
        evaluations, losses = np.asarray(carry.evaluations), np.asarray(chunk)[:, :length]
        failed = np.asarray(carry.failed) | ~np.isfinite(loss)
        stalled = np.asarray(_stalled(carry, config))
        for take, (record, at) in enumerate(zip(records, by_take(loss, terms), strict=True)):
            # Those of the steps, and one for each entry of the history.
            count = int(evaluations[take]) + len(record.history) + 1
            end = Progress(iteration, count, *at)
            record.add(end, losses[take], failed[take], stalled[take])
        on_progress([record.history[-1] for record in records])
        if on_best is not None:
            on_best(np.asarray(carry.best))
    ended_best = np.asarray(loss) < np.asarray(carry.best_loss)
    pick = ended_best.reshape(-1, *[1] * (variables.ndim - 1))
    best = jnp.where(pick, carry.variable, carry.best)
    if not ended_best.all():
        loss, terms = assess(best, targets, weights)
    found = np.asarray(best)  # From all devices, since what comes next is on one.
    return [
        Minimum(
            variable=jnp.asarray(array),
            loss=at[0],
            terms=at[1],
            losses=record.losses,
            history=record.history,
            evaluations=record.history[-1].evaluations + (not ended),
            stopped=record.stopped,
        )
        for array, at, record, ended in zip(
            found, by_take(loss, terms), records, ended_best.tolist(), strict=True
        )
    ]


def _start(
    variables: jax.Array,
    loss: jax.Array,
    gradient: jax.Array | None,
    config: OptimiserConfig,
    layout: Layout,
) -> _Carry:
    """The carries of takes at their starts; the gradient is None unless a line search needs it."""
    num_takes, kind = len(variables), OPTIMISERS[config.name]
    optimiser = jax.vmap(kind.make(config).init)(variables)
    if kind.searches_line:
        optimiser = optax.tree.set(optimiser, value=loss, grad=gradient)
    infinity = jnp.full(num_takes, jnp.inf, jnp.float32)
    carry = _Carry(
        variable=variables,
        optimiser=optimiser,
        best=variables,
        best_loss=infinity,
        milestone=infinity,
        stale=jnp.zeros(num_takes, jnp.int32),
        evaluations=jnp.zeros(num_takes, jnp.int32),
        failed=jnp.zeros(num_takes, bool),
    )
    # Donated, so no array may stand in it twice; of strong types, so that every chunk has the same.
    return jax.tree.map(lambda x: jax.device_put(jnp.array(x, dtype=x.dtype), layout.spread), carry)


def bytes_of_take(
    objective: Loss,
    variable: jax.Array | np.ndarray,
    targets: Any,
    weights: dict[str, float],
    config: OptimiserConfig,
) -> int:
    """Approximate memory that one take needs on its device while it is optimised, in bytes.

    That is what the compiled loss and gradient need, twice, since a line search compares two; and
    the state of the optimiser, twice, since every iteration makes a new one.
    """
    lowered = differentiate_each.lower(
        variable[None],
        targets,
        to_float32(of_one(weights)),
        objective=objective,
        layout=lay_out(jax.local_devices()[:1], targets, False),
    )
    needed: Any = lowered.compile().memory_analysis()
    state = jax.eval_shape(OPTIMISERS[config.name].make(config).init, variable)
    sizes = (leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    remembered = 3 * variable.nbytes + sum(sizes)
    return 2 * (needed.temp_size_in_bytes + remembered) + needed.argument_size_in_bytes
