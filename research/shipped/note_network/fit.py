"""Training of the network for notes, and how well it hears notes of music that it was not shown."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from research.shipped.note_network.mixtures import Mixture
from research.training.checkpoints import Checkpoints
from research.transfer.reorchestration.note_network import (
    RANGE_DB,
    NoteConfig,
    NoteNetwork,
    loudest_bins,
    network_with,
    note_levels,
    parameters_of,
    spectrum_levels,
)

_BATCH, _FRAMES = 6, 96
_LEARNING_RATE, _WARMUP_STEPS, _DECAY = 3e-3, 100, 1e-3
_AUDIBLE = 0.2  # Output from which an error counts four times: 48 dB below a full level.
_SOUNDS = 0.4  # Output from which a pitch counts as sounding: -36 dB.
_PERCUSSION_WEIGHT = 0.02  # Of one value a frame beside 73.
_KEPT_STEPS = 250  # From one checkpoint to the next.


class Accuracy(NamedTuple):
    """Accuracy of the note levels.

    Attributes:
      f1: of pitches that sound, frame by frame, at -36 dB.
      level_error: mean absolute error of the level of pitches that sound, dB.
      percussion_error: the same of percussion in all frames, dB.
    """

    f1: float
    level_error: float
    percussion_error: float


def fit(
    mixtures: list[Mixture],
    num_steps: int,
    seed: int,
    on_step: Callable[[int, float], None],
    checkpoints: Checkpoints,
) -> Any:
    """Parameters after so many steps of AdamW along a cosine.

    The loss is the squared error of `note_levels`, four times as heavy where a pitch is audible.

    Args:
      mixtures: to train on.
      num_steps: of six excerpts of 96 frames each.
      seed: of weights and order.
      on_step: called with the number of each step and its loss.
      checkpoints: of this training, which goes on from the latest.

    Raises:
      InputError: a checkpoint is damaged or cannot be written.
    """
    config = NoteConfig()
    parameters = parameters_of(NoteNetwork(config, nnx.Rngs(seed)))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, _LEARNING_RATE, min(_WARMUP_STEPS, num_steps // 2), num_steps, 1e-5
    )
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=_DECAY)
    )

    def loss_of(parameters: Any, levels: jax.Array, wanted: jax.Array, tuning: jax.Array):
        error = jnp.square(network_with(parameters)(levels, tuning) - wanted)
        pitches = (error * jnp.where(wanted > _AUDIBLE, 4.0, 1.0))[..., :-1]
        return pitches.mean() + _PERCUSSION_WEIGHT * error[..., -1].mean()

    @jax.jit
    def take_step(parameters: Any, moments: Any, *batch: jax.Array) -> tuple[Any, jax.Array]:
        loss, gradient = jax.value_and_grad(loss_of)(parameters, *batch)
        updates, moments = optimiser.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments), loss

    state = jax.device_put((parameters, optimiser.init(parameters)))
    done = checkpoints.latest or 0
    if done:
        state, _ = checkpoints.load(done, state)
    generator = np.random.default_rng(seed)
    order: list[int] = []
    for step in range(1, num_steps + 1):
        if len(order) < _BATCH:
            order = generator.permutation(max(len(mixtures), _BATCH)).tolist()
        chosen = [mixtures[order.pop() % len(mixtures)] for _ in range(_BATCH)]
        start = int(generator.integers(len(chosen[0].spectrum) - _FRAMES + 1))
        if step <= done:  # What follows is drawn as if there had been no break.
            continue
        batch = _batch(chosen, slice(start, start + _FRAMES), config)
        state, loss = take_step(*state, *batch)
        if step % _KEPT_STEPS == 0:
            checkpoints.save(step, state, step, [])
        on_step(step, float(loss))
    return state[0]


def measure(parameters: Any, mixtures: list[Mixture]) -> Accuracy:
    """Accuracy on mixtures."""
    config = NoteConfig()
    apply = jax.jit(lambda parameters, *inputs: network_with(parameters)(*inputs))
    hits = found = there = 0
    level_errors, percussion_errors = [], []
    for mixture in mixtures:
        levels, wanted, tuning = _batch([mixture], slice(None), config)
        estimated, wanted = np.asarray(apply(parameters, levels, tuning)), np.asarray(wanted)
        error = np.abs(estimated - wanted) * RANGE_DB
        sounds, is_estimated = (values[..., :-1] > _SOUNDS for values in (wanted, estimated))
        hits += (sounds & is_estimated).sum()
        found += is_estimated.sum()
        there += sounds.sum()
        level_errors.append(error[..., :-1][sounds])
        percussion_errors.append(error[..., -1].ravel())
    return Accuracy(
        float(2 * hits / max(found + there, 1)),
        float(np.concatenate(level_errors).mean()),
        float(np.concatenate(percussion_errors).mean()),
    )


def _batch(
    mixtures: list[Mixture], frames: slice, config: NoteConfig
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Levels of the spectrum, levels of the notes, and tuning."""
    spectrum = np.stack([one.spectrum for one in mixtures]).astype(np.float32)
    loudest = loudest_bins(spectrum)
    wanted = np.stack([one.amplitudes[frames] for one in mixtures]).astype(np.float32)
    tuning = np.stack([one.tuning for one in mixtures])
    return _levels(spectrum[:, frames], wanted, loudest, tuning, config)


@functools.partial(jax.jit, static_argnames="config")
def _levels(
    spectrum: jax.Array,
    wanted: jax.Array,
    loudest: jax.Array,
    tuning: jax.Array,
    config: NoteConfig,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    return spectrum_levels(spectrum, loudest), note_levels(wanted, loudest, config), tuning
