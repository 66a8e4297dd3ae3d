"""A synthetic data set of ten genres, to train on where there is no music.

A genre is a kind of tone, a rhythm and a register. A track draws its key, tempo, loudness and noise
at random. Accuracy on it shows that the code works, and nothing about music.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import tempfile

import numpy as np

from research.errors import InputError
from research.settings import at_least

SAMPLE_RATE = 22050
_SCALE = (0, 2, 4, 7, 9, 12)  # Notes of the melodies, in semitones.


@dataclasses.dataclass(frozen=True)
class SyntheticConfig:
    """Size of the data set.

    Attributes:
      tracks_per_genre: tracks of each of the ten genres.
      seconds: duration of a track.
      seed: of all random choices.
    """

    tracks_per_genre: int = at_least(12, 1)
    seconds: float = at_least(6.0, 0.5)
    seed: int = at_least(0, 0)


@dataclasses.dataclass(frozen=True)
class _Genre:
    lowest_hz: float
    num_partials: int
    rolloff: float  # Partial k has the amplitude k^-rolloff.
    odd_only: bool = False
    attack: float = 0.01  # Seconds.
    decay: float = 4.0  # Per second.
    notes_per_beat: float = 1.0
    voices: int = 1
    vibrato: float = 0.0  # Fraction of the frequency.
    drums: float = 0.0
    drive: float = 0.0


GENRES = {
    "bass": _Genre(55.0, 4, 1.2, decay=3.0, drums=0.3),
    "bells": _Genre(880.0, 5, 0.6, odd_only=True, decay=2.0, notes_per_beat=0.5),
    "chip": _Genre(330.0, 12, 1.0, odd_only=True, decay=1.0, notes_per_beat=4.0),
    "choir": _Genre(
        220.0, 6, 1.5, attack=0.3, decay=0.3, notes_per_beat=0.25, voices=3, vibrato=2e-2
    ),
    "drone": _Genre(73.0, 16, 0.7, attack=1.0, decay=0.05, notes_per_beat=0.125),
    "drums": _Genre(110.0, 2, 1.0, decay=8.0, notes_per_beat=0.5, drums=1.0),
    "fuzz": _Genre(98.0, 8, 0.8, decay=1.5, notes_per_beat=2.0, voices=2, drive=6.0, drums=0.4),
    "pluck": _Genre(196.0, 10, 1.1, decay=9.0, notes_per_beat=2.0),
    "strings": _Genre(
        294.0, 14, 1.1, attack=0.12, decay=0.4, notes_per_beat=1.0, voices=2, vibrato=8e-3
    ),
    "whistle": _Genre(990.0, 1, 1.0, attack=0.05, decay=0.8, notes_per_beat=1.0, vibrato=1.5e-2),
}


def make_synthetic(folder: str | os.PathLike, config: SyntheticConfig) -> pathlib.Path:
    """Write the data set as a folder of genres, unless it is there, and return that folder.

    Raises:
      InputError: the folder cannot be written.
    """
    import soundfile

    recipe = hashlib.blake2b(pathlib.Path(__file__).read_bytes(), digest_size=4).hexdigest()
    name = f"{config.tracks_per_genre}x{config.seconds:g}s_seed{config.seed}_{recipe}"
    root = pathlib.Path(folder) / "synthetic" / name
    if root.is_dir():
        return root
    temporary = None
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=".", dir=root.parent))
        for number, (genre, recipe) in enumerate(GENRES.items()):
            (temporary / genre).mkdir()
            for track in range(config.tracks_per_genre):
                random = np.random.default_rng([config.seed, number, track])
                path = temporary / genre / f"{genre}.{track:05d}.wav"
                soundfile.write(path, _render(recipe, config.seconds, random), SAMPLE_RATE)
        temporary.chmod(root.parent.stat().st_mode)  # Others may read it, if they may read that.
        os.replace(temporary, root)
    except (OSError, soundfile.SoundFileError) as error:
        if not root.is_dir():  # Else another process was first, with the same bytes.
            raise InputError(f"the synthetic set {root} cannot be written ({error})") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return root


def _render(genre: _Genre, seconds: float, random: np.random.Generator) -> np.ndarray:
    """One track, `[samples]` float64, peak 0.8."""
    mix = np.zeros(round(seconds * SAMPLE_RATE))
    beat = 60.0 / random.uniform(80.0, 140.0)
    key = genre.lowest_hz * 2 ** (random.integers(0, 12) / 12)
    gap = beat / genre.notes_per_beat
    for onset in np.arange(random.uniform(0.0, 0.1), seconds, gap):
        for _ in range(genre.voices):
            pitch = key * 2 ** (random.choice(_SCALE) / 12)
            _add(mix, onset, _tone(genre, pitch, min(2.0 * gap, 6.0), random))
    if genre.drive:
        mix = np.tanh(genre.drive * mix)
    for number, onset in enumerate(np.arange(0.0, seconds, beat / 2)):
        if genre.drums:
            _add(mix, onset, genre.drums * _hit(number % 2 == 0, random))
    mix += 10 ** random.uniform(-3.5, -2.0) * random.standard_normal(mix.size)
    return 0.8 * 10 ** random.uniform(-0.5, 0.0) * mix / np.abs(mix).max()


def _add(mix: np.ndarray, onset: float, sound: np.ndarray) -> None:
    start = round(onset * SAMPLE_RATE)
    room = mix[start : start + sound.size]
    room += sound[: room.size]


def _tone(genre: _Genre, pitch: float, seconds: float, random: np.random.Generator) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = genre.vibrato * np.sin(2 * np.pi * 5.5 * time + random.uniform(0, 6)) / (11 * np.pi)
    phase = 2 * np.pi * pitch * (time + wave)
    tone = np.zeros(time.size)
    stride = 2 if genre.odd_only else 1
    for partial in range(1, stride * genre.num_partials + 1, stride):
        if partial * pitch < 0.45 * SAMPLE_RATE:
            tone += np.sin(partial * phase + random.uniform(0, 6)) / partial**genre.rolloff
    fade = np.minimum(1.0, (seconds - time) / 0.02)
    return tone * np.minimum(time / genre.attack, 1.0) * np.exp(-genre.decay * time) * fade


def _hit(low: bool, random: np.random.Generator) -> np.ndarray:
    time = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    if low:
        return (
            2.0 * np.sin(2 * np.pi * (50.0 * time - 6.0 * np.exp(-30 * time))) * np.exp(-18 * time)
        )
    return random.standard_normal(time.size) * np.exp(-40 * time)
