"""The training loop: AdamW on categorical cross-entropy, resumable to the bit."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from research.data.batches import TrainingBatches, read_ahead
from research.data.front_ends.base import FrontEnd
from research.data.front_ends.stft import SpectrogramConfig
from research.errors import InputError
from research.models.network import Network, Variables
from research.training.augment import AugmentConfig, augment
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.sharding import replicate, shard

# Python may run ahead of the device by so many steps; each holds its batch in memory.
_STEPS_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """What of a training is compiled into its step; see `TrainConfig`."""

    spectrogram: FrontEnd = SpectrogramConfig()
    augment: AugmentConfig = AugmentConfig()
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    averaging: float = 0.0

    @classmethod
    def of(cls, config: TrainConfig) -> Self:
        """That of a training."""
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})


class TrainingState(NamedTuple):
    """All that changes from step to step.

    Attributes:
      network: the network that is trained.
      optimiser: Adam's moments.
      step: steps done.
      totals: `loss`, `correct` and `seen`, summed since the epoch began.
      average: of the network's variables over the steps; None where no average is kept.
    """

    network: Network
    optimiser: optax.OptState
    step: jax.Array
    totals: dict[str, jax.Array]
    average: Variables | None = None

    @property
    def kept(self) -> Network:
        """The network as it is used: with the averaged variables, if there are any."""
        return self.network if self.average is None else self.network.with_variables(self.average)


def start_state(network: Network, averaging: float = 0.0) -> TrainingState:
    """The state before the first step."""
    optimiser = optax.scale_by_adam().init(network.variables.params)
    average = jax.tree.map(jnp.copy, network.variables) if averaging else None
    return TrainingState(network, optimiser, jnp.zeros((), jnp.int32), no_totals(), average)


def to_saved(state: TrainingState) -> dict[str, Any]:
    """The arrays of a state as a checkpoint holds them; without `average` if there is none."""
    average = {} if state.average is None else {"average": state.average}
    return {
        "variables": state.network.variables,
        "optimiser": state.optimiser,
        "step": state.step,
        "totals": state.totals,
    } | average


def from_saved(saved: dict[str, Any], network: Network) -> TrainingState:
    """The state of `to_saved`, of a network of the same structure as `network`."""
    return TrainingState(
        network.with_variables(saved["variables"]),
        saved["optimiser"],
        saved["step"],
        saved["totals"],
        saved.get("average"),
    )


def no_totals() -> dict[str, jax.Array]:
    """Totals at the start of an epoch."""
    return {name: jnp.zeros(()) for name in ("loss", "correct", "seen")}


@jax.jit(static_argnames=("num_classes", "config"), donate_argnames="state")
def train_step(
    state: TrainingState,
    spectrogram: jax.Array,
    label: jax.Array,
    key: jax.Array,
    learning_rate: jax.Array,
    *,
    num_classes: int,
    config: StepConfig,
) -> TrainingState:
    """One step of AdamW on `[batch, frames, bins]` float32 and labels `[batch]`.

    The loss is the mean over the heads of the network. Augmentation and dropout depend on `key` and
    the number of the step alone.
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
    update, optimiser = optax.scale_by_adam().update(gradient, state.optimiser)
    if config.weight_decay:
        update = jax.tree.map(
            lambda change, param: change + config.weight_decay * param * (param.ndim > 1),
            update,
            params,
        )
    params = jax.tree.map(lambda param, change: param - learning_rate * change, params, update)
    variables = Variables(params, next_stats)
    correct = jnp.sum(jnp.argmax(logits, axis=-1) == jnp.argmax(target, axis=-1))
    totals = {
        "loss": state.totals["loss"] + loss * len(label),
        "correct": state.totals["correct"] + correct,
        "seen": state.totals["seen"] + len(label),
    }
    average = state.average
    if average is not None:
        # The first steps count less, being the farthest from the last.
        kept = jnp.minimum(config.averaging, (state.step + 2) / (state.step + 11))
        average = jax.tree.map(lambda old, new: old + (1 - kept) * (new - old), average, variables)
    network = state.network.with_variables(variables)
    return TrainingState(network, optimiser, state.step + 1, totals, average)


def learning_rates(config: TrainConfig, batches: TrainingBatches) -> np.ndarray:
    """The learning rate of every step, `[steps]` float32."""
    num_steps = batches.epoch_end(config.num_epochs)
    warmup = batches.epoch_end(config.warmup_epochs)
    rates = np.full(num_steps, config.learning_rate)
    rates[:warmup] *= np.arange(1, warmup + 1) / max(warmup, 1)
    if config.schedule == "cosine":
        done = np.arange(num_steps - warmup) / max(num_steps - warmup, 1)
        rates[warmup:] *= (1 + np.cos(np.pi * done)) / 2
    return rates.astype(np.float32)


@jax.jit
def widen(spectrogram: jax.Array) -> jax.Array:
    """Half precision, as it is stored and moved, to single.

    A program of its own: inside of the step XLA would widen once for every product.
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
    """Train from the latest checkpoint, or from `network`, into checkpoints.

    Args:
      network: before its first step; its arrays are used up.
      batches: what to train on; its seed is that of dropout and augmentation, too.
      config: of the training.
      num_classes: that are told apart.
      mesh: over which a batch is split.
      checkpoints: where the state is kept after each epoch.
      validate: metrics on the validation part, `validation_accuracy` and `validation_loss`. The
        first says which checkpoint is the best; without it, it is the last.
      on_resume: called once, first, with the metrics of the epochs that are done already.
      on_step: called after each step, which may not be done yet.
      on_epoch: called with the metrics of each epoch.

    Raises:
      InputError: a checkpoint is damaged, or the weights are no longer finite.
    """
    state, history = replicate(start_state(network, config.averaging), mesh), []
    if checkpoints.latest is not None:
        saved, history = checkpoints.load(checkpoints.latest, to_saved(state))
        state = from_saved(saved, network)
    first = checkpoints.latest or 0
    on_resume(history)
    epoch_ends = {batches.epoch_end(epoch): epoch for epoch in range(1, config.num_epochs + 1)}
    rates, step_config = learning_rates(config, batches), StepConfig.of(config)
    key, started = jax.random.key(batches.seed), time.perf_counter()
    steps = range(first, len(rates))
    for step, batch in zip(steps, read_ahead(batches, steps), strict=True):
        state = train_step(
            state,
            widen(shard(batch.spectrogram, mesh)),
            shard(batch.label, mesh),
            key,
            rates[step],
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
        checkpoints.save(
            step + 1, to_saved(state), entry.get("validation_accuracy", float(step)), history
        )
        on_epoch(entry)
