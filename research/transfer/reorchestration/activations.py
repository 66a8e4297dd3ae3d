"""Pitch activations: when and how loud each pitch of a piece sounds.

Non-negative matrix factorisation of a log-frequency spectrum, `V ~ H W`, with the beta divergence
of beta = 1/2 (Fevotte and Idier 2011), between Itakura-Saito, which hears soft partials, and
Kullback-Leibler, by the multiplicative updates

    H <- H ((V M^(beta - 2)) W' / (M^(beta - 1) W'))^(1 / (2 - beta)),   M = H W

W has a harmonic template a pitch and a flat one for noise. All pitches share one spectral envelope,
which is adapted in turns with H (as Vincent, Bertin and Badeau 2010 do with a narrower one).

A network estimates the levels, too (`note_network`). It was trained on many instruments and does
not mistake drums for pitches; the factorisation fits the recording itself more closely. The result
is a weighted geometric mean of both.
"""

from typing import NamedTuple

import jax
import numpy as np

from research.products import matmul
from research.transfer.reorchestration.blocks import (
    TINY,
    join_blocks,
    map_blocks,
    slope,
    split_blocks,
    sum_frames,
    sum_squares,
)
from research.transfer.reorchestration.grid import PITCHES, SAMPLE_RATE, pitch_hertz
from research.transfer.reorchestration.note_estimates import estimate_notes
from research.transfer.reorchestration.spectra import between
from research.transfer.reorchestration.spectrum import (
    BINS_PER_OCTAVE,
    BINS_PER_SEMITONE,
    HERTZ,
    NUM_BINS,
    SPLITS,
    WINDOWS,
    analyse,
)

_POWER = 0.75  # Compresses the spectrum, so that soft partials count.
_FLOOR = 1e-4
_NUM_PARTIALS = 24
_PARTIAL_DECAY = 1.4  # Partial h has the amplitude h^-1.4.
_HIGHEST_PARTIAL = 9800.0  # Hz.
_FIRST_UPDATES, _UPDATES, _ROUNDS = 15, 6, 3
_EXPONENT = 1 / 1.5  # 1 / (2 - beta), for beta < 1.
_SHARED_PITCHES = 7  # Neighbours on each side that share the envelope.
_SHARED_WIDTH = 3.5  # Standard deviation in semitones.
_INTERVALS = np.arange(len(PITCHES))[:, None] - np.arange(len(PITCHES))
_SHARING = np.exp(-0.5 * np.square(_INTERVALS / _SHARED_WIDTH)) * (
    np.abs(_INTERVALS) <= _SHARED_PITCHES
)
_GAIN = 5.0  # An envelope changes by this factor at most in a round.
_SILENT = 1e-4

OF_CONTENT, OF_STYLE = 0.9, 0.25
"""Weights of the network in the geometric mean. For a content the network separates notes best. The
templates of a style should explain all of its sound, so its activations are less sparse.
"""


class Activations(NamedTuple):
    """When and how loud each pitch sounds.

    Attributes:
      levels: amplitude of each pitch, `[frames, pitches]`.
      tuning: semitones from A4 = 440 Hz, -0.5 to 0.5.
      percussive_share: energy of percussion as a fraction of all, `[frames]`, 0 to 1.
    """

    levels: np.ndarray
    tuning: float
    percussive_share: np.ndarray


def find_activations(samples: np.ndarray, *shares: float) -> list[Activations]:
    """Pitch activations, one for each share of the network.

    Args:
      samples: mono `[samples]` at 22 050 Hz.
      shares: `OF_CONTENT`, `OF_STYLE`, or both.
    """
    spectrum = analyse(samples)
    compressed = spectrum.magnitude**_POWER
    loudest = np.percentile(compressed.max(axis=1), 95)
    observed = compressed / max(loudest, 1e-12) + _FLOOR
    levels = _factorise(observed, _harmonic_templates(spectrum.tuning)) ** (1 / _POWER)
    estimated = estimate_notes(spectrum)
    return [
        Activations(
            _mean(levels, estimated.pitches, share), spectrum.tuning, estimated.percussive_share
        )
        for share in shares
    ]


def _mean(levels: np.ndarray, estimated: np.ndarray, share: float) -> np.ndarray:
    """Weighted geometric mean of activations above -80 dB, at the energy of the first."""
    energies = [np.square(each).mean() for each in (levels, estimated)]
    estimated = estimated * np.sqrt(energies[0] / max(energies[1], 1e-30))
    return between(levels, estimated, share, _SILENT * levels.max() + 1e-30)


def _harmonic_templates(tuning: float) -> np.ndarray:
    """Gaussian partials of each pitch, compressed, of norm 1, `[pitches, log bins]`."""
    hertz = pitch_hertz(tuning)[:, None] * np.arange(1, _NUM_PARTIALS + 1)
    amplitude = np.arange(1, _NUM_PARTIALS + 1) ** -_PARTIAL_DECAY * (hertz <= _HIGHEST_PARTIAL)
    window = np.asarray(WINDOWS)[np.searchsorted(SPLITS, hertz, side="right")]
    spread = np.maximum(BINS_PER_OCTAVE * np.log2(1 + SAMPLE_RATE / window / hertz) * 0.9, 1)
    distance = BINS_PER_OCTAVE * np.log2(HERTZ / hertz[..., None]) / spread[..., None]
    templates = (amplitude[..., None] * np.exp(-0.5 * np.square(distance))).sum(axis=1) ** _POWER
    return (templates / np.linalg.norm(templates, axis=1, keepdims=True)).astype(np.float32)


def _factorise(observed: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Activations of the pitches, compressed, `[frames, pitches]`.

    Args:
      observed: compressed spectrum, `[frames, log bins]`.
      first: of `_harmonic_templates`.
    """
    noise = np.full((1, NUM_BINS), 1 / np.sqrt(NUM_BINS), np.float32)
    templates = np.concatenate([first, noise])
    blocks = split_blocks(observed)
    levels = split_blocks(np.maximum(observed @ templates.T, TINY) * 0.1)
    levels = map_blocks(_update, blocks, levels, templates, _FIRST_UPDATES)
    for _ in range(_ROUNDS):
        templates = np.concatenate([_share_envelope(blocks, levels, templates, first), noise])
        levels = map_blocks(_update, blocks, levels, templates, _UPDATES)
    return join_blocks(levels, len(observed))[:, :-1]


@jax.jit
def _update(observed: jax.Array, levels: jax.Array, templates: jax.Array, count: int) -> jax.Array:
    """Activations of a block after `count` updates."""

    def once(_: jax.Array, levels: jax.Array) -> jax.Array:
        root = jax.lax.rsqrt(matmul(levels, templates) + TINY)
        slope = matmul(observed * root**3, templates.T)
        return levels * (slope / matmul(root, templates.T)) ** _EXPONENT

    return jax.lax.fori_loop(0, count, once, levels)


def _share_envelope(
    blocks: list[jax.Array], levels: list[jax.Array], templates: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """Templates of the pitches after a step towards the spectrum, one envelope for close pitches.

    The log ratio to the first templates is averaged over neighbours, shifted by their interval, so
    that a partial of a pitch learns from the same partial of its neighbours.
    """
    gain = slope(blocks, levels, templates)[:-1] / (sum_frames(levels)[:-1, None] + TINY)
    moved = np.log((templates[:-1] * gain.clip(1 / _GAIN, _GAIN) + 1e-5) / (first + 1e-5))
    # Along a row of bins shifted by three a semitone, one partial keeps its place for all pitches.
    pitches, bins = np.arange(len(PITCHES))[:, None], np.arange(NUM_BINS)
    weights = _SHARING * np.sqrt(sum_squares(levels)[:-1])
    shared = weights @ moved[pitches, (bins + BINS_PER_SEMITONE * pitches) % NUM_BINS]
    shared = shared[pitches, (bins - BINS_PER_SEMITONE * pitches) % NUM_BINS]
    shared = first * np.exp(shared / (weights.sum(axis=1, keepdims=True) + 1e-3))
    return (shared / np.linalg.norm(shared, axis=1, keepdims=True)).astype(np.float32)
