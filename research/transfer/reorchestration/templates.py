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

from research.products import matmul
from research.transfer.reorchestration.activations import Activations
from research.transfer.reorchestration.blocks import (
    TINY,
    join_blocks,
    map_blocks,
    slope,
    split_blocks,
    sum_frames,
    sum_squares,
)
from research.transfer.reorchestration.grid import HERTZ, PITCHES, SAMPLE_RATE, STFT, pitch_hertz

_NUM_PITCHES = len(PITCHES)
_MOST_PARTIALS = 60
_FIRST_UPDATES, _ROUNDS, _LEVEL_UPDATES, _UPDATES = 30, 3, 4, 6
_SHARED = 0.8  # Share of the neighbours in each round.
_NOISE_SHARE = 0.02
_NUM_NEIGHBOURS = 7
_LEAST_NORM = 0.1  # Of the mean.
_FILL_WIDTH = 1.5  # Semitones.


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
    first *= magnitude.sum() / max(levels.sum(axis=0) @ first.sum(axis=1), 1e-12)
    blocks, played = split_blocks(magnitude), split_blocks(levels)
    spectra = _update_spectra(blocks, played, first.astype(np.float32), _FIRST_UPDATES)
    for _ in range(_ROUNDS):
        spectra, played = _comparable(spectra, played)
        filled = _fill(spectra[:-1], sum_squares(played)[:-1], _FILL_WIDTH)
        mixed = spectra[:-1] ** (1 - _SHARED) * np.asarray(filled) ** _SHARED
        spectra = np.concatenate([mixed, spectra[-1:]])
        played = map_blocks(_update_levels, blocks, played, spectra)
        spectra = _update_spectra(blocks, played, spectra, _UPDATES)
    spectra, played = _comparable(spectra, played)
    return Templates(spectra, join_blocks(played, len(levels)))


def _comb(tuning: float) -> np.ndarray:
    """First templates: partials h of amplitude 1 / h, and flat noise, `[pitches + 1, bins]`."""
    width, peaks = 1.5 * SAMPLE_RATE / STFT.n_fft, np.full((_NUM_PITCHES, len(HERTZ)), 0.02)
    for partial in range(1, _MOST_PARTIALS):
        hertz = partial * pitch_hertz(tuning)[:, None]
        peak = np.maximum(0, 1 - np.abs(HERTZ - hertz) / width) / partial
        peaks = np.maximum(peaks, peak * (hertz <= SAMPLE_RATE / 2))
    return np.concatenate([peaks, np.full((1, len(HERTZ)), 0.05)])


def _update_spectra(
    blocks: list[jax.Array], levels: list[jax.Array], spectra: np.ndarray, count: int
) -> np.ndarray:
    total = sum_frames(levels)[:, None] + TINY
    for _ in range(count):
        spectra = spectra * slope(blocks, levels, spectra) / total
    return spectra


@jax.jit
def _update_levels(magnitude: jax.Array, levels: jax.Array, spectra: jax.Array) -> jax.Array:
    def update(_: jax.Array, levels: jax.Array) -> jax.Array:
        ratio = magnitude / (matmul(levels, spectra) + TINY)
        return levels * matmul(ratio, spectra.T) / (spectra.sum(axis=1) + TINY)

    return jax.lax.fori_loop(0, _LEVEL_UPDATES, update, levels)


def _comparable(spectra: np.ndarray, levels: list[jax.Array]) -> tuple[np.ndarray, list[jax.Array]]:
    """The same product, without spectra of a norm 20 dB under the mean of what is played.

    A pitch that is not played has hardly any level and may get any spectrum. Where a click is laid
    to such pitches, tiny spectra would have levels that outweigh all notes.
    """
    norm = np.sqrt(np.square(spectra).sum(axis=1)) + 1e-30
    energy = sum_squares(levels) * np.square(norm)
    mean = np.exp((energy * np.log(norm)).sum() / max(energy.sum(), 1e-30))
    raised = np.maximum(1.0, _LEAST_NORM * mean / norm).astype(np.float32)
    return spectra * raised[:, None], [
        jax.device_put(np.asarray(block) / raised) for block in levels
    ]


def fill_pitches(spectra: np.ndarray, levels: np.ndarray, width: float) -> np.ndarray:
    """Each pitch's template as the mean of its neighbours' by their energy.

    A geometric mean of the seven heaviest, shifted along frequency by the interval.

    Args:
      spectra: `[pitches, bins]`.
      levels: activations of the pitches, `[frames, pitches]`.
      width: standard deviation of the weights in semitones.
    """
    return np.asarray(_fill(spectra, np.square(levels).sum(axis=0), width))


@jax.jit
def _fill(spectra: jax.Array, energy: jax.Array, width: float) -> jax.Array:
    """See `fill_pitches`; `energy` of the activations, `[pitches]`."""
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
    part, logs = place - low, jnp.log(spectra + TINY)
    rows = others[..., None]
    shifted = (1 - part) * logs[rows, low] + part * logs[rows, low + 1]
    return jnp.exp((weights[..., None] * shifted).sum(axis=1) / weights.sum(axis=1)[:, None])
