"""Features of audio for the judge: spectra, chroma, onsets, and statistics of timbre and texture.

They are those of librosa and of random filters, of mono audio at 22 050 Hz and one RMS level.
"""

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from research.programs import load_librosa

if TYPE_CHECKING:
    from scipy import sparse

SAMPLE_RATE = 22050
"""Hz of all audio that is measured."""
_N_FFT, _HOP = 2048, 512
_BINS_PER_OCTAVE, _OCTAVES = 36, 7  # Of the constant-Q transform, C1 to C8.
_LONGEST_FILTER = 2**16  # Samples of the filter of C1. librosa warns of audio that is shorter.
_MELS = 96
_PATCH = 7  # Frames.
_PROJECTIONS, _QUANTILES, _FILTERS = 128, 200, 512
_PROJECTION_SEED, _FILTER_SEED = 20_011, 20_021
_FLOOR = 1e-5  # Power. It is at least 70 dB below the partials of a loud tone.
_TINY = 1e-12


class Spectra(NamedTuple):
    """Complex spectra of mono audio.

    Both are linear in the samples, so the spectra of a crossfade follow from those of its parts.

    Attributes:
      stft: `[bins, frames]`.
      cqt: constant-Q transform, `[pitches, frames]`, 36 pitches per octave.
    """

    stft: np.ndarray
    cqt: np.ndarray

    @property
    def power(self) -> np.ndarray:
        """Squared magnitude of the STFT, `[bins, frames]`."""
        return np.real(self.stft) ** 2 + np.imag(self.stft) ** 2


class Features(NamedTuple):
    """Features of mono audio. The last four leave out rests.

    Attributes:
      chroma: strength of the 12 pitch classes, the largest of a frame 1, `[12, frames]`.
      cens: chroma of the constant-Q transform, quantised and smoothed over a second (CENS, Müller,
        Kurth & Clausen 2005), `[12, frames]`.
      energy: sum of the power over the bins, `[frames]`.
      onsets: onset strength, `[frames]`.
      mfcc: mean and standard deviation over time of MFCCs 1 to 19, `[38]`.
      bands: mean, standard deviation and mean absolute step from frame to frame of the levels of 8
        octaves in dB, `[24]`.
      patches: quantiles of random projections of log-mel patches, `[200, 128]`.
      gram: mean over patches of the products of random ReLU filters, `[512, 512]`.
    """

    chroma: np.ndarray
    cens: np.ndarray
    energy: np.ndarray
    onsets: np.ndarray
    mfcc: np.ndarray
    bands: np.ndarray
    patches: np.ndarray
    gram: np.ndarray


def analyse(samples: np.ndarray) -> Spectra:
    """Spectra of mono `[samples]` at 22 050 Hz."""
    librosa = load_librosa()
    spectrum = librosa.stft(samples, n_fft=_N_FFT, hop_length=_HOP)
    pitches = librosa.cqt(
        np.pad(samples, (0, max(0, _LONGEST_FILTER - len(samples)))),
        sr=SAMPLE_RATE,
        hop_length=_HOP,
        tuning=0.0,
        n_bins=_OCTAVES * _BINS_PER_OCTAVE,
        bins_per_octave=_BINS_PER_OCTAVE,
    )
    return Spectra(spectrum, pitches[:, : spectrum.shape[1]])


def compute_features(
    spectra: Spectra, log_mel_mean: float, log_mel_std: float, rests: np.ndarray | None = None
) -> Features:
    """Features of audio.

    Args:
      spectra: of the audio.
      log_mel_mean: mean of the log-mel spectrograms of content and style, to standardise patches.
      log_mel_std: standard deviation of the same.
      rests: frames to leave out of `mfcc`, `bands`, `patches` and `gram`, `[frames]`.
    """
    librosa = load_librosa()
    power = spectra.power
    log_mel = log_mel_bands(power)
    decibels = 10 / np.log(10) * log_mel
    sounds = np.ones(power.shape[1], bool) if rests is None else ~rests
    coefficients = librosa.feature.mfcc(S=decibels[:, sounds], n_mfcc=20)[1:]
    patches = make_patches((log_mel - log_mel_mean) / max(log_mel_std, _TINY))
    whole = np.lib.stride_tricks.sliding_window_view(sounds, _PATCH).all(axis=1)
    patches = patches[whole] if whole.any() else patches
    responses = np.maximum(patches @ random_filters(_FILTER_SEED, _FILTERS), 0)
    projections = patches @ random_filters(_PROJECTION_SEED, _PROJECTIONS)
    return Features(
        chroma=librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, tuning=0.0),
        cens=librosa.feature.chroma_cens(
            C=np.abs(spectra.cqt),
            sr=SAMPLE_RATE,
            hop_length=_HOP,
            tuning=0.0,
            bins_per_octave=_BINS_PER_OCTAVE,
            n_octaves=_OCTAVES,
        ),
        energy=power.sum(axis=0),
        onsets=librosa.onset.onset_strength(S=decibels, sr=SAMPLE_RATE),
        mfcc=np.concatenate([coefficients.mean(axis=1), coefficients.std(axis=1)]),
        bands=band_statistics(power[:, sounds]),
        patches=_quantiles(projections),
        gram=responses.T @ responses / len(responses),
    )


def log_mel_bands(power: np.ndarray) -> np.ndarray:
    """Natural logarithm of power `[bins, frames]` in mel bands, `[96, frames]`."""
    return np.log(_mel_filters() @ power + _FLOOR)


@functools.cache
def _mel_filters() -> "sparse.csr_array":
    """Mel bands `[96, bins]`, sparse."""
    from scipy import sparse

    librosa = load_librosa()
    return sparse.csr_array(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_N_FFT, n_mels=_MELS))


@functools.cache
def random_filters(seed: int, number: int) -> np.ndarray:
    """Gaussian filters of patches, `[7 * 96, number]`, of unit norm on average."""
    size = _PATCH * _MELS
    draw = np.random.default_rng(seed).standard_normal((size, number))
    return (draw / np.sqrt(size)).astype(np.float32)


def make_patches(log_mel: np.ndarray) -> np.ndarray:
    """All runs of 7 frames of `[bands, frames]`, flattened: `[frames - 6, 7 * bands]`."""
    windows = np.lib.stride_tricks.sliding_window_view(log_mel, _PATCH, axis=1)
    return windows.transpose(1, 2, 0).reshape(windows.shape[1], -1).astype(np.float32)


def _quantiles(values: np.ndarray) -> np.ndarray:
    """200 evenly spaced quantiles of each column, `[number, columns]` to `[200, columns]`.

    The Euclidean distance of quantiles approximates the Wasserstein distance of order 2.
    """
    ranked = np.sort(values, axis=0)
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES * (len(ranked) - 1)
    below = places.astype(int)
    fraction = (places - below)[:, None]
    above = np.minimum(below + 1, len(ranked) - 1)
    return (1 - fraction) * ranked[below] + fraction * ranked[above]


def band_statistics(power: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and mean absolute step of the levels of 8 octaves, `[24]` dB.

    The octaves begin at 43 Hz and end at the Nyquist frequency. 0 dB is a mean square of 1.

    Args:
      power: of the STFT, `[1025, frames]`.
    """
    edges = np.round(_N_FFT / 2 / 2.0 ** np.arange(8, -1, -1)).astype(int)
    sums = np.add.reduceat(power[: edges[-1]], edges[:-1], axis=0)
    # The energy of a Hann window is 3/8 of its length. The floor is -80 dB.
    levels = 10 * np.log10(sums * 2 / (0.375 * _N_FFT**2) + 1e-8)
    steps = np.abs(np.diff(levels, axis=1)).mean(axis=1)
    return np.concatenate([levels.mean(axis=1), levels.std(axis=1), steps])
