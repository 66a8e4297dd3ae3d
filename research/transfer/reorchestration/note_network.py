"""A small network that estimates the levels of each pitch and of percussion over time.

The partials of a pitch are stacked as channels (harmonic stacking, Bittner et al. 2022), so that
one layer serves all pitches:

    x[t, p, (h, o)] = S[t, b(p) + 36 log2 h + o],   h = 1/2, 1, 2, ... 12,   o = -1, 0, 1 bins

with S the level of a log-frequency bin and b(p) the bin of a pitch at the tuning of the piece.
Residual blocks follow, each a convolution over time and pitch, dilated more from block to block,
and a product that mixes all pitches, since a pitch is masked where others have partials.
Percussion is found beside it, by convolutions over time of all bins.

It is trained on music that is made for it, `python -m research.shipped.note_network`.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from research.products import FULL, einsum
from research.transfer.reorchestration.grid import PITCHES
from research.transfer.reorchestration.spectrum import (
    BINS_PER_OCTAVE,
    BINS_PER_SEMITONE,
    LOWEST_PITCH,
    NUM_BINS,
)

RANGE_DB = 60.0
"""Levels of notes lie in this range."""

_LOUD = 95  # Percentile.
_SPECTRUM_DB = 80.0
_HARMONICS = (0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12)
_OFFSETS = (-1, 0, 1)  # Bins.
_TALLEST = 1.2  # Largest output; 1 is `full_level`.
_PITCH_WIDTH, _TIME_WIDTH, _PERCUSSION_FRAMES = 3, 3, 7

_linear = functools.partial(nnx.Linear, precision=FULL)
_conv = functools.partial(nnx.Conv, precision=FULL)


@dataclasses.dataclass(frozen=True)
class NoteConfig:
    """Architecture of the network.

    Attributes:
      width: channels of each pitch.
      dilations: frames between the taps of the convolution of each residual block.
      percussion: channels of the layers for percussion.
      full_level: level of a note, relative to the loudest bins, for which the output is 1.
    """

    width: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    percussion: int = 32
    full_level: float = 0.042

    @property
    def reach(self) -> int:
        """Receptive field on each side of a frame, in frames."""
        return max(_TIME_WIDTH // 2 * sum(self.dilations), _PERCUSSION_FRAMES // 2)


class NoteNetwork(nnx.Module):
    """Levels of pitches and of percussion; see the module."""

    def __init__(self, config: NoteConfig, rngs: nnx.Rngs):
        width, num_pitches = config.width, len(PITCHES)
        self.first = _linear(len(_HARMONICS) * len(_OFFSETS), width, rngs=rngs)
        self.pitch = nnx.Param(jnp.zeros((num_pitches, width)))
        self.blocks = nnx.List(_Block(width, one, rngs) for one in config.dilations)
        self.last = _linear(width, 1, rngs=rngs)
        self.bins = _linear(NUM_BINS, config.percussion, rngs=rngs)
        self.over_time = _conv(
            config.percussion, config.percussion, (_PERCUSSION_FRAMES,), rngs=rngs
        )
        self.percussion = _linear(config.percussion, 1, rngs=rngs)

    def __call__(self, levels: jax.Array, tuning: jax.Array) -> jax.Array:
        """Levels of the pitches and of percussion, 0 to 1.2, `[batch, frames, pitches + 1]`.

        Args:
          levels: of `spectrum_levels`, `[batch, frames, log bins]`.
          tuning: semitones from A4 = 440 Hz, `[batch]`.
        """
        x = jax.nn.relu(self.first(stack_harmonics(levels, tuning)) + self.pitch[...])
        for block in self.blocks:
            x = block(x)
        percussion = jax.nn.relu(self.over_time(jax.nn.relu(self.bins(levels))))
        found = jnp.concatenate([self.last(x)[..., 0], self.percussion(percussion)], axis=-1)
        return _TALLEST * jax.nn.sigmoid(found)


class _Block(nnx.Module):
    """`x + W relu(V y + M y)`, y a convolution of x, V over channels, M over pitches."""

    def __init__(self, width: int, dilation: int, rngs: nnx.Rngs):
        size = _TIME_WIDTH, _PITCH_WIDTH
        self.convolution = _conv(width, width, size, kernel_dilation=(dilation, 1), rngs=rngs)
        self.channels = _linear(width, width, rngs=rngs)
        self.pitches = nnx.Param(0.02 * jax.random.normal(rngs.params(), (len(PITCHES),) * 2))
        self.output = _linear(width, width, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[batch, frames, pitches, width]` to the same shape."""
        y = jax.nn.relu(self.convolution(x))
        mixed = einsum("btpc,pq->btqc", y, self.pitches[...])
        return x + self.output(jax.nn.relu(self.channels(y) + mixed))


def parameters_of(network: NoteNetwork) -> Any:
    """The arrays of a network, nested dicts by layer."""
    return nnx.to_pure_dict(nnx.state(network, nnx.Param))


def network_with(parameters: Any) -> NoteNetwork:
    """The network of the default config with the arrays of `parameters_of`."""
    structure, _ = nnx.split(NoteNetwork(NoteConfig(), nnx.Rngs(0)), nnx.Param)
    return nnx.merge(structure, parameters)


def loudest_bins(magnitude: np.ndarray) -> np.ndarray:
    """The 95th percentile over time of the loudest bin of a frame, which levels are relative to.

    Args:
      magnitude: `[..., frames, log bins]`.

    Returns:
      `[..., 1, 1]` in single precision.
    """
    loudest = np.percentile(magnitude.max(axis=-1, keepdims=True), _LOUD, axis=-2, keepdims=True)
    return loudest.astype(np.float32)


def spectrum_levels(magnitude: jax.Array, loudest: jax.Array) -> jax.Array:
    """Levels of log-frequency magnitudes over 80 dB: 1 for `loudest`, about 0 for silence."""
    return 1 + jnp.log10(magnitude / (loudest + 1e-9) + 10 ** (-_SPECTRUM_DB / 20)) * (
        20 / _SPECTRUM_DB
    )


def note_levels(amplitude: jax.Array, loudest: jax.Array, config: NoteConfig) -> jax.Array:
    """Amplitudes of notes as the network gives them, over 60 dB; silence is 0."""
    relative = amplitude / (config.full_level * loudest + 1e-9)
    return 1 + jnp.log10(relative + 10 ** (-RANGE_DB / 20)) * (20 / RANGE_DB)


def amplitudes(found: np.ndarray) -> np.ndarray:
    """The inverse of `note_levels`, relative to a full level; not negative."""
    return np.maximum(10 ** ((found - 1) * (RANGE_DB / 20)) - 10 ** (-RANGE_DB / 20), 0)


def stack_harmonics(levels: jax.Array, tuning: jax.Array) -> jax.Array:
    """Levels at the partials of each pitch, `[batch, frames, pitches, harmonics * offsets]`.

    Between two bins levels are interpolated; outside of the spectrum they are 0.
    """
    first = (PITCHES - LOWEST_PITCH) * BINS_PER_SEMITONE
    above = BINS_PER_OCTAVE * np.log2(_HARMONICS)
    places = (first[:, None, None] + above[:, None] + np.asarray(_OFFSETS)).reshape(
        len(PITCHES), -1
    )
    place = places + BINS_PER_SEMITONE * tuning[:, None, None]
    low = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, NUM_BINS - 2)
    part = (place - low)[:, None]
    inside = ((place >= 0) & (place <= NUM_BINS - 1))[:, None]

    @jax.vmap
    def at(levels: jax.Array, bins: jax.Array) -> jax.Array:
        return levels[:, bins]

    return jnp.where(inside, (1 - part) * at(levels, low) + part * at(levels, low + 1), 0.0)
