"""Recordings of a triple: scores of music21, played by fluidsynth, kept in a folder."""

import dataclasses
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from research.audio.levels import match_loudness
from research.audio.midi import OTHER_SOUNDFONT, SOUNDFONT, check_tools, play_midi
from research.audio.waveform import Waveform, fit_length, load_waveform
from research.audio.writing import save_waveform
from research.benchmarks.known_truth.performance import DRUM_VOICE, perform, to_midi
from research.benchmarks.known_truth.pieces import DRUMS, Ensemble, Triple
from research.errors import InputError
from research.files import atomic_write

if TYPE_CHECKING:
    import pretty_midi  # pyright: ignore[reportMissingImports]

SAMPLE_RATE, SECONDS, RMS = 22050, 10.0, 0.1
RECORDINGS = ("content", "style", "truth", "other_performance", "other_soundfont")
_VERSION = 1  # Of this rendering: another one makes kept recordings anew.


class Rendered(NamedTuple):
    """Recordings of a triple.

    Attributes:
      recordings: mono at 22 050 Hz, 10 s, by the names in `RECORDINGS`.
      notes: of the truth without drums: start and end in seconds and MIDI pitch, `[notes, 3]`.
    """

    recordings: dict[str, Waveform]
    notes: np.ndarray


def render_triple(
    triple: Triple,
    workdir: pathlib.Path,
    soundfonts: tuple[str, str] = (SOUNDFONT, OTHER_SOUNDFONT),
) -> Rendered:
    """Recordings of a triple from its folder in the workdir, where they are made if need be.

    The folder holds a WAV file a recording, `score.mid` with the notes of the truth, and
    `about.json`. Recordings there that another definition of the triple made are replaced. The
    same versions of music21 and fluidsynth give the same samples.

    Args:
      triple: what to render.
      workdir: its parent folder.
      soundfonts: paths of the soundfont of all recordings and of that of `other_soundfont`.

    Raises:
      InputError: something is not installed, or fluidsynth fails.
    """
    folder = workdir / triple.name
    about = folder / "about.json"
    made_from = _fingerprint(triple, soundfonts)
    facts = _read_facts(about)
    if facts.get("fingerprint") != made_from:
        check_tools(("music21", "pretty_midi"), soundfonts)
        folder.mkdir(parents=True, exist_ok=True)
        about.unlink(missing_ok=True)  # Written last: it says that the folder is complete.
        notes = _render_all(triple, folder, soundfonts)
        facts = {"fingerprint": made_from, "held_out": triple.held_out, "notes": notes}
        with atomic_write(about) as path:
            path.write_text(json.dumps(facts))
    recordings = {name: load_waveform(folder / f"{name}.wav") for name in RECORDINGS}
    return Rendered(recordings, np.array(facts["notes"], np.float64).reshape(-1, 3))


def _read_facts(about: pathlib.Path) -> dict[str, Any]:
    """What `about.json` says; nothing if it or a recording is not there, or if it is damaged."""
    if not all((about.parent / f"{name}.wav").is_file() for name in RECORDINGS):
        return {}
    try:
        return json.loads(about.read_text())
    except (OSError, ValueError):
        return {}


def _fingerprint(triple: Triple, soundfonts: tuple[str, str]) -> str:
    fonts = [pathlib.Path(font) for font in soundfonts]
    names = [(font.name, font.stat().st_size if font.is_file() else 0) for font in fonts]
    drums = [DRUMS.get(piece.drums or "") for piece in (triple.content, triple.style)]
    text = json.dumps([dataclasses.asdict(triple), drums, names, SAMPLE_RATE, SECONDS, _VERSION])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _render_all(
    triple: Triple, folder: pathlib.Path, soundfonts: tuple[str, str]
) -> list[tuple[float, float, int]]:
    """Write all recordings. Returns the notes of the truth."""
    ours, theirs = triple.content_ensemble, triple.style_ensemble
    how = (SECONDS, f"{triple.name} content", triple.crescendo, triple.rests)
    notes = perform(triple.content, *how)
    others = perform(triple.content, *how, variation=f"{triple.name} variation")
    style = perform(triple.style, SECONDS, f"{triple.name} style")
    content = to_midi(notes, ours, SECONDS, triple.crescendo)
    truth = to_midi(notes, theirs, SECONDS, triple.crescendo)
    variation = to_midi(others, theirs, SECONDS, triple.crescendo)
    truth.write(str(folder / "score.mid"))
    first, second = soundfonts
    sounds = {
        "content": _play(content, ours, first),
        "style": _play(to_midi(style, theirs, SECONDS), theirs, first),
        "truth": _play(truth, theirs, first),
        "other_performance": _play(variation, theirs, first),
        "other_soundfont": _play(truth, theirs, second),
    }
    for name, sound in sounds.items():
        if not sound.samples.any():
            raise InputError(f"{folder / name}.wav would be silent; check the soundfonts")
        samples = match_loudness(sound.samples, RMS, SAMPLE_RATE)
        save_waveform(folder / f"{name}.wav", Waveform(samples, SAMPLE_RATE))
    return [
        (round(note.start, 4), round(note.end, 4), note.pitch)
        for note in notes
        if note.voice != DRUM_VOICE and note.start < SECONDS - 0.05
    ]


def _play(midi: "pretty_midi.PrettyMIDI", ensemble: Ensemble, soundfont: str) -> Waveform:
    """The sound of MIDI in the room of an ensemble, `SECONDS` long."""
    sound = play_midi(midi, soundfont, SAMPLE_RATE, ensemble.room, ensemble.reverb)
    return Waveform(fit_length(sound.samples, round(SECONDS * SAMPLE_RATE)), SAMPLE_RATE)
