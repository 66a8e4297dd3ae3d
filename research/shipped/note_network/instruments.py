"""Single notes of all instruments of a soundfont, kept in a folder."""

import functools
import hashlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.audio.midi import play_midi
from research.audio.waveform import fit_length
from research.errors import InputError
from research.files import atomic_write
from research.transfer.reorchestration.grid import SAMPLE_RATE

KITS = (0, 8, 16, 24, 25, 32, 40)
_SPACING, _HELD, _KEPT = 4.0, 3.0, 3.7  # Seconds.
_STEP = 4  # Semitones between recorded notes.
_SOFT, _LOUD = 55, 105
_DRUM_KEYS = range(35, 60)

# Programs of General MIDI by families, with the pitches they are played at. Sound effects, timpani
# and orchestra hits are left out.
FAMILIES: tuple[tuple[tuple[int, ...], tuple[int, int]], ...] = (
    (tuple(range(0, 8)), (28, 100)),  # Pianos.
    (tuple(range(8, 16)), (52, 100)),  # Bells, mallets.
    (tuple(range(16, 24)), (36, 96)),  # Organs, reeds.
    (tuple(range(24, 32)), (40, 88)),  # Guitars.
    (tuple(range(40, 47)), (28, 100)),  # Strings.
    (tuple(range(48, 55)), (36, 96)),  # Ensembles, voices.
    (tuple(range(56, 64)), (34, 88)),  # Brass.
    (tuple(range(64, 72)), (34, 92)),  # Reeds.
    (tuple(range(72, 80)), (60, 100)),  # Pipes.
    (tuple(range(80, 96)), (36, 96)),  # Synthesisers.
    (tuple(range(104, 112)), (36, 96)),  # Plucked and blown of the world.
)
BASSES = (tuple(range(32, 40)), (28, 60))


class Instrument(NamedTuple):
    """What plays a voice.

    Attributes:
      soundfont: path.
      program: of General MIDI, or the kit.
      is_drums: True for a drum kit, whose pitches are drums.
    """

    soundfont: str
    program: int
    is_drums: bool = False


class Notes(NamedTuple):
    """Recorded notes of an instrument.

    Attributes:
      samples: `[notes, samples]` at 22 050 Hz; each is held for 3 s.
      pitches: MIDI, `[notes]`.
      velocities: `[notes]`.
    """

    samples: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray


def soundfont_digests(soundfonts: Sequence[str]) -> dict[str, str]:
    """Digest of each soundfont by the name that its notes are kept under.

    Raises:
      InputError: two have one name.
    """
    digests = {}
    for font in map(pathlib.Path, soundfonts):
        if font.stem in digests:
            raise InputError(f"--soundfonts names two files {font.name}; rename one")
        with font.open("rb") as file:
            digests[font.stem] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


@functools.lru_cache(maxsize=60)
def load_notes(instrument: Instrument, folder: pathlib.Path) -> Notes:
    """Notes of an instrument; recorded, if the folder does not have them.

    Raises:
      InputError: fluidsynth fails.
    """
    name = f"{pathlib.Path(instrument.soundfont).stem}_{instrument.program}"
    path = folder / f"{name}{'_drums' if instrument.is_drums else ''}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        notes = _record(instrument)
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **notes._replace(samples=notes.samples.astype(np.float16))._asdict())
    with np.load(path) as arrays:
        return Notes(arrays["samples"].astype(np.float32), arrays["pitches"], arrays["velocities"])


def _record(instrument: Instrument) -> Notes:
    import pretty_midi  # pyright: ignore[reportMissingImports]

    keys = _DRUM_KEYS if instrument.is_drums else range(*_range(instrument.program), _STEP)
    played = [(key, velocity) for key in keys for velocity in (_SOFT, _LOUD)]
    midi = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120.0)
    midi.instruments.append(pretty_midi.Instrument(instrument.program, instrument.is_drums))
    midi.instruments[0].notes = [
        pretty_midi.Note(velocity, key, number * _SPACING, number * _SPACING + _HELD)
        for number, (key, velocity) in enumerate(played)
    ]
    sound = play_midi(midi, instrument.soundfont, SAMPLE_RATE, room=0.0, reverb=0.0).samples
    spacing, kept = round(_SPACING * SAMPLE_RATE), round(_KEPT * SAMPLE_RATE)
    samples = fit_length(sound, len(played) * spacing).reshape(len(played), spacing)[:, :kept]
    pitches, velocities = np.array(played).T
    return Notes(samples, pitches, velocities)


def _range(program: int) -> tuple[int, int]:
    low, high = next(pitches for programs, pitches in (*FAMILIES, BASSES) if program in programs)
    return low, high + 1
