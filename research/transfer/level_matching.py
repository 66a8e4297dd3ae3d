"""Level matching: the content's notes at the style's levels, in closed form.

Each frame of each mel band of the content gets the level that has the same rank in the style: the
loudest frame becomes as loud as the style's loudest, the median as its median. Notes stay in place.
The new magnitudes get a new phase, so that the result is not just the content through an equaliser.
All channels get the same gains and the same phase rotations, so that their differences in level
and phase stay.

This runs once a transfer, in NumPy around a few jitted transforms.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.padding import pad_to, pad_waveform, padded_length
from research.audio.phase import PhaseConfig, recover_phase
from research.audio.stft import istft, mel_filterbank, overlap_add, stft
from research.products import matmul
from research.transfer.frames import Frames
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


def level_quantiles(waveform: np.ndarray, sample_rate: int) -> jax.Array:
    """Quantiles of log power in mel bands, `[channels, samples]` to `[1, 256, 64]`."""
    num_frames = FINE.num_frames(waveform.shape[1])
    return _level_quantiles(pad_waveform(waveform), num_frames, sample_rate)


@functools.partial(jax.jit, static_argnums=2)
def _level_quantiles(waveform: jax.Array, num_frames: int, sample_rate: int) -> jax.Array:
    filters = mel_filterbank(sample_rate, FINE.n_fft, _NUM_BANDS)
    bands = matmul(mean_power(waveform, FINE), filters)
    return quantiles(Frames.of(jnp.log(bands + _FLOOR), num_frames))


def match_to_style(
    waveform: np.ndarray, levels: np.ndarray, amount: float, sample_rate: int, seed: int
) -> np.ndarray:
    """The content at the levels of a style, with a new phase.

    Args:
      waveform: the content, `[channels, samples]` at a root mean square of about 0.1.
      levels: the style's, from `level_quantiles`, `[1, quantiles, bands]`.
      amount: fraction of the way from the content's levels to the style's in dB, 0 to 1.
      sample_rate: Hz.
      seed: of the faint noise that is added.

    Returns:
      `[channels, samples]`.
    """
    material = add_material(waveform, sample_rate, seed)
    return renew_phase(match_levels(material, levels, amount, sample_rate))


def add_material(waveform: np.ndarray, sample_rate: int, seed: int) -> np.ndarray:
    """Add faint sound where the content has none: silence cannot be raised to a style's level.

    Below 300 Hz, the content an octave lower, times 0.1. Above 1500 Hz, the overtones of `tanh` of
    the levelled waveform, times 0.03. Noise at -75 dB, less in a channel softer than the others.
    `[channels, samples]` to the same.
    """
    from scipy.ndimage import uniform_filter1d

    length = waveform.shape[1]
    hertz = np.fft.rfftfreq(FINE.n_fft, 1 / sample_rate)
    level = np.sqrt(uniform_filter1d(np.square(waveform), FINE.n_fft, axis=1).clip(1e-8))
    overtones = np.tanh(0.9 * waveform / level) * level
    power = np.square(waveform).mean(axis=1, keepdims=True) + 1e-12
    noise = np.random.default_rng(seed).standard_normal(length) * np.sqrt(power / power.mean())
    low, high = _stft(_octave_below(waveform)), _stft(overtones)
    added = _LOW_GAIN * low * (hertz < _LOW_HZ) + _HIGH_GAIN * high * (hertz > _HIGH_HZ)
    sound = waveform + _istft(added, length)
    return (sound + 10 ** (_NOISE_DB / 20) * noise).astype(np.float32)


def _stft(waveform: jax.typing.ArrayLike) -> np.ndarray:
    """`stft`, by a program that other lengths share."""
    num_frames = FINE.num_frames(np.shape(waveform)[1])
    return np.asarray(stft(pad_waveform(waveform), FINE))[:, :num_frames]


def _istft(spectrum: np.ndarray, length: int) -> np.ndarray:
    """`istft`, by a program that other lengths share."""
    num_channels, _, num_bins = spectrum.shape
    most = padded_length(length)
    padded = pad_to(spectrum, (num_channels, FINE.num_frames(most), num_bins))
    waveform = istft(padded.astype(np.complex64), FINE, most, length)
    return np.asarray(waveform)[:, :length]


def _octave_below(waveform: np.ndarray) -> np.ndarray:
    """An octave lower by grains: each frame is stretched to twice its length."""
    size, hop = FINE.n_fft // 2, FINE.hop_length
    padded = np.pad(waveform, ((0, 0), (FINE.n_fft, FINE.n_fft)))
    grains = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::hop]
    # The middle of a grain stays in place, so a stretched one begins a quarter frame earlier.
    stretched = np.repeat(grains, 2, axis=-1) * FINE.window_values()
    num_channels, length = waveform.shape
    most = FINE.num_frames(padded_length(length) + 2 * FINE.n_fft)
    padded = pad_to(stretched, (num_channels, most, FINE.n_fft))
    total = np.asarray(overlap_add(padded, hop)) / (FINE.n_fft / (2 * hop))
    start = FINE.n_fft + size // 2
    return total[:, start : start + length]


def match_levels(
    waveform: np.ndarray, levels: np.ndarray, amount: float, sample_rate: int
) -> np.ndarray:
    """Give every mel band the style's distribution of levels, by rank.

    The gain of a frame and band is half the difference of log power, at most 60 dB. Gains of bands
    are interpolated to bins; the phase stays. There are two rounds, since bands overlap. Arguments
    are those of `match_to_style`.
    """
    filters = mel_filterbank(sample_rate, FINE.n_fft, _NUM_BANDS)
    band_to_bin = _band_to_bin(filters)
    own = np.asarray(level_quantiles(waveform, sample_rate))
    wanted = ((1 - amount) * own + amount * levels)[0]
    at = (np.arange(len(wanted)) + 0.5) / len(wanted)
    for _ in range(_ROUNDS):
        spectrum = _stft(waveform)
        power = np.square(np.abs(spectrum)) * (4 / FINE.n_fft)
        bands = np.log(power.mean(axis=0) @ filters + _FLOOR)
        rank = (bands.argsort(axis=0).argsort(axis=0) + 0.5) / len(bands)
        gain = np.empty_like(bands)
        for band in range(bands.shape[1]):
            matched = np.interp(rank[:, band], at, wanted[:, band])
            gain[:, band] = (matched - bands[:, band]) / 2
        spectrum = spectrum * np.exp(gain.clip(-_LIMIT, _LIMIT) @ band_to_bin)
        waveform = _istft(spectrum, waveform.shape[1])
    return waveform


def _band_to_bin(filters: np.ndarray) -> np.ndarray:
    """Weights of the bands in each bin, `[bands, bins]`; they sum to 1 in each bin.

    Bins in no band take the weights of the nearest bin in one.
    """
    total = filters.sum(axis=1)
    held = np.flatnonzero(total > 0)
    nearest = held[np.abs(np.arange(len(total))[:, None] - held).argmin(axis=1)]
    return (filters[nearest] / total[nearest, None]).T


def renew_phase(waveform: np.ndarray) -> np.ndarray:
    """The same magnitudes with a phase recovered from them, `[channels, samples]` to the same.

    The phase is recovered for the mean power of the channels. Each bin of all channels is rotated
    by its difference from the phase of their sum, so that phase differences between channels stay.
    """
    spectrum = _stft(waveform)
    rendered = recover_phase(
        np.sqrt(np.square(np.abs(spectrum)).mean(axis=0, keepdims=True)),
        jax.random.key(0),
        stft_config=FINE,
        config=_PHASE,
        length=waveform.shape[1],
    )
    rotation = _sign(_stft(rendered)) * _sign(spectrum.sum(axis=0)).conj()
    return _istft(spectrum * rotation, waveform.shape[1])


def _sign(spectrum: np.ndarray) -> np.ndarray:
    """`z / |z|`, and 1 where `z` is 0."""
    return np.where(np.abs(spectrum) > 1e-20, np.sign(spectrum), 1.0)
