"""What a style contributes: the instruments that it is played on, as arrays."""

from typing import NamedTuple

import numpy as np

from research.transfer.reorchestration.activations import find_activations
from research.transfer.reorchestration.decay import find_course, find_onsets
from research.transfer.reorchestration.grid import spectrum
from research.transfer.reorchestration.register import find_register
from research.transfer.reorchestration.spectra import (
    level_quantiles,
    mean_log,
    noisiness,
    percussive_share,
)
from research.transfer.reorchestration.templates import (
    fill_pitches,
    learn_attacks,
    learn_templates,
)

_ATTACK_WIDTH = 2.0  # Semitones.
_WIDTH = 1.5


class Orchestra(NamedTuple):
    """The instruments of a style.

    Attributes:
      spectra: magnitudes of each pitch, and of noise in the last row, `[pitches + 1, bins]`.
      attacks: magnitudes of the attack of each pitch, `[pitches, bins]`.
      level: mean activation of a pitch.
      noise: mean activation of noise.
      course: level in dB over the age of a note, `[90]`.
      register: how much is played around each pitch, `[pitches]`.
      percussion: percussive energy over harmonic energy.
      mean_log: mean log spectrum, `[bins]`.
      levels: quantiles of log power in mel bands, `[50, 64]`.
      noisiness: 0 to 1.
      energy: mean square of the magnitudes.
    """

    spectra: np.ndarray
    attacks: np.ndarray
    level: float
    noise: float
    course: np.ndarray
    register: np.ndarray
    percussion: float
    mean_log: np.ndarray
    levels: np.ndarray
    noisiness: float
    energy: float


def describe(samples: np.ndarray) -> Orchestra:
    """The instruments of a style, mono `[samples]` at 22 050 Hz and an RMS of 0.1."""
    magnitude = np.abs(spectrum(samples))
    templates = learn_templates(magnitude, find_activations(samples))
    levels = templates.levels[:, :-1]
    spectra, attacks = learn_attacks(magnitude, templates)
    return Orchestra(
        spectra=np.concatenate([fill_pitches(spectra[:-1], levels, _WIDTH), spectra[-1:]]),
        attacks=fill_pitches(attacks, levels, _ATTACK_WIDTH),
        level=float(levels.mean()),
        noise=float(templates.levels[:, -1].mean()),
        course=find_course(levels, find_onsets(levels)),
        register=find_register(levels),
        percussion=percussive_share(magnitude),
        mean_log=mean_log(magnitude),
        levels=level_quantiles(magnitude),
        noisiness=noisiness(magnitude),
        energy=float(np.square(magnitude).mean()),
    )
