"""Random pieces as audio, with the amplitude of each pitch and of percussion over time."""

import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from research.audio.levels import rms
from research.files import atomic_write
from research.shipped.note_network import instruments, music
from research.shipped.note_network.instruments import Instrument, load_notes
from research.shipped.note_network.music import Note, Voice, write_piece
from research.transfer.reorchestration import grid, spectrum
from research.transfer.reorchestration.grid import PITCHES, SAMPLE_RATE, STFT
from research.transfer.reorchestration.spectrum import analyse

NUM_FRAMES, PIECES_OF_FILE = 256, 50
_LENGTH = NUM_FRAMES * STFT.hop_length
_HOP = 128  # Samples between energies, before they are averaged over the window of a frame.
_PERCUSSION = len(PITCHES)
_RMS = 0.1
_EQUALISER_HERTZ = (30.0, 100.0, 250.0, 600.0, 1500.0, 4000.0, 11025.0)
_SHORTEST, _RELEASES = 0.04, 7.0  # Seconds; times the time constant.


class Mixture(NamedTuple):
    """A piece and what is in it.

    Attributes:
      spectrum: log-frequency magnitudes, `[frames, log bins]` in half precision.
      amplitudes: of pitches and percussion, `[frames, pitches + 1]` in half precision: the root of
        the energy under the window of a frame.
      tuning: semitones.
    """

    spectrum: np.ndarray
    amplitudes: np.ndarray
    tuning: np.float32


def source_digests() -> dict[str, str]:
    """Digest of each module that decides what the pieces are, by its name."""
    files = (__file__, *(module.__file__ for module in (instruments, music, grid, spectrum)))
    paths = [pathlib.Path(str(file)) for file in files]
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def make_mixture(seed: int, soundfonts: Sequence[str], folder: pathlib.Path) -> Mixture:
    """A random piece of 6 s, in random loudness, colour, distortion, room and noise.

    Args:
      seed: of everything.
      soundfonts: paths.
      folder: of recorded notes.

    Raises:
      InputError: notes cannot be recorded.
    """
    generator = np.random.default_rng(seed)
    samples, amplitudes = _play(generator, soundfonts, folder)
    analysed = analyse(samples)
    return Mixture(
        analysed.magnitude[:NUM_FRAMES].astype(np.float16),
        amplitudes.astype(np.float16),
        np.float32(analysed.tuning),
    )


def make_file(soundfonts: Sequence[str], folder: pathlib.Path, path: pathlib.Path) -> None:
    """Write the pieces of 50 seeds, from the number that the file is called by.

    Args:
      soundfonts: paths.
      folder: of recorded notes.
      path: `0.npz`, `50.npz`, `100.npz` and so on; the arrays of `Mixture`, `[pieces, ...]`.

    Raises:
      InputError: notes cannot be recorded, or the file cannot be written.
    """
    first = int(path.stem)
    made = [make_mixture(seed, soundfonts, folder) for seed in range(first, first + PIECES_OF_FILE)]
    arrays: dict[str, Any] = {
        name: np.stack([getattr(one, name) for one in made]) for name in Mixture._fields
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _play(
    generator: np.random.Generator, soundfonts: Sequence[str], folder: pathlib.Path
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of an RMS of 0.1, and amplitudes `[frames, pitches + 1]`."""
    mix = np.zeros(_LENGTH, np.float32)
    energies = np.zeros((_PERCUSSION + 1, _LENGTH // _HOP))
    is_distorted = generator.random() < 0.18
    for voice in write_piece(generator, _LENGTH / SAMPLE_RATE, soundfonts):
        samples, own = _play_voice(voice, generator, folder)
        if is_distorted and not voice.instrument.is_drums and generator.random() < 0.7:
            samples, own = _distort(samples, own, 10 ** (generator.uniform(0, 26) / 20))
        if generator.random() < 0.5:
            samples = _colour(samples, generator)
        mix += samples
        energies += own
    if generator.random() < 0.6:
        mix, energies = _reverberate(mix, energies, generator)
    if generator.random() < 0.6:
        mix = _colour(mix, generator)
    if generator.random() < 0.4:
        noise = generator.normal(0, 10 ** (-generator.uniform(20, 55) / 20), _LENGTH)
        mix = mix + np.float32(_level(mix)) * noise.astype(np.float32)
    scale = _RMS / _level(mix)
    return mix * np.float32(scale), np.sqrt(_under_windows(energies)) * scale


def _play_voice(
    voice: Voice, generator: np.random.Generator, folder: pathlib.Path
) -> tuple[np.ndarray, np.ndarray]:
    """Samples, and energies `[pitches + 1, hops]`."""
    samples = np.zeros(_LENGTH, np.float32)
    energies = np.zeros((_PERCUSSION + 1, _LENGTH // _HOP))
    instrument = voice.instrument
    release = generator.uniform(0.03, 0.25)
    detuned = 0.0 if instrument.is_drums else generator.normal(0, 0.04)
    for note in voice.notes:
        row = _PERCUSSION if instrument.is_drums else note.pitch - PITCHES[0]
        first = int(note.start * SAMPLE_RATE)
        if note.seconds < _SHORTEST or first >= _LENGTH or not 0 <= row <= _PERCUSSION:
            continue
        played = _play_note(note, instrument, release, detuned, folder)[: _LENGTH - first]
        samples[first : first + len(played)] += played
        before = first % _HOP
        square = np.pad(np.square(played), (before, -(before + len(played)) % _HOP))
        energy = square.reshape(-1, _HOP).sum(axis=1)
        energies[row, first // _HOP :][: len(energy)] += energy
    loudness = generator.normal(2.3, 4) if instrument.is_drums else generator.normal(0, 5)
    gain = 10 ** (loudness / 20) * _RMS / _level(samples)
    return samples * np.float32(gain), energies * gain**2


def _play_note(
    note: Note, instrument: Instrument, release: float, detuned: float, folder: pathlib.Path
) -> np.ndarray:
    """The nearest recorded note, resampled to its pitch, with an exponential release."""
    recorded = load_notes(instrument, folder)
    distance = 1000 * np.abs(recorded.pitches - note.pitch)
    nearest = int((distance + np.abs(recorded.velocities - note.velocity)).argmin())
    speed = 2 ** ((note.pitch - recorded.pitches[nearest] + detuned) / 12)
    sound = recorded.samples[nearest]
    place = np.arange(int((len(sound) - 2) / speed)) * speed
    low = place.astype(int)
    part = (place - low).astype(np.float32)
    played = sound[low] * (1 - part) + sound[low + 1] * part
    held = int(note.seconds * SAMPLE_RATE)
    if held < len(played):
        time = np.arange(len(played) - held) / SAMPLE_RATE
        played[held:] *= np.exp(-time / release).astype(np.float32)
        played = played[: held + int(_RELEASES * release * SAMPLE_RATE)]
    return played * np.float32((note.velocity / 100) ** 1.5)


def _distort(
    samples: np.ndarray, energies: np.ndarray, drive: float
) -> tuple[np.ndarray, np.ndarray]:
    """`tanh(drive x) / tanh(drive)` of samples over their RMS level; energies follow."""
    distorted = _RMS * np.tanh(samples / _RMS * drive) / np.tanh(drive)
    before, after = (np.square(x).reshape(-1, _HOP).sum(axis=1) for x in (samples, distorted))
    return distorted, energies * (after / (before + 1e-5 * before.max() + 1e-12))


def _colour(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random equaliser."""
    hertz = np.maximum(np.fft.rfftfreq(_LENGTH, 1 / SAMPLE_RATE), 20)
    gains = generator.normal(0, generator.uniform(0, 5), len(_EQUALISER_HERTZ))
    decibels = np.interp(np.log(hertz), np.log(_EQUALISER_HERTZ), gains)
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (decibels / 20), _LENGTH).astype(np.float32)


def _reverberate(
    samples: np.ndarray, energies: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Exponentially decaying noise of 0.2 to 2.2 s (T60) added; energies decay alike."""
    from scipy.signal import fftconvolve

    seconds, wet = generator.uniform(0.2, 2.2), generator.uniform(0.1, 0.6)
    time = np.arange(int(min(seconds, 1.8) * SAMPLE_RATE)) / SAMPLE_RATE
    response = generator.normal(size=len(time)) * 10 ** (-3 * time / seconds)
    response[: SAMPLE_RATE // 100] *= 0.3
    response *= wet / np.linalg.norm(response)
    course = np.square(response)[: len(response) // _HOP * _HOP].reshape(-1, _HOP).sum(axis=1)
    added = fftconvolve(samples, response)[:_LENGTH].astype(np.float32)
    tail = fftconvolve(energies, course[None], axes=1)[:, : energies.shape[1]]
    return samples + added, energies + tail.clip(0)


def _under_windows(energies: np.ndarray) -> np.ndarray:
    """Energies under the squared Hann window of each frame, `[frames, pitches + 1]`."""
    from scipy.signal import fftconvolve

    size = STFT.n_fft // _HOP
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 4  # Hann, in the middle of hops.
    padded = np.pad(energies, ((0, 0), (size // 2, size // 2)))
    sums = fftconvolve(padded, window[None], mode="valid", axes=1)
    return sums[:, :: STFT.hop_length // _HOP][:, :NUM_FRAMES].T.clip(0)


def _level(samples: np.ndarray) -> float:
    return max(rms(samples), 1e-9)
