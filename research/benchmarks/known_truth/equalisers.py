"""An equaliser to mean levels of bands, and one that maps the distribution of levels of each."""

import numpy as np

from research.benchmarks.known_truth.render import SAMPLE_RATE
from research.programs import load_librosa

_N_FFT, _HOP = 2048, 512
_MELS = 80
_LARGEST_DB = 60.0
_TINY = 1e-9


def equalise_levels(content: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Content with the target's mean level in dB of each of 80 mel bands, `[samples]`.

    Levels are at least 60 dB under the loudest.

    Args:
      content: mono `[samples]` at 22 050 Hz.
      target: the same.
    """
    spectrum, other = _stft(content), _stft(target)
    ours, theirs = (_band_levels(each) for each in (spectrum, other))
    means = [np.maximum(each, each.max() - 60).mean(axis=1) for each in (theirs, ours)]
    return _with_band_gains(spectrum, (means[0] - means[1])[:, None], len(content))


def match_quantiles(content: np.ndarray, target: np.ndarray, num_quantiles: int = 50) -> np.ndarray:
    """Content with the target's distribution of levels in each of 80 mel bands, `[samples]`.

    Arguments as in `equalise_levels`.
    """
    spectrum, other = _stft(content), _stft(target)
    at = (np.arange(num_quantiles) + 0.5) / num_quantiles
    gains = [
        np.interp(ours, np.quantile(ours, at), np.quantile(theirs, at)) - ours
        for ours, theirs in zip(_band_levels(spectrum), _band_levels(other), strict=True)
    ]
    return _with_band_gains(spectrum, np.stack(gains), len(content))


def _stft(samples: np.ndarray) -> np.ndarray:
    librosa = load_librosa()
    return librosa.stft(samples, n_fft=_N_FFT, hop_length=_HOP)


def _istft(spectrum: np.ndarray, length: int) -> np.ndarray:
    librosa = load_librosa()
    return librosa.istft(spectrum, hop_length=_HOP, length=length)


def _mel_filters() -> np.ndarray:
    librosa = load_librosa()
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_N_FFT, n_mels=_MELS, norm=None)


def _band_levels(spectrum: np.ndarray) -> np.ndarray:
    """Levels in dB, `[mels, frames]`."""
    return 10 * np.log10(_mel_filters() @ np.abs(spectrum) ** 2 + _TINY)


def _with_band_gains(spectrum: np.ndarray, gains: np.ndarray, length: int) -> np.ndarray:
    """The sound of a spectrum with gains in dB, `[mels, frames]` or `[mels, 1]`."""
    filters = _mel_filters()
    shares = filters / np.maximum(filters.sum(axis=0), _TINY)
    decibels = np.clip(shares.T @ gains, -_LARGEST_DB, _LARGEST_DB)
    return _istft(spectrum * 10 ** (decibels / 20), length)
