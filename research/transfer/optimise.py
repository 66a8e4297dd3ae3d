"""Minimise a loss with optax, in jitted chunks of scanned iterations.

The best iterate is kept. The host reads the device once a chunk: there the progress is told, the
history written, and the end decided.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
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
    memory_size: int = at_least(12, 1)
    max_linesearch_steps: int = at_least(20, 1)
    unrolled: bool = False
    log_every: int = at_least(10, 1)
    patience: int = at_least(20, 0)
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


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where takes are: spread over devices, on each of them side by side.

    Attributes:
      mesh: the devices, along one axis, "takes".
      own: of each leaf of the targets, whether every take has one of its own, stacked.
    """

    mesh: jax.sharding.Mesh
    own: tuple[bool, ...]

    def each(self, function: Callable, takes: Any, targets: Any) -> Any:
        """`function(take, targets)` of every take; each device goes on by itself."""
        leaves, structure = jax.tree.flatten(targets)

        def with_targets(take, own, shared):
            own, shared = iter(own), iter(shared)
            merged = [next(own if is_own else shared) for is_own in self.own]
            return function(take, jax.tree.unflatten(structure, merged))

        def on_device(takes, own, shared):
            if len(jax.tree.leaves(takes)[0]) > 1:
                return jax.vmap(with_targets, in_axes=(0, 0, None))(takes, own, shared)
            # Without a dimension for the takes loops and branches stay what they are.
            take, own = jax.tree.map(lambda x: x[0], (takes, own))
            return jax.tree.map(lambda x: x[None], with_targets(take, own, shared))

        by_kind = [
            [leaf for leaf, is_own in zip(leaves, self.own, strict=True) if is_own == kind]
            for kind in (True, False)
        ]
        spread, whole = self.spread.spec, jax.sharding.PartitionSpec()
        return jax.shard_map(
            on_device,
            mesh=self.mesh,
            in_specs=(spread, spread, whole),
            out_specs=spread,
            check_vma=False,
        )(takes, *by_kind)

    @property
    def spread(self) -> jax.sharding.NamedSharding:
        """Of arrays `[takes, ...]`."""
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec("takes"))


def _lay_out(devices: Sequence[jax.Device], targets: Any, own: Any) -> _Layout:
    mesh = jax.sharding.Mesh(np.array(devices), ("takes",))
    return _Layout(mesh, tuple(jax.tree.leaves(jax.tree.broadcast(own, targets))))


@functools.partial(
    jax.jit, static_argnames=("objective", "config", "layout"), donate_argnames="carry"
)
def _run_chunk(carry, targets, weights, num_iterations, *, objective, config, layout):
    """At most `log_every` steps of every take; the carries, and the losses they started from."""
    optimiser = _optimiser(config)

    def run_take(take, targets):
        carry, weights, num_iterations = take

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

    return layout.each(run_take, (carry, weights, num_iterations), targets)


@functools.partial(jax.jit, static_argnames=("objective", "layout"))
def _evaluate(variables, targets, weights, *, objective, layout):
    """Loss, terms and gradient: one program for all of them, since compiling it takes seconds."""

    def evaluate_take(take, targets):
        variable, weights = take

        def loss_of(variable):
            terms = objective.terms(variable, targets)
            return weighted_sum(terms, weights), terms

        (loss, terms), gradient = jax.value_and_grad(loss_of, has_aux=True)(variable)
        return loss, terms, gradient

    return layout.each(evaluate_take, (variables, weights), targets)


def evaluate(
    objective: Callable, variable: jax.Array, targets: Any, weights: dict[str, float]
) -> tuple[float, dict[str, float]]:
    """Loss and unweighted terms of a variable, in float32 as `minimise` sees them."""
    loss, terms, _ = _evaluate(
        variable[None],
        targets,
        _to_float32(_of_one(weights)),
        objective=objective,
        layout=_lay_out(jax.devices()[:1], targets, False),
    )
    return _by_take(loss, terms)[0]


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
    """Minimise `objective(variable, targets, weights)` from `variable`; see `minimise_each`."""
    [minimum] = minimise_each(
        objective,
        variable[None],
        targets,
        _of_one(weights),
        config=config,
        num_iterations=num_iterations,
        on_progress=lambda progress: on_progress(progress[0]),
    )
    return minimum


def minimise_each(
    objective: Callable,
    variables: jax.Array,
    targets: Any,
    weights: dict[str, Any],
    *,
    config: OptimiserConfig,
    num_iterations: int,
    own: Any = False,
    devices: Sequence[jax.Device] = (),
    on_progress: Callable[[list[Progress]], None] = lambda progress: None,
) -> list[Minimum]:
    """Minimise `objective(variable, targets, weights)` of several takes in one program.

    Args:
      objective: hashable; has `terms(variable, targets)`, unweighted, of which its value is the
        weighted sum.
      variables: starts, `[takes, ...]`.
      targets: any pytree; traced.
      weights: of the terms, `[takes]` each; traced, so that other weights compile nothing.
      config: the optimiser.
      num_iterations: at most.
      own: whether each take has targets of its own, stacked like the variables, or all share the
        same; a pytree of that by parts of the targets.
      devices: over which takes are spread, in equal numbers; by default the first one.
      on_progress: called at the end of every chunk, with a `Progress` for each take.
    """
    weights = _to_float32(weights)
    num_takes = len(variables)
    layout = _lay_out(devices or jax.devices()[:1], targets, own)
    variables, weights = jax.device_put((jnp.asarray(variables), weights), layout.spread)
    run = functools.partial(_run_chunk, objective=objective, config=config, layout=layout)
    assess = functools.partial(_evaluate, objective=objective, layout=layout)
    loss, terms, gradient = assess(variables, targets, weights)
    history = [[Progress(0, 0, *at)] for at in _by_take(loss, terms)]
    losses = [[] for _ in history]
    optimiser = jax.vmap(_optimiser(config).init)(variables)
    if config.name == "lbfgs":
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
    carry = jax.tree.map(
        lambda x: jax.device_put(jnp.array(x, dtype=x.dtype), layout.spread), carry
    )
    stopped = ["finished"] * num_takes
    iteration = 0
    while iteration < num_iterations and "finished" in stopped:
        length = min(config.log_every, num_iterations - iteration)
        lengths = jax.device_put(np.full(num_takes, length), layout.spread)
        carry, chunk = run(carry, targets, weights, lengths)
        # On one device jit gives back parts as of no axis at all, and would compile anew for them.
        carry = jax.device_put(carry, layout.spread)
        iteration += length
        loss, terms, _ = assess(carry.variable, targets, weights)
        failed = np.asarray(carry.failed) | ~np.isfinite(loss)
        stalled = np.asarray(_stalled(carry, config))
        evaluations = np.asarray(carry.evaluations)
        for take, (at, chunk_losses) in enumerate(
            zip(_by_take(loss, terms), np.asarray(chunk), strict=True)
        ):
            if stopped[take] != "finished":
                continue
            losses[take] += [value for value in chunk_losses[:length].tolist() if value == value]
            history[take].append(Progress(iteration, int(evaluations[take]), *at))
            if failed[take]:
                stopped[take] = "non-finite"
            elif stalled[take]:
                stopped[take] = "converged"
        on_progress([steps[-1] for steps in history])
    ended_best = (iteration == 0) | (np.asarray(loss) < np.asarray(carry.best_loss))
    pick = ended_best.reshape(-1, *[1] * (variables.ndim - 1))
    best = jnp.where(pick, carry.variable, carry.best)
    loss, terms, _ = assess(best, targets, weights)
    evaluations = np.asarray(carry.evaluations)
    found = np.asarray(best)  # From wherever it was, since what comes next is on one device.
    return [
        Minimum(
            variable=jnp.asarray(found[take]),
            loss=at[0],
            terms=at[1],
            losses=losses[take],
            history=history[take],
            evaluations=int(evaluations[take]),
            stopped=stopped[take],
        )
        for take, at in enumerate(_by_take(loss, terms))
    ]


def bytes_of_take(
    objective: Callable,
    variable: jax.Array,
    targets: Any,
    weights: dict[str, float],
    config: OptimiserConfig,
) -> int:
    """About what one take holds on its device while it is optimised, in bytes.

    That is what the compiled loss and gradient need, twice, since a line search compares two, and
    the variables that an optimiser remembers, twice, since it makes them anew.
    """
    lowered = _evaluate.lower(
        variable[None],
        targets,
        _to_float32(_of_one(weights)),
        objective=objective,
        layout=_lay_out(jax.devices()[:1], targets, False),
    )
    needed = lowered.compile().memory_analysis()
    state = jax.eval_shape(_optimiser(config).init, variable)
    remembered = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    remembered += 3 * variable.nbytes
    return 2 * (needed.temp_size_in_bytes + remembered) + needed.argument_size_in_bytes


def weighted_sum(terms: dict[str, Any], weights: dict[str, Any]) -> Any:
    """`sum over terms of weight * term`."""
    return sum(weights[name] * terms[name] for name in terms)


def _by_take(loss: jax.Array, terms: dict[str, jax.Array]) -> list[tuple[float, dict[str, float]]]:
    """Losses and terms of `[takes]` as numbers of each take."""
    terms = {name: np.asarray(values).tolist() for name, values in terms.items()}
    return [
        (value, {name: values[take] for name, values in terms.items()})
        for take, value in enumerate(np.asarray(loss).tolist())
    ]


def _of_one(weights: dict[str, float]) -> dict[str, list[float]]:
    """Weights of a single take as those of several."""
    return {name: [weight] for name, weight in weights.items()}


def _to_float32(weights: dict[str, Any]) -> dict[str, np.ndarray]:
    with np.errstate(over="ignore"):  # To infinity, which the loss then tells.
        return {name: np.asarray(values, np.float32) for name, values in weights.items()}
