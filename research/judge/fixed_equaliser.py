"""The content through one fixed equaliser, which a transfer is compared with."""

import math

import numpy as np

from research.audio.levels import limit_peaks, rms
from research.audio.waveform import Waveform, match_channels, resample, without_offset
from research.programs import load_librosa

_RATE, _N_FFT = 22050, 2048
_SMOOTHED_BINS = 4
_TINY = 1e-9
_HELD = 0.45  # Of a sample rate; resampling leaves little above it.


def equalise(content: Waveform, style: Waveform) -> Waveform:
    """Content with the mean power spectrum of the style, at the content's RMS level.

    All channels get the same equaliser. Above what the sample rate of the style can hold, its gain
    stays what it is there. Offsets are removed, and peaks that would clip are limited.

    Args:
      content: any sample rate, channels and length.
      style: the same.
    """
    content, style = without_offset(content), without_offset(style)
    rate = content.sample_rate
    mono, target = (match_channels(part.samples, 1)[0] for part in (content, resample(style, rate)))
    n_fft = 2 ** round(math.log2(_N_FFT * rate / _RATE))
    gains = _gains(_stft(mono, n_fft), _stft(target, n_fft))
    if style.sample_rate < rate:
        highest = int(_HELD * style.sample_rate * n_fft / rate)
        gains[highest:] = gains[highest]
    length = content.samples.shape[1]
    samples = np.stack([_apply(gains, _stft(one, n_fft), length) for one in content.samples])
    samples *= rms(content.samples) / max(rms(samples), _TINY)
    return Waveform(limit_peaks(samples.astype(np.float32), rate), rate)


def equalise_spectrum(content: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Content with the mean power spectrum of the target, both smoothed over 4 bins, `[samples]`.

    Args:
      content: mono `[samples]` at 22 050 Hz.
      target: the same, of any length.
    """
    spectrum = _stft(content, _N_FFT)
    return _apply(_gains(spectrum, _stft(target, _N_FFT)), spectrum, len(content))


def _stft(samples: np.ndarray, n_fft: int) -> np.ndarray:
    librosa = load_librosa()
    return librosa.stft(samples, n_fft=n_fft, hop_length=n_fft // 4)


def _gains(spectrum: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Gains of the bins, `[bins]`, from -60 to 60 dB."""
    from scipy import ndimage

    ours, theirs = (
        ndimage.gaussian_filter1d((np.abs(each) ** 2).mean(axis=1), _SMOOTHED_BINS)
        for each in (spectrum, target)
    )
    return np.clip(np.sqrt(theirs / np.maximum(ours, _TINY)), 1e-3, 1e3)


def _apply(gains: np.ndarray, spectrum: np.ndarray, length: int) -> np.ndarray:
    librosa = load_librosa()
    hop = (len(gains) - 1) // 2
    return librosa.istft(spectrum * gains[:, None], hop_length=hop, length=length)
