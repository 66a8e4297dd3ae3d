"""Levels of each pitch and of percussion in a piece, estimated by the note network."""

import functools
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from research.models.network import Variables
from research.training.weights import load_weights
from research.transfer.reorchestration.blocks import BLOCK, join_blocks
from research.transfer.reorchestration.note_network import (
    NoteConfig,
    NoteNetwork,
    amplitudes,
    loudest_bins,
    network_with,
    parameters_of,
    spectrum_levels,
)
from research.transfer.reorchestration.spectrum import Spectrum

WEIGHTS = pathlib.Path(__file__).parents[2] / "shipped" / "note_network" / "weights.npz"
"""The network that is used, in half precision."""

_CONTEXT = NoteConfig().reach  # Frames on each side of a block.


class NoteEstimates(NamedTuple):
    """Amplitudes of the pitches and of percussion, on one scale.

    Attributes:
      pitches: `[frames, pitches]`.
      percussion: `[frames]`.
    """

    pitches: np.ndarray
    percussion: np.ndarray

    @property
    def percussive_share(self) -> np.ndarray:
        """Energy of percussion as a fraction of all, `[frames]`, 0 to 1."""
        percussion = np.square(self.percussion)
        return percussion / (percussion + np.square(self.pitches).sum(axis=1) + 1e-12)


def estimate_notes(spectrum: Spectrum) -> NoteEstimates:
    """Levels of pitches and percussion by the shipped network.

    Raises:
      InputError: the weights are missing or damaged.
    """
    magnitude = spectrum.magnitude
    after = -len(magnitude) % BLOCK + _CONTEXT
    padded = np.pad(magnitude, [(_CONTEXT, after), (0, 0)])
    loudest, tuning = loudest_bins(magnitude), np.asarray([spectrum.tuning], np.float32)
    found = [
        _apply(_parameters(), padded[first:][: BLOCK + 2 * _CONTEXT], loudest, tuning)
        for first in range(0, len(magnitude), BLOCK)
    ]
    estimated = amplitudes(join_blocks(found, len(magnitude)))
    return NoteEstimates(estimated[:, :-1], estimated[:, -1])


@functools.cache
def _parameters() -> Any:
    like = jax.eval_shape(lambda: parameters_of(NoteNetwork(NoteConfig(), nnx.Rngs(0))))
    return jax.device_put(load_weights(WEIGHTS, Variables(like, {})).params)


@jax.jit
def _apply(
    parameters: Any, magnitude: jax.Array, loudest: jax.Array, tuning: jax.Array
) -> jax.Array:
    """Outputs of a block with context on both sides, `[128, pitches + 1]`."""
    levels = spectrum_levels(magnitude, loudest)
    return network_with(parameters)(levels[None], tuning)[0, _CONTEXT:-_CONTEXT]
