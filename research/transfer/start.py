"""Where an optimisation starts: functions of stated inputs that give a variable.

A start is a function and what it needs of the style; `STARTS` names them all.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from research.audio.padding import padded_length
from research.transfer.level_matching import match_to_style
from research.transfer.reorchestration.orchestra import Orchestra
from research.transfer.reorchestration.reorchestrate import reorchestrate
from research.transfer.variables.base import Variable


class StartInputs(NamedTuple):
    """What a start may be made of.

    Attributes:
      content: `[channels, samples]`, at the level that the transfer works at.
      style: `[1, style_samples]`; None unless the start needs it.
      levels: of the style, by `level_matching.level_quantiles`; None unless the start needs them.
      amount: fraction of the way from the content to the style that the loss asks for, 0 to 1.
      noise_scale: standard deviation of noise.
      sample_rate: Hz.
      seed: of all that is random.
      orchestra: the style's instruments; None unless the start needs them.
      style_amount: of the config; 0 asks for the content itself, where `amount` is larger.
    """

    content: np.ndarray
    style: np.ndarray | None
    levels: np.ndarray | None
    amount: float
    noise_scale: float
    sample_rate: int
    seed: int
    orchestra: Orchestra | None = None
    style_amount: float = 1.0


@dataclasses.dataclass(frozen=True)
class Start:
    """The contract of a start.

    Attributes:
      make: the variable to start from, of the shape of the content's, and finite.
      needs_style_audio: True if `StartInputs.style` is used, so that a style file does not do.
      needs_style_levels: True if `StartInputs.levels` are used.
      needs_orchestra: True if `StartInputs.orchestra` is used.
      is_random: True if `StartInputs.seed` is used.
    """

    make: Callable[[StartInputs, Variable], np.ndarray]
    needs_style_audio: bool = False
    needs_style_levels: bool = False
    needs_orchestra: bool = False
    is_random: bool = False


def _matched(inputs: StartInputs, variable: Variable) -> np.ndarray:
    """The content at the levels of the style."""
    levels, rate = inputs.levels, inputs.sample_rate
    assert levels is not None
    matched = match_to_style(inputs.content, levels, inputs.amount, rate, inputs.seed)
    return variable.from_recording(matched)


def _reorchestrated(inputs: StartInputs, variable: Variable) -> np.ndarray:
    """The content played on the instruments of the style."""
    assert inputs.orchestra is not None
    rate, orchestra = inputs.sample_rate, inputs.orchestra
    played = reorchestrate(inputs.content, rate, orchestra, inputs.style_amount)
    return variable.from_recording(played)


def _content(inputs: StartInputs, variable: Variable) -> np.ndarray:
    """The content as it is."""
    return variable.from_recording(inputs.content)


def _style(inputs: StartInputs, variable: Variable) -> np.ndarray:
    """The style in every channel, repeated or cut to the content's length."""
    style, (num_channels, length) = inputs.style, inputs.content.shape
    assert style is not None
    repeats = -(-length // style.shape[-1])
    return variable.from_recording(np.tile(style, (num_channels, repeats))[:, :length])


def _noise(inputs: StartInputs, variable: Variable) -> np.ndarray:
    """Normal noise in the variable itself, of standard deviation `noise_scale`."""
    return inputs.noise_scale * _normal(inputs, variable)


def _zeros(inputs: StartInputs, variable: Variable) -> np.ndarray:
    """Zeros, with the dither that the variable asks for; with a basis they are its mean."""
    return variable.dither * _normal(inputs, variable)


def _normal(inputs: StartInputs, variable: Variable) -> np.ndarray:
    num_channels, num_samples = inputs.content.shape
    shape = variable.shape(num_channels, padded_length(num_samples))
    noise = jax.random.normal(jax.random.key(inputs.seed), shape)
    return variable.cut(noise, num_samples)


STARTS = {
    "matched": Start(_matched, needs_style_levels=True, is_random=True),
    "reorchestrated": Start(_reorchestrated, needs_orchestra=True),
    "content": Start(_content),
    "style": Start(_style, needs_style_audio=True),
    "noise": Start(_noise, is_random=True),
    "zeros": Start(_zeros, is_random=True),
}
