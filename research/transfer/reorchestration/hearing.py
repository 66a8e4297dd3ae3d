"""What the network for notes hears in a piece: how loud each pitch and the percussion are."""

import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from research.models.network import Variables
from research.training.weights import load_weights
from research.transfer.reorchestration.grid import BLOCK, pad_frames
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

_CONTEXT = 8  # Frames on each side of a block; the network looks at four.


class Heard(NamedTuple):
    """What is heard, in amplitudes on one scale.

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


def hear(spectrum: Spectrum) -> Heard:
    """Levels of pitches and percussion by the shipped network.

    Raises:
      InputError: the weights are missing or damaged.
    """
    magnitude = spectrum.magnitude
    # Blocks of frames, so that lengths share a program.
    padded = np.pad(pad_frames(magnitude), [(_CONTEXT, _CONTEXT), (0, 0)])
    tuning = np.asarray([spectrum.tuning], np.float32)
    found = _apply(_parameters(), padded, loudest_bins(magnitude), tuning)
    heard = amplitudes(np.asarray(found)[: len(magnitude)])
    return Heard(heard[:, :-1], heard[:, -1])


@functools.cache
def _parameters() -> Any:
    like = jax.eval_shape(lambda: parameters_of(NoteNetwork(NoteConfig(), nnx.Rngs(0))))
    return load_weights(WEIGHTS, Variables(like, {})).params


@jax.jit
def _apply(
    parameters: Any, magnitude: jax.Array, loudest: jax.Array, tuning: jax.Array
) -> jax.Array:
    """Outputs `[frames, pitches + 1]`, block by block, since stacks of partials are large."""
    network, levels = network_with(parameters), spectrum_levels(magnitude, loudest)
    num_blocks = (len(levels) - 2 * _CONTEXT) // BLOCK

    def apply(first: jax.Array) -> jax.Array:
        block = jax.lax.dynamic_slice_in_dim(levels, first, BLOCK + 2 * _CONTEXT)
        return network(block[None], tuning)[0, _CONTEXT:-_CONTEXT]

    found = jax.lax.map(apply, BLOCK * jnp.arange(num_blocks))
    return found.reshape(num_blocks * BLOCK, -1)
