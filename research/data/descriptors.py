"""The 57 descriptors of a track in GTZAN's feature tables.

Their recipe was never published in words. The one here reproduces the published values of tracks
whose audio is the published one.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from research.audio.median import running_median
from research.audio.waveform import (
    Waveform,
    check_peak,
    match_channels,
    resample,
    without_offset,
)
from research.programs import load_librosa

SAMPLE_RATE = 22050
FEATURES = (
    *(
        f"{name}_{statistic}"
        for name in (
            "chroma_stft",
            "rms",
            "spectral_centroid",
            "spectral_bandwidth",
            "rolloff",
            "zero_crossing_rate",
            "harmony",
            "perceptr",
        )
        for statistic in ("mean", "var")
    ),
    "tempo",
    *(f"mfcc{i}_{statistic}" for i in range(1, 21) for statistic in ("mean", "var")),
)
# Slices begin every 3 s and are one sample shorter than that, as published.
SLICE_SECONDS = 3
_SLICE_STRIDE = SLICE_SECONDS * SAMPLE_RATE
_SLICE_SAMPLES = _SLICE_STRIDE - 1
HOP_LENGTH = 512
_N_FFT = 2048
_MEDIAN_WIDTH = 31


def describe(samples: np.ndarray) -> np.ndarray:
    """Descriptors of `[samples]` float32 at 22 050 Hz, `[57]` float64 in the order of `FEATURES`.

    Means and population variances over frames of 2048 samples every 512, the ends reflected;
    chroma also over its twelve classes. Centroid, bandwidth and roll-off are in Hz, `tempo` in
    beats per minute. `harmony` and `perceptr` are the waveforms of a harmonic-percussive
    separation, 0 after the last whole hop, as when the tables were made. Their means are the DC
    offset of the audio, nearly 0. Digital silence has finite descriptors.
    """
    librosa = load_librosa()
    stft = librosa.stft(samples, n_fft=_N_FFT, hop_length=HOP_LENGTH, pad_mode="reflect")
    magnitude = np.abs(stft)
    power = magnitude**2
    frames: dict[str, Any] = {"sr": SAMPLE_RATE, "n_fft": _N_FFT, "hop_length": HOP_LENGTH}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning from empty frequency set")
        chroma = librosa.feature.chroma_stft(S=power, **frames)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, n_mels=128, **frames))
    onsets = librosa.onset.onset_strength(S=mel, aggregate=np.median, **frames)
    # The tempo of beat_track, without tracking beats.
    tempo = librosa.feature.tempo(onset_envelope=onsets, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)[0]
    framing: dict[str, Any] = {"frame_length": _N_FFT, "hop_length": HOP_LENGTH}
    values = (
        chroma,
        librosa.feature.rms(y=samples, pad_mode="reflect", **framing),
        librosa.feature.spectral_centroid(S=magnitude, **frames),
        librosa.feature.spectral_bandwidth(S=magnitude, **frames),
        librosa.feature.spectral_rolloff(S=magnitude, **frames),
        librosa.feature.zero_crossing_rate(samples, **framing),
        *_separate(stft, magnitude, len(samples)),
    )
    timbre = librosa.feature.mfcc(S=mel, n_mfcc=20)
    return np.array(
        [*_statistics(values), tempo if onsets.any() else 0.0, *_statistics(timbre)], np.float64
    )


def _statistics(values: Iterable[np.ndarray]) -> list[float]:
    """Mean and population variance of each array."""
    return [
        statistic(array, dtype=np.float64) for array in values for statistic in (np.mean, np.var)
    ]


def _separate(
    stft: np.ndarray, magnitude: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic and percussive waveforms, `[length]` each, 0 after the last whole hop.

    Those of `librosa.effects.hpss` before it padded the end. Its median filters would take most of
    the time of all descriptors; these are ten times faster.
    """
    librosa = load_librosa()
    harmonic = running_median(magnitude, _MEDIAN_WIDTH)
    percussive = running_median(magnitude.T, _MEDIAN_WIDTH).T

    def waveform(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        mask = librosa.util.softmask(one, other, power=2, split_zeros=True)
        samples = librosa.istft(stft * mask, hop_length=HOP_LENGTH)
        return librosa.util.fix_length(samples, size=length)

    return waveform(harmonic, percussive), waveform(percussive, harmonic)


def describe_track(waveform: Waveform) -> np.ndarray:
    """Length and descriptors of a track, then of each whole slice, `[1 + slices, 58]` float64.

    Computed from the mean of the channels at 22 050 Hz. Lengths are in samples.

    Raises:
      InputError: the samples are far above full scale.
    """
    check_peak(waveform.samples)
    mono = Waveform(match_channels(waveform.samples, 1), waveform.sample_rate)
    samples = resample(without_offset(mono), SAMPLE_RATE).samples[0]
    starts = range(0, len(samples) - _SLICE_SAMPLES + 1, _SLICE_STRIDE)
    spans = [samples, *(samples[start:][:_SLICE_SAMPLES] for start in starts)]
    return np.array([[len(span), *describe(span)] for span in spans])
