"""What a style contributes: the instruments that it is played on, as arrays."""

from typing import NamedTuple

import numpy as np

from research.transfer.reorchestration.activations import (
    OF_CONTENT,
    OF_STYLE,
    find_activations,
)
from research.transfer.reorchestration.attacks import flux, learn_attacks
from research.transfer.reorchestration.blocks import spans
from research.transfer.reorchestration.decay import LONGEST, find_course, find_onsets
from research.transfer.reorchestration.grid import PITCHES, STFT
from research.transfer.reorchestration.register import find_register
from research.transfer.reorchestration.spectra import (
    NUM_BANDS,
    NUM_QUANTILES,
    level_quantiles,
    match_energy,
    mean_log,
    noisiness,
    percussive_share,
    spectral_gains,
)
from research.transfer.reorchestration.templates import (
    fill_pitches,
    learn_templates,
)
from research.transfer.reorchestration.transform import magnitudes

_ATTACK_WIDTH = 2.0  # Semitones.
_WIDTH = 1.5
_NOISE_POWER = 0.7  # Noise rises less than the notes do.


class Orchestra(NamedTuple):
    """The instruments of a style.

    Attributes:
      spectra: magnitudes of each pitch, and of noise in the last row, `[pitches + 1, bins]`, at a
        mean activation of 1.
      attacks: magnitudes of the attack of each pitch, `[pitches, bins]`, for the same activations.
      course: level in dB over the age of a note, `[90]`.
      register: how much is played around each pitch, as a fraction of all, `[pitches]`.
      percussion: fraction of the energy that is percussive, 0 to 1.
      mean_log: mean log spectrum, `[bins]`.
      levels: quantiles of log power in mel bands, `[50, 64]`.
      noisiness: 0 to 1.
      energy: mean square of the magnitudes.
    """

    spectra: np.ndarray
    attacks: np.ndarray
    course: np.ndarray
    register: np.ndarray
    percussion: np.ndarray
    mean_log: np.ndarray
    levels: np.ndarray
    noisiness: np.ndarray
    energy: np.ndarray


def describe(samples: np.ndarray) -> Orchestra:
    """The instruments of a style, mono `[samples]` at 22 050 Hz and an RMS of 0.1."""
    magnitude = magnitudes(samples)
    dense, sparse = find_activations(samples, OF_STYLE, OF_CONTENT)
    templates = learn_templates(magnitude, dense)
    levels = templates.levels[:, :-1]
    spectra, attacks = learn_attacks(magnitude, templates)
    level, noise = levels.mean(), templates.levels[:, -1].mean()
    pitched = level * fill_pitches(spectra[:-1], levels, _WIDTH)
    spectra = np.concatenate([pitched, noise * spectra[-1:]])
    attacks = level * fill_pitches(attacks, levels, _ATTACK_WIDTH)
    # Templates learnt from dense activations are played with the sparse ones of a content. With
    # these gains, the style's own sparse notes have its spectrum.
    sparse_levels = learn_templates(magnitude, sparse).levels[:, :-1]
    played = play(sparse_levels / max(float(sparse_levels.mean()), 1e-12), spectra, attacks)
    energy = float(np.square(magnitude).mean())
    gains = spectral_gains(match_energy(played, energy), magnitude)
    orchestra = Orchestra(
        spectra=gains * spectra,
        attacks=gains * attacks,
        course=find_course(levels, find_onsets(levels)),
        register=find_register(levels),
        percussion=np.array(percussive_share(magnitude)),
        mean_log=mean_log(magnitude),
        levels=level_quantiles(magnitude),
        noisiness=np.array(noisiness(magnitude)),
        energy=np.array(energy),
    )
    return Orchestra(*(np.asarray(array, np.float32) for array in orchestra))


def play(levels: np.ndarray, spectra: np.ndarray, attacks: np.ndarray) -> np.ndarray:
    """Magnitudes `A W + relu(dA) Wa + n`, `[frames, bins]`.

    Args:
      levels: activations `A` of a mean of about 1, `[frames, pitches]`. Noise `n` follows their sum
        to the power of 0.7.
      spectra: as in `Orchestra`.
      attacks: the same.
    """
    loudness = levels.sum(axis=1, keepdims=True) ** _NOISE_POWER
    noise = loudness / max(float(loudness.mean()), 1e-12)
    factors = np.concatenate([levels, noise, flux(levels)], axis=1).astype(np.float32)
    templates = np.concatenate([spectra, attacks]).astype(np.float32)
    played = np.empty((len(factors), templates.shape[1]), np.float32)
    for span in spans(len(played)):
        played[span] = factors[span] @ templates
    return played


def silent_orchestra() -> Orchestra:
    """An orchestra of zeros, for the shapes of its arrays."""
    num_pitches, num_bins = len(PITCHES), STFT.num_bins
    return Orchestra(
        spectra=np.zeros((num_pitches + 1, num_bins), np.float32),
        attacks=np.zeros((num_pitches, num_bins), np.float32),
        course=np.zeros(LONGEST, np.float32),
        register=np.zeros(num_pitches, np.float32),
        percussion=np.zeros((), np.float32),
        mean_log=np.zeros(num_bins, np.float32),
        levels=np.zeros((NUM_QUANTILES, NUM_BANDS), np.float32),
        noisiness=np.zeros((), np.float32),
        energy=np.zeros((), np.float32),
    )
