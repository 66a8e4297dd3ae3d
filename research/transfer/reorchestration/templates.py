"""Pitch templates: how each pitch sounds on the instruments of a piece.

Non-negative matrix factorisation of the magnitudes, `V ~ A W`, by the multiplicative updates of
the Kullback-Leibler divergence (Lee and Seung 2001), from given pitch activations:

    W <- W (A' R) / (A' 1),   A <- A (R W') / (1 W'),   R = V / (A W)

Pitches that are played seldom learn from their neighbours: spectra of close pitches on one
instrument are alike, once they are shifted by the interval.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.transfer.reorchestration.activations import Activations
from research.transfer.reorchestration.grid import (
    HERTZ,
    PITCHES,
    SAMPLE_RATE,
    STFT,
    pad_frames,
    pitch_hertz,
)

_NUM_PITCHES = len(PITCHES)
_MOST_PARTIALS = 60
_FIRST_UPDATES, _ROUNDS, _LEVEL_UPDATES, _UPDATES = 30, 3, 4, 6
_SHARED = 0.8  # Share of the neighbours in each round.
_NOISE_SHARE = 0.02
_NUM_NEIGHBOURS = 7
_LEAST_NORM = 0.03  # Of the mean. In recordings, norms are at least 0.06 of it.
_TINY = 1e-6


class Templates(NamedTuple):
    """How each pitch sounds.

    Attributes:
      spectra: magnitudes of each pitch and of noise, `[pitches + 1, bins]`.
      levels: their activations, `[frames, pitches + 1]`.
    """

    spectra: np.ndarray
    levels: np.ndarray


def learn_templates(magnitude: np.ndarray, activations: Activations) -> Templates:
    """Templates of a piece from its magnitudes, `[frames, bins]`, and its activations."""
    levels = activations.levels
    noise = np.full((len(levels), 1), levels.sum(axis=1).mean() * _NOISE_SHARE)
    levels = np.concatenate([levels, noise], axis=1).astype(np.float32)
    first = _comb(activations.tuning)
    first *= magnitude.sum() / max((levels @ first).sum(), 1e-12)
    spectra, found = _learn(
        pad_frames(magnitude.astype(np.float32)), pad_frames(levels), first.astype(np.float32)
    )
    return Templates(np.asarray(spectra), np.asarray(found)[: len(levels)])


def _comb(tuning: float) -> np.ndarray:
    """First templates: partials h of amplitude 1 / h, and flat noise, `[pitches + 1, bins]`."""
    partial = np.arange(1, _MOST_PARTIALS)
    hertz = pitch_hertz(tuning)[:, None] * partial
    distance = np.abs(HERTZ - hertz[..., None]) / (1.5 * SAMPLE_RATE / STFT.n_fft)
    amplitude = np.where(hertz <= SAMPLE_RATE / 2, 1 / partial, 0)[..., None]
    peaks = (amplitude * np.maximum(0, 1 - distance)).max(axis=1)
    return np.concatenate([np.maximum(peaks, 0.02), np.full((1, len(HERTZ)), 0.05)])


@jax.jit
def _learn(
    magnitude: jax.Array, levels: jax.Array, spectra: jax.Array
) -> tuple[jax.Array, jax.Array]:
    def update_spectra(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        levels, spectra = state
        ratio = magnitude / (levels @ spectra + _TINY)
        return levels, spectra * (levels.T @ ratio) / (levels.sum(axis=0)[:, None] + _TINY)

    def update_levels(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        levels, spectra = state
        ratio = magnitude / (levels @ spectra + _TINY)
        return levels * (ratio @ spectra.T) / (spectra.sum(axis=1) + _TINY), spectra

    def share(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        levels, spectra = _comparable(*state)
        filled = _fill(spectra[:-1], levels[:, :-1], 1.5)
        mixed = spectra[:-1] ** (1 - _SHARED) * filled**_SHARED
        state = levels, jnp.concatenate([mixed, spectra[-1:]])
        state = jax.lax.fori_loop(0, _LEVEL_UPDATES, update_levels, state)
        return jax.lax.fori_loop(0, _UPDATES, update_spectra, state)

    state = jax.lax.fori_loop(0, _FIRST_UPDATES, update_spectra, (levels, spectra))
    levels, spectra = _comparable(*jax.lax.fori_loop(0, _ROUNDS, share, state))
    return spectra, levels


def _comparable(levels: jax.Array, spectra: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same product, without spectra of a norm 30 dB under the mean of what is played.

    A pitch that is not played has hardly any level and may get any spectrum. Where a click is laid
    to such pitches, tiny spectra would have levels that outweigh all notes.
    """
    norm = jnp.sqrt(jnp.square(spectra).sum(axis=1, keepdims=True)) + 1e-30
    energy = jnp.square(levels).sum(axis=0)[:, None] * jnp.square(norm)
    mean = jnp.exp((energy * jnp.log(norm)).sum() / jnp.maximum(energy.sum(), 1e-30))
    raised = jnp.maximum(1.0, _LEAST_NORM * mean / norm)
    return levels / raised[:, 0], spectra * raised


def fill_pitches(spectra: np.ndarray, levels: np.ndarray, width: float) -> np.ndarray:
    """Each pitch's template as the mean of its neighbours' by their energy.

    A geometric mean of the seven heaviest, shifted along frequency by the interval.

    Args:
      spectra: `[pitches, bins]`.
      levels: activations of the pitches, `[frames, pitches]`.
      width: standard deviation of the weights in semitones.
    """
    return np.asarray(_fill_alone(spectra, pad_frames(levels), width))


def _fill(spectra: jax.Array, levels: jax.Array, width: jax.Array | float) -> jax.Array:
    energy = jnp.square(levels).sum(axis=0)
    energy = energy / jnp.maximum(energy.max(), 1e-30)
    interval = np.arange(_NUM_PITCHES)[None] - np.arange(_NUM_PITCHES)[:, None]
    near = jnp.exp(-0.5 * jnp.square(interval / width))
    far = 1e-3 * jnp.exp(-0.5 * jnp.square(interval / 10.0))
    weights, others = jax.lax.top_k(energy * (near + far) + 1e-12, _NUM_NEIGHBOURS)
    num_bins = spectra.shape[1]
    steps = others - np.arange(_NUM_PITCHES)[:, None]
    # The neighbour's partials lie at other frequencies, by the ratio of the interval.
    place = np.arange(num_bins) * jnp.exp2(steps[..., None] / 12.0)
    place = jnp.minimum(place, num_bins - 1.0)
    low = jnp.minimum(place.astype(jnp.int32), num_bins - 2)
    part, logs = place - low, jnp.log(spectra + _TINY)
    rows = others[..., None]
    shifted = (1 - part) * logs[rows, low] + part * logs[rows, low + 1]
    return jnp.exp((weights[..., None] * shifted).sum(axis=1) / weights.sum(axis=1)[:, None])


_fill_alone = jax.jit(_fill)
