"""Plots of sounds for a page: spectrogram, waveform, chroma, onsets and beats, centroid."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from research.audio.stft_config import StftConfig
from research.audio.waveform import Waveform, match_channels, resample
from research.programs import load_librosa
from research.report.beats import find_beats
from research.report.media import image_uri
from research.report.plots import Axis, band, curve, verticals
from research.report.spectrograms import LOWEST_HZ, RANGE_DB, decibels
from research.workers import HERE, Workers

_STFT = StftConfig()
_COLUMNS = 500  # Most points of a curve. A page is about 1000 pixels wide.
# Frames this far below the loudest frame have no centroid: it would be that of noise.
_QUIET_DB = 60.0


@dataclasses.dataclass(frozen=True)
class SoundViews:
    """Plots of one sound. The horizontal axis of each is time, from start to end.

    Attributes:
      time: axis in seconds.
      hertz: frequency axis of the spectrogram, Hz.
      centroid_hertz: vertical axis of the centroid, Hz, the same for all sounds.
      spectrogram: `data:` URI of an image.
      chroma: `data:` URI of an image, rows C to B from the bottom.
      waveform: SVG path around the lowest and highest samples.
      onsets: SVG path of the onset strength, as a fraction of its maximum.
      beats: SVG path of a vertical line for each beat.
      num_beats: number of beats.
      tempo: beats per minute, 0 if there are no beats.
      centroid: SVG path of the spectral centroid, interrupted where the sound is quiet.
    """

    time: Axis
    hertz: Axis
    centroid_hertz: Axis
    spectrogram: str
    chroma: str
    waveform: str
    onsets: str
    beats: str
    num_beats: int
    tempo: float
    centroid: str


@dataclasses.dataclass(frozen=True)
class _Features:
    """Features of a mono sound, resampled for the plots."""

    samples: np.ndarray  # [samples]
    chroma: np.ndarray  # [12, frames]
    onsets: np.ndarray  # [frames]
    centroid: np.ndarray  # [frames], Hz, NaN where it is quiet
    beats: np.ndarray  # [beats], seconds
    tempo: float


def view_sounds(
    sounds: Sequence[Waveform], sample_rate: int, workers: Workers = HERE
) -> list[SoundViews]:
    """Plots of sounds. Levels and centroids have the same scale for all sounds.

    Args:
      sounds: at any rates, averaged to mono.
      sample_rate: Hz that sounds are resampled to.
      workers: where sounds are analysed.
    """
    analysed = [workers.submit(_analyse, sound, sample_rate) for sound in sounds]
    levels = decibels(sounds, sample_rate, _STFT)
    features = [each.result() for each in analysed]
    loudest = max(max(np.abs(each.samples).max() for each in features), 1e-9)
    centroids = np.concatenate([each.centroid for each in features])
    highest = centroids[np.isfinite(centroids)].max(initial=1000.0)
    centroid_hertz = Axis(0.0, 1.05 * float(highest))
    frame_seconds = _STFT.hop_length / sample_rate
    views = []
    for sound, rows, each in zip(sounds, levels, features, strict=True):
        frames = np.arange(len(each.onsets)) * frame_seconds / sound.seconds
        samples = np.arange(len(each.samples)) / len(each.samples)
        views.append(
            SoundViews(
                time=Axis(0.0, sound.seconds),
                hertz=Axis(LOWEST_HZ, sample_rate / 2, logarithmic=True),
                centroid_hertz=centroid_hertz,
                spectrogram=image_uri(1 + rows / RANGE_DB, lossless=False),
                chroma=image_uri(each.chroma, lossless=True),
                waveform=band(
                    _columns(samples, np.mean),
                    _columns(0.5 + each.samples / loudest / 2, np.min),
                    _columns(0.5 + each.samples / loudest / 2, np.max),
                ),
                onsets=curve(
                    _columns(frames, np.mean),
                    _columns(each.onsets / max(each.onsets.max(), 1e-9), np.max),
                ),
                beats=verticals(each.beats / sound.seconds),
                num_beats=len(each.beats),
                tempo=each.tempo,
                centroid=curve(
                    _columns(frames, np.mean),
                    _columns(centroid_hertz.place(each.centroid), np.mean),
                ),
            )
        )
    return views


def _columns(values: np.ndarray, reduce: Callable[[np.ndarray], float]) -> np.ndarray:
    """At most 500 values, each of them computed from a run of values."""
    if len(values) <= _COLUMNS:
        return values
    return np.array([reduce(piece) for piece in np.array_split(values, _COLUMNS)])


def _analyse(sound: Waveform, sample_rate: int) -> _Features:
    librosa = load_librosa()
    samples = match_channels(resample(sound, sample_rate).samples, 1)[0]
    hop = _STFT.hop_length
    power = np.abs(librosa.stft(samples, n_fft=_STFT.n_fft, hop_length=hop)) ** 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Sounds without pitch, or short.
        chroma = librosa.feature.chroma_stft(S=power, sr=sample_rate, tuning=0.0)
        mel = librosa.feature.melspectrogram(S=power, sr=sample_rate)
        onsets = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=sample_rate)
        tempo = float(
            librosa.feature.tempo(onset_envelope=onsets, sr=sample_rate, hop_length=hop)[0]
        )
        centroid = librosa.feature.spectral_centroid(S=np.sqrt(power), sr=sample_rate)[0]
    beats = find_beats(onsets, max(round(60 * sample_rate / (hop * tempo)), 1))
    energy = power.sum(axis=0)
    audible = energy > max(energy.max() * 10 ** (-_QUIET_DB / 10), 1e-12)
    return _Features(
        samples=samples,
        chroma=chroma,
        onsets=onsets,
        centroid=np.where(audible, centroid, np.nan),
        beats=beats * hop / sample_rate,
        tempo=tempo if len(beats) else 0.0,
    )
