"""Where a transfer starts: the content's notes at the style's levels, in closed form.

Each mel band of the content gets, moment by moment, the level that has the same rank in the style:
the loudest moment as loud as the style's loudest, the median as its median. What sounds when stays.
The spectrum that this gives is rendered with a phase of its own, so that an output is not the
content's waveform through an equaliser. All channels get the same gains and turns of phase: what
lies between them stays.

All of it is numpy around a few transforms: it runs once.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.phase import PhaseConfig, recover_phase
from research.audio.stft import istft, mel_filterbank, overlap_add, stft
from research.transfer.quantiles import quantiles
from research.transfer.representations import FINE, mean_power

_NUM_BANDS = 64
_ROUNDS = 2
_LIMIT = 60 * np.log(10) / 20  # 60 dB, as a log amplitude.
_FLOOR = 1e-9
_PHASE = PhaseConfig("phase_gradient", num_iterations=30, momentum=0.99)
_LOW_HZ, _LOW_GAIN = 300, 0.1
_HIGH_HZ, _HIGH_GAIN = 1500, 0.03
_NOISE_DB = -75

_stft = jax.jit(stft, static_argnums=1)
_istft = jax.jit(istft, static_argnums=(1, 2))
_overlap_add = jax.jit(overlap_add, static_argnums=1)


@functools.partial(jax.jit, static_argnums=1)
def level_quantiles(waveform: jax.Array, sample_rate: int) -> jax.Array:
    """Quantiles of log power in mel bands, `[channels, samples]` to `[1, 256, 64]`."""
    bands = mean_power(waveform, FINE) @ mel_filterbank(sample_rate, FINE.n_fft, _NUM_BANDS)
    return quantiles(jnp.log(bands + _FLOOR))


def matched_start(
    waveform: np.ndarray, levels: np.ndarray, amount: float, sample_rate: int, seed: int
) -> np.ndarray:
    """The content at the levels of a style.

    Args:
      waveform: the content, `[channels, samples]` at a root mean square of about 0.1.
      levels: of `level_quantiles`, `[1, quantiles, bands]`.
      amount: share of the way in dB, 0 to 1.
      sample_rate: Hz.
      seed: of a trace of noise.

    Returns:
      `[channels, samples]`.
    """
    material = add_material(waveform, sample_rate, seed)
    return renew_phase(match_levels(material, levels, amount, sample_rate))


def add_material(waveform: np.ndarray, sample_rate: int, seed: int) -> np.ndarray:
    """A trace of sound where a content has none, for there is nothing to raise to a style's level.

    Below 300 Hz the content an octave down, at a tenth; above 1500 Hz the overtones that `tanh` has
    of the levelled waveform, at 0.03; noise at -75 dB, less in a channel softer than others.
    `[channels, samples]` to the same.
    """
    from scipy.ndimage import uniform_filter1d

    length = waveform.shape[1]
    hertz = np.fft.rfftfreq(FINE.n_fft, 1 / sample_rate)
    level = np.sqrt(uniform_filter1d(np.square(waveform), FINE.n_fft, axis=1).clip(1e-8))
    overtones = np.tanh(0.9 * waveform / level) * level
    power = np.square(waveform).mean(axis=1, keepdims=True) + 1e-12
    noise = np.random.default_rng(seed).standard_normal(length) * np.sqrt(power / power.mean())
    added = _LOW_GAIN * np.asarray(_stft(_octave_below(waveform), FINE)) * (
        hertz < _LOW_HZ
    ) + _HIGH_GAIN * np.asarray(_stft(overtones, FINE)) * (hertz > _HIGH_HZ)
    sound = waveform + np.asarray(_istft(added.astype(np.complex64), FINE, length))
    return (sound + 10 ** (_NOISE_DB / 20) * noise).astype(np.float32)


def _octave_below(waveform: np.ndarray) -> np.ndarray:
    """An octave down by grains: each frame stretched to twice its length."""
    size, hop = FINE.n_fft // 2, FINE.hop_length
    padded = np.pad(waveform, ((0, 0), (FINE.n_fft, FINE.n_fft)))
    grains = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::hop]
    # A grain's middle stays in place: it begins a quarter of a frame earlier once stretched.
    stretched = np.repeat(grains, 2, axis=-1) * FINE.window_values()
    total = np.asarray(_overlap_add(stretched, hop)) / (FINE.n_fft / (2 * hop))
    start = FINE.n_fft + size // 2
    return total[:, start : start + waveform.shape[1]]


def match_levels(
    waveform: np.ndarray, levels: np.ndarray, amount: float, sample_rate: int
) -> np.ndarray:
    """Give every mel band the distribution of levels of a style, by rank.

    A gain is half the difference of log power, at most 60 dB, spread over the bins as the bands
    are; the phase stays. Two rounds, since bands overlap. Arguments as of `matched_start`.
    """
    filters = mel_filterbank(sample_rate, FINE.n_fft, _NUM_BANDS)
    shares = _shares(filters)
    own = np.asarray(level_quantiles(waveform, sample_rate))
    wanted = ((1 - amount) * own + amount * levels)[0]
    at = (np.arange(len(wanted)) + 0.5) / len(wanted)
    for _ in range(_ROUNDS):
        spectrum = np.asarray(_stft(waveform, FINE))
        power = np.square(np.abs(spectrum)) * (4 / FINE.n_fft)
        bands = np.log(power.mean(axis=0) @ filters + _FLOOR)
        share = (bands.argsort(axis=0).argsort(axis=0) + 0.5) / len(bands)
        gain = np.empty_like(bands)
        for band in range(bands.shape[1]):
            matched = np.interp(share[:, band], at, wanted[:, band])
            gain[:, band] = (matched - bands[:, band]) / 2
        spectrum = spectrum * np.exp(gain.clip(-_LIMIT, _LIMIT) @ shares)
        waveform = np.asarray(_istft(spectrum.astype(np.complex64), FINE, waveform.shape[1]))
    return waveform


def _shares(filters: np.ndarray) -> np.ndarray:
    """How a gain of each band spreads over the bins, `[bands, bins]`.

    Bins in no band take the nearest that is in one.
    """
    total = filters.sum(axis=1)
    held = np.flatnonzero(total > 0)
    nearest = held[np.abs(np.arange(len(total))[:, None] - held).argmin(axis=1)]
    return (filters[nearest] / total[nearest, None]).T


def renew_phase(waveform: np.ndarray) -> np.ndarray:
    """The same spectrum with a phase that follows from its magnitude, `[channels, samples]`.

    It is found for the mean power of the channels, and what it turns a bin by, from the phase of
    their sum, is the same for all of them: differences of phase between the channels stay.
    """
    spectrum = np.asarray(_stft(waveform, FINE))
    rendered = recover_phase(
        np.sqrt(np.square(np.abs(spectrum)).mean(axis=0, keepdims=True)),
        jax.random.key(0),
        stft_config=FINE,
        config=_PHASE,
        length=waveform.shape[1],
    )
    turn = _sign(np.asarray(_stft(rendered, FINE))) * _sign(spectrum.sum(axis=0)).conj()
    return np.asarray(_istft((spectrum * turn).astype(np.complex64), FINE, waveform.shape[1]))


def _sign(spectrum: np.ndarray) -> np.ndarray:
    """`z / |z|`, and 1 of nothing."""
    return np.where(np.abs(spectrum) > 1e-20, np.sign(spectrum), 1.0)
