"""Magnitudes of the content played by an orchestra."""

from typing import NamedTuple

import numpy as np

from research.transfer.reorchestration.activations import OF_CONTENT, find_activations
from research.transfer.reorchestration.decay import change_course, find_course, find_onsets
from research.transfer.reorchestration.orchestra import Orchestra, play
from research.transfer.reorchestration.register import move_to_register
from research.transfer.reorchestration.spectra import (
    add_percussion,
    keep_rests,
    limit_percussion,
    lower_excess,
    match_energy,
    noisiness,
    pull_levels,
)
from research.transfer.reorchestration.templates import Templates, learn_templates

_PULL, _NOISY_PULL = 0.08, 0.5
_CONTENT_NOISINESS = 0.8


class Target(NamedTuple):
    """Target magnitudes of the output, and the model of the content.

    Attributes:
      magnitude: of the content on the style's instruments, `[frames, bins]`.
      content: of the content itself.
      own: templates of the content and their activations, whose product is the content's model.
      noisiness: of the noisier of content and style, 0 to 1.
    """

    magnitude: np.ndarray
    content: np.ndarray
    own: Templates
    noisiness: float


def make_target(samples: np.ndarray, magnitude: np.ndarray, orchestra: Orchestra) -> Target:
    """Play a content on an orchestra.

    `M = A' W + relu(dA') Wa + n + P`, with the content's activations A' in the register and with
    the course of the style, noise n that follows their sum, and the content's own percussion P. M
    is then brought closer to the style where it should not differ from it: energy, excess of the
    mean spectrum, percussive share and, the more noise-like either piece is, levels of mel bands.
    The content's rests are kept.

    Args:
      samples: the content, mono `[samples]` at 22 050 Hz.
      magnitude: of its STFT, `[frames, bins]`.
      orchestra: of the style.
    """
    [activations] = find_activations(samples, OF_CONTENT)
    own = learn_templates(magnitude, activations)
    levels = move_to_register(own.levels[:, :-1], orchestra.register)
    levels = levels / max(float(levels.mean()), 1e-12)
    onsets = find_onsets(levels)
    course = find_course(levels, onsets)
    levels = change_course(levels, onsets, course, orchestra.course).astype(np.float32)
    played = play(levels, orchestra.spectra, orchestra.attacks)
    share = activations.percussive_share
    played = add_percussion(played, magnitude, own.levels[:, :-1], own.spectra[:-1], share)
    played = match_energy(played, float(orchestra.energy))
    played = limit_percussion(played, float(orchestra.percussion))
    played = keep_rests(lower_excess(played, orchestra.mean_log), magnitude)
    noisy = noisiness(magnitude)
    amount = _PULL + _NOISY_PULL * max(float(orchestra.noisiness), _CONTENT_NOISINESS * noisy)
    played = pull_levels(played, orchestra.levels, amount)
    return Target(
        match_energy(played, float(orchestra.energy)),
        magnitude,
        own,
        max(float(orchestra.noisiness), noisy),
    )
