"""The training loop: gradient steps on categorical cross-entropy, resumable to the bit."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from research.data.batches import TrainingBatches, read_ahead
from research.data.front_ends.base import FrontEnd
from research.errors import InputError
from research.models.network import Network, Variables
from research.training.augment import AugmentConfig, augment
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.optimiser import LearningRate, make_optimiser, update_average
from research.training.sharding import replicate, shard

# Steps that Python may run ahead of the device; each holds its batch in memory.
_STEPS_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """The part of a `TrainConfig` that is compiled into a step."""

    spectrogram: FrontEnd = TrainConfig.spectrogram
    augment: AugmentConfig = TrainConfig.augment
    optimiser: str = TrainConfig.optimiser
    weight_decay: float = TrainConfig.weight_decay
    label_smoothing: float = TrainConfig.label_smoothing
    averaging: float = TrainConfig.averaging

    @classmethod
    def of(cls, config: TrainConfig) -> Self:
        """The part of this config."""
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})

    def make_optimiser(
        self, learning_rate: optax.Schedule
    ) -> optax.GradientTransformationExtraArgs:
        """The optimiser of this config; see `research.training.optimiser.make_optimiser`."""
        return make_optimiser(self.optimiser, learning_rate, self.weight_decay)


class TrainingState(NamedTuple):
    """Everything that changes from step to step.

    Attributes:
      network: the network that is trained.
      optimiser: state of the optimiser, see `make_optimiser`.
      step: number of steps done.
      totals: `loss`, `correct` and `seen` (segments), summed since the start of the epoch.
      average: moving average of the network's variables; None if there is none.
    """

    network: Network
    optimiser: Any
    step: jax.Array
    totals: dict[str, jax.Array]
    average: Variables | None = None

    @property
    def kept(self) -> Network:
        """The network as it is used: with the averaged variables, if there are any."""
        return self.network if self.average is None else self.network.with_variables(self.average)


def start_state(network: Network, config: StepConfig) -> TrainingState:
    """The state before the first step."""
    # The state does not depend on the learning rate.
    optimiser = config.make_optimiser(optax.constant_schedule(0.0))
    return TrainingState(
        network,
        optimiser.init(network.variables.params),
        jnp.zeros((), jnp.int32),
        no_totals(),
        jax.tree.map(jnp.copy, network.variables) if config.averaging else None,
    )


def no_totals() -> dict[str, jax.Array]:
    """Totals at the start of an epoch."""
    return {name: jnp.zeros(()) for name in ("loss", "correct", "seen")}


def to_saved(state: TrainingState) -> dict[str, Any]:
    """The arrays of a state as a checkpoint holds them; without `average` if there is none.

    Of the optimiser it is the state of its direction. The rest is known from the number of steps.
    """
    average = {} if state.average is None else {"average": state.average}
    return {
        "variables": state.network.variables,
        "optimiser": state.optimiser["direction"],
        "step": state.step,
        "totals": state.totals,
    } | average


def kept_network(saved: dict[str, Any], network: Network) -> Network:
    """The network of `to_saved` as it is used; its structure is that of `network`."""
    return network.with_variables(saved.get("average", saved["variables"]))


def from_saved(saved: dict[str, Any], like: TrainingState) -> TrainingState:
    """The state of `to_saved`; all else is as in `like`, of the same network and config."""
    count = jnp.copy(saved["step"])  # A buffer of its own, since steps donate all of them.
    optimiser = optax.tree.set(like.optimiser, count=count)
    return TrainingState(
        like.network.with_variables(saved["variables"]),
        optimiser | {"direction": saved["optimiser"]},
        saved["step"],
        saved["totals"],
        saved.get("average"),
    )


@jax.jit(static_argnames=("num_classes", "config"), donate_argnames="state")
def train_step(
    state: TrainingState,
    spectrogram: jax.Array,
    label: jax.Array,
    key: jax.Array,
    learning_rate: LearningRate,
    *,
    num_classes: int,
    config: StepConfig,
) -> TrainingState:
    """One gradient step on `[batch, frames, bins]` float32 and labels `[batch]`.

    The loss is the mean cross-entropy over the batch and the heads of the network. Augmentation and
    dropout depend on `key` and the number of the step alone.
    """
    key = jax.random.fold_in(key, state.step)
    augment_key, dropout_key = jax.random.split(key)
    target = jax.nn.one_hot(label, num_classes)
    spectrogram, target = augment(
        spectrogram, target, augment_key, config.augment, config.spectrogram
    )
    target = optax.smooth_labels(target, config.label_smoothing)
    params, stats = state.network.variables

    def loss_of(params: dict[str, Any]) -> tuple[jax.Array, tuple[jax.Array, dict[str, Any]]]:
        network = state.network.with_variables(Variables(params, stats))
        logits, heads, next_stats = network.apply_training(spectrogram, dropout_key)
        return optax.softmax_cross_entropy(heads, target).mean(), (logits, next_stats)

    (loss, (logits, next_stats)), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
    optimiser = config.make_optimiser(learning_rate)
    updates, optimiser_state = optimiser.update(gradient, state.optimiser, params)
    next_params: Any = optax.apply_updates(params, updates)
    variables = Variables(next_params, next_stats)
    correct = jnp.sum(jnp.argmax(logits, axis=-1) == jnp.argmax(target, axis=-1))
    totals = {
        "loss": state.totals["loss"] + loss * len(label),
        "correct": state.totals["correct"] + correct,
        "seen": state.totals["seen"] + len(label),
    }
    average = state.average
    if average is not None:
        average = update_average(average, variables, config.averaging, state.step)
    network = state.network.with_variables(variables)
    return TrainingState(network, optimiser_state, state.step + 1, totals, average)


@jax.jit
def widen(spectrogram: jax.Array) -> jax.Array:
    """Half precision, as segments are stored and moved, to single.

    This is a program of its own, because inside a step XLA converts anew for every product.
    """
    return spectrogram.astype(jnp.float32)


def fit(
    network: Network,
    batches: TrainingBatches,
    *,
    config: TrainConfig,
    num_classes: int,
    mesh: Mesh,
    checkpoints: Checkpoints,
    validate: Callable[[Network], dict[str, float]] | None = None,
    on_resume: Callable[[list[dict[str, Any]]], None] = lambda history: None,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda entry: None,
) -> None:
    """Train from the latest checkpoint, or from `network`, and save a checkpoint each epoch.

    Args:
      network: before its first step; its arrays are donated.
      batches: of the training segments; their seed is also that of dropout and augmentation.
      config: of the training.
      num_classes: number of genres.
      mesh: devices that each batch is spread over.
      checkpoints: where states are saved.
      validate: returns `validation_accuracy` and `validation_loss` of a network. The checkpoint of
        highest accuracy is the best; without `validate`, the last one is.
      on_resume: called once, first, with the metrics of the epochs that are done already.
      on_step: called with the number of steps after each of them is dispatched.
      on_epoch: called with the metrics of each epoch.

    Raises:
      InputError: a checkpoint is damaged, or the weights are no longer finite.
    """
    step_config = StepConfig.of(config)
    state, history = replicate(start_state(network, step_config), mesh), []
    if checkpoints.latest is not None:
        saved, history = checkpoints.load(checkpoints.latest, to_saved(state))
        state = from_saved(saved, state)
    on_resume(history)
    epoch_ends = {batches.epoch_end(epoch): epoch for epoch in range(1, config.num_epochs + 1)}
    num_steps = batches.epoch_end(config.num_epochs)
    num_warmup_steps = batches.epoch_end(config.warmup_epochs)
    learning_rate = LearningRate.of(
        config.learning_rate, num_steps, num_warmup_steps, config.schedule
    )
    key, started = jax.random.key(batches.seed), time.perf_counter()
    steps = range(checkpoints.latest or 0, num_steps)
    for step, batch in zip(steps, read_ahead(batches, steps), strict=True):
        state = train_step(
            state,
            widen(shard(batch.spectrogram, mesh)),
            shard(batch.label, mesh),
            key,
            learning_rate,
            num_classes=num_classes,
            config=step_config,
        )
        if step % _STEPS_AHEAD == 0:
            jax.block_until_ready(state.step)
        on_step(step + 1)
        if step + 1 not in epoch_ends:
            continue
        totals = jax.device_get(state.totals)
        entry = {
            "epoch": epoch_ends[step + 1],
            "step": step + 1,
            "loss": float(totals["loss"] / totals["seen"]),
            "accuracy": float(totals["correct"] / totals["seen"]),
            **(validate(state.kept) if validate else {}),
            "seconds": time.perf_counter() - started,
        }
        if not all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.network)):
            raise InputError(
                f"the weights are no longer finite after epoch {entry['epoch']} (loss "
                f"{entry['loss']}); lower config.learning_rate"
            )
        history.append(entry)
        state = state._replace(totals=replicate(no_totals(), mesh))
        score = entry.get("validation_accuracy", float(step))
        checkpoints.save(step + 1, to_saved(state), score, history)
        on_epoch(entry)
