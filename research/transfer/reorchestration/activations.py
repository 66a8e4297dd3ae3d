"""Pitch activations: when and how loud each pitch of a piece sounds.

Non-negative matrix factorisation of a log-frequency spectrum, `V ~ H W`, with the beta divergence
of beta = 1/2 (Fevotte and Idier 2011): between Itakura-Saito, which hears soft partials, and
Kullback-Leibler. W has a harmonic template a pitch and a flat one for noise. All pitches share one
spectral envelope, which is adapted in turns with H (as Vincent, Bertin and Badeau 2010 do with a
narrower one).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.transfer.reorchestration.grid import (
    PITCHES,
    SAMPLE_RATE,
    STFT,
    pad_frames,
    pitch_hertz,
    spectrum,
)

_BINS_PER_OCTAVE = 36
_BINS_PER_SEMITONE = _BINS_PER_OCTAVE // 12
_LOWEST, _HIGHEST = 27.5, 10000.0  # Hz.
_NUM_BINS = int(np.log2(_HIGHEST / _LOWEST) * _BINS_PER_OCTAVE)
_HERTZ = _LOWEST * 2 ** (np.arange(_NUM_BINS) / _BINS_PER_OCTAVE)
_SPLITS = (330.0, 1500.0)  # Hz, between windows of 8192, 4096 and 2048 samples.
_WINDOWS = (8192, 4096, 2048)
_SMOOTH_OCTAVES = 1 / 12  # Of the change from one window to the next.

_POWER = 0.75  # Compresses the spectrum, so that soft partials count.
_FLOOR = 1e-4
_NUM_PARTIALS = 24
_PARTIAL_DECAY = 1.4  # Partial h has the amplitude h^-1.4.
_HIGHEST_PARTIAL = 9800.0  # Hz.
_FIRST_UPDATES, _UPDATES, _ROUNDS = 15, 6, 3
_EXPONENT = 1 / 1.5  # 1 / (2 - beta), for beta < 1.
_SHARED_PITCHES = 7  # Neighbours on each side that share the envelope.
_SHARED_WIDTH = 3.5  # Standard deviation in semitones.
_GAIN = 5.0  # An envelope changes by this factor at most in a round.
_TINY = 1e-6


class Activations(NamedTuple):
    """When and how loud each pitch sounds.

    Attributes:
      levels: amplitude of each pitch, `[frames, pitches]`.
      tuning: semitones from A4 = 440 Hz, -0.5 to 0.5.
    """

    levels: np.ndarray
    tuning: float


def find_activations(samples: np.ndarray) -> Activations:
    """Pitch activations of mono `[samples]` at 22 050 Hz."""
    tuning = find_tuning(samples)
    compressed = log_spectrum(samples) ** _POWER
    loudest = np.percentile(compressed.max(axis=1), 95)
    observed = compressed / max(loudest, 1e-12) + _FLOOR
    mask = pad_frames(np.ones((len(observed), 1), np.float32))
    levels = _factorise(pad_frames(observed.astype(np.float32)), mask, _harmonic_templates(tuning))
    return Activations(np.asarray(levels)[: len(observed)] ** (1 / _POWER), tuning)


def log_spectrum(samples: np.ndarray) -> np.ndarray:
    """Amplitudes at 36 bins an octave from 27.5 Hz to 10 kHz, `[frames, log bins]`.

    Low bins come from long windows, high ones from short windows.
    """
    total = np.zeros((STFT.num_frames(len(samples)), _NUM_BINS), np.float32)
    for window, (matrix, share) in zip(_WINDOWS, _resolutions(), strict=True):
        scaled = np.abs(spectrum(samples, window)) * np.float32(_WINDOWS[1] / window)
        total += np.sqrt(scaled**2 @ matrix) * share
    return total


@functools.cache
def _resolutions() -> list[tuple[np.ndarray, np.ndarray]]:
    """For each window, the matrix from its bins to log bins, and how much each log bin uses it."""
    found, log_hertz = [], np.log2(_HERTZ)
    edges = (1.0, *_SPLITS, 20000.0)
    for window, low, high in zip(_WINDOWS, edges, edges[1:], strict=False):
        spacing = SAMPLE_RATE / window
        hertz = np.arange(window // 2 + 1) * spacing
        width = np.maximum(_HERTZ * (2 ** (1 / _BINS_PER_OCTAVE) - 1), 0.75 * spacing)
        matrix = np.maximum(0, 1 - np.abs(hertz[:, None] - _HERTZ) / width)
        matrix /= np.maximum(matrix.sum(axis=0), _TINY)
        above = 1 / (1 + np.exp(-(log_hertz - np.log2(low)) / _SMOOTH_OCTAVES))
        below = 1 / (1 + np.exp((log_hertz - np.log2(high)) / _SMOOTH_OCTAVES))
        found.append((matrix.astype(np.float32), (above * below).astype(np.float32)))
    return found


def find_tuning(samples: np.ndarray) -> float:
    """Tuning in semitones from A4 = 440 Hz, -0.5 to 0.5.

    The circular mean of the distance of spectral peaks from the tempered scale, weighted by their
    magnitude, from 150 to 2500 Hz. Peaks are parabolas in log magnitude.
    """
    magnitude = np.abs(spectrum(samples, _WINDOWS[0]))[::4]
    left, middle, right = magnitude[:, :-2], magnitude[:, 1:-1], magnitude[:, 2:]
    frames, bins = np.nonzero((middle > left) & (middle >= right))
    a, b, c = (np.log(each[frames, bins] + 1e-9) for each in (left, middle, right))
    shift = np.clip(0.5 * (a - c) / (a - 2 * b + c - 1e-9), -0.5, 0.5)
    hertz = (bins + 1 + shift) * SAMPLE_RATE / _WINDOWS[0]
    used = (hertz > 150) & (hertz < 2500)
    turns = 12 * np.log2(hertz[used] / 440)
    total = (middle[frames, bins][used] * np.exp(2j * np.pi * turns)).sum()
    return float(np.angle(total) / (2 * np.pi))


def _harmonic_templates(tuning: float) -> np.ndarray:
    """Gaussian partials of each pitch, compressed, of norm 1, `[pitches, log bins]`."""
    templates, log_bins = np.zeros((len(PITCHES), _NUM_BINS)), np.log2(_HERTZ) * _BINS_PER_OCTAVE
    for template, fundamental in zip(templates, pitch_hertz(tuning), strict=True):
        for partial in range(1, _NUM_PARTIALS + 1):
            hertz = partial * fundamental
            if hertz > _HIGHEST_PARTIAL:
                break
            window = _WINDOWS[int(np.searchsorted(_SPLITS, hertz, side="right"))]
            spread = _BINS_PER_OCTAVE * np.log2(1 + SAMPLE_RATE / window / hertz) * 0.9
            distance = (log_bins - np.log2(hertz) * _BINS_PER_OCTAVE) / max(1.0, spread)
            template += partial**-_PARTIAL_DECAY * np.exp(-0.5 * distance**2)
    templates **= _POWER
    return (templates / np.linalg.norm(templates, axis=1, keepdims=True)).astype(np.float32)


@jax.jit
def _factorise(observed: jax.Array, mask: jax.Array, first: jax.Array) -> jax.Array:
    """Activations of the pitches, compressed, `[frames, pitches]`."""
    noise = jnp.full((1, _NUM_BINS), 1 / np.sqrt(_NUM_BINS))

    def update(levels: jax.Array, templates: jax.Array, count: int) -> jax.Array:
        def once(_: int, levels: jax.Array) -> jax.Array:
            model = levels @ templates + _TINY
            slope = (observed * model**-1.5) @ templates.T
            return levels * (slope / (model**-0.5 @ templates.T)) ** _EXPONENT

        return jax.lax.fori_loop(0, count, once, levels)

    templates = jnp.concatenate([first, noise])
    levels = jnp.maximum(observed @ templates.T, _TINY) * 0.1 * mask
    levels = update(levels, templates, _FIRST_UPDATES)

    def adapt(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        levels, templates = state
        pitched = _share_envelope(observed, levels, templates, first)
        templates = jnp.concatenate([pitched, noise])
        return update(levels, templates, _UPDATES), templates

    levels, _ = jax.lax.fori_loop(0, _ROUNDS, adapt, (levels, templates))
    return levels[:, :-1]


def _share_envelope(
    observed: jax.Array, levels: jax.Array, templates: jax.Array, first: jax.Array
) -> jax.Array:
    """Templates after one step towards the spectrum, with one envelope for close pitches.

    The log ratio to the first templates is averaged over neighbours, shifted by their interval, so
    that a partial of a pitch learns from the same partial of its neighbours.
    """
    pitched, levels_of_pitch = templates[:-1], levels[:, :-1]
    ratio = observed / (levels @ templates + _TINY)
    gain = (levels_of_pitch.T @ ratio) / (levels_of_pitch.sum(axis=0)[:, None] + _TINY)
    moved = jnp.log((pitched * gain.clip(1 / _GAIN, _GAIN) + 1e-5) / (first + 1e-5))
    energy = jnp.sqrt(jnp.square(levels_of_pitch).sum(axis=0))
    side, num_pitches = _SHARED_PITCHES, len(PITCHES)
    moved = jnp.pad(moved, ((side, side), (0, 0)))
    energy = jnp.pad(energy, side)
    total, weights = jnp.zeros_like(first), jnp.full(num_pitches, 1e-3)
    for shift in range(-side, side + 1):
        of_shift = slice(side + shift, side + shift + num_pitches)
        weight = energy[of_shift] * np.exp(-0.5 * (shift / _SHARED_WIDTH) ** 2)
        rolled = jnp.roll(moved[of_shift], -_BINS_PER_SEMITONE * shift, axis=1)
        total, weights = total + weight[:, None] * rolled, weights + weight
    shared = first * jnp.exp(total / weights[:, None])
    return shared / jnp.linalg.norm(shared, axis=1, keepdims=True)
