"""Scores played: notes with times, velocities and small deviations, and MIDI of an ensemble."""

import functools
import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from research.benchmarks.known_truth.pieces import DRUMS, Ensemble, Piece
from research.errors import InputError

if TYPE_CHECKING:
    import pretty_midi  # pyright: ignore[reportMissingImports]

DRUM_VOICE = -1
_LEAD_IN = 0.04  # Seconds before the first note.
_LEGATO = 0.94  # Fraction of its written length that a note sounds.
_SHORTEST = 0.06  # Seconds.


class Note(NamedTuple):
    """A note.

    Attributes:
      voice: 0 for the top one, or `DRUM_VOICE`.
      start: seconds.
      end: seconds.
      pitch: MIDI number.
      velocity: MIDI velocity, not rounded.
    """

    voice: int
    start: float
    end: float
    pitch: int
    velocity: float


@functools.cache
def read_voices(piece: Piece) -> list[list[tuple[float, float, int]]]:
    """Notes of a score, as start and length in quarter notes and MIDI pitch, by voice.

    Raises:
      InputError: this version of music21 does not have the score.
    """
    import music21  # pyright: ignore[reportMissingImports]

    try:
        score: Any = music21.corpus.parse(piece.work, number=piece.number)
    except music21.exceptions21.Music21Exception as error:
        raise InputError(
            f"music21 {music21.__version__} cannot read {piece.work} ({error}); install the "
            "version in research/benchmarks/known_truth/requirements.txt"
        ) from error
    parts = list(score.parts)
    voices = []
    for part in parts if piece.parts is None else [parts[index] for index in piece.parts]:
        notes = [
            (float(note.offset), float(note.quarterLength), int(pitch.midi))
            for note in part.stripTies().flatten().notes
            if note.quarterLength > 0 and "ChordSymbol" not in note.classes
            for pitch in note.pitches
        ]
        voices.append(sorted(set(notes)))
    if piece.split:
        *upper, left_hand = voices
        lowest = {start: pitch for start, _, pitch in sorted(left_hand, key=lambda note: -note[2])}
        bass = [note for note in left_hand if note[2] == lowest[note[0]]]
        voices = [*upper, [note for note in left_hand if note not in bass], bass]
    return voices


def perform(
    piece: Piece,
    seconds: float,
    name: str,
    crescendo: tuple[float, float] | None = None,
    rests: tuple[tuple[float, float], ...] = (),
    variation: str | None = None,
) -> list[Note]:
    """Notes of a piece with accents, phrasing and deviations in time of a few milliseconds.

    Args:
      piece: the score.
      seconds: how much of it is played.
      name: what the deviations are drawn by.
      crescendo: factor of the velocity at the start and at the end.
      rests: start and length of silences, in seconds.
      variation: name of another performance: velocities differ by up to 9, times by 3 ms.
    """
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    quarter = 60.0 / piece.bpm
    delays: dict[float, float] = {}  # Voices start together.
    notes = []
    for voice, written in enumerate(read_voices(piece)):
        for offset, length, pitch in written:
            start = (offset - piece.start) * quarter
            if start < -1e-6 or start > seconds:
                continue
            delay = delays.setdefault(offset, float(generator.normal(0, 0.005)))
            accent = 9 if offset % piece.metre < 1e-6 else 4 if offset % 1 < 1e-6 else 0
            phrase = 8 * math.sin(2 * math.pi * start / 4.7)
            velocity = 75 + accent + phrase + 5 * (voice == 0) + float(generator.normal(0, 4))
            start = max(0.0, start + delay + float(generator.normal(0, 0.003)))
            end = start + max(_SHORTEST, length * quarter * _LEGATO)
            notes.append(Note(voice, start, end, pitch + 12 * piece.octaves, velocity))
    if piece.drums:
        notes += _drums(piece, seconds, generator)
    for at, length in rests:
        notes = [_with_rest(note, at, length) for note in notes]
    if crescendo:
        notes = [
            note._replace(velocity=note.velocity * np.interp(note.start, [0, seconds], crescendo))
            for note in notes
        ]
    if variation is not None:
        other = np.random.default_rng(zlib.crc32(variation.encode()))
        shifts, louder = other.normal(0, 0.003, len(notes)), other.uniform(-9, 9, len(notes))
        notes = [
            note._replace(start=note.start + s, end=note.end + s, velocity=note.velocity + v)
            for note, s, v in zip(notes, shifts, louder, strict=True)
        ]
    return _without_overlaps(
        [
            note._replace(start=max(0.0, note.start) + _LEAD_IN, end=note.end + _LEAD_IN)
            for note in notes
            if note.start < seconds
        ]
    )


def _drums(piece: Piece, seconds: float, generator: np.random.Generator) -> list[Note]:
    bar = piece.metre * 60.0 / piece.bpm
    hits = []
    for number in range(math.ceil(seconds / bar)):
        for key, pattern in DRUMS[piece.drums or ""].items():
            for step, mark in enumerate(pattern):
                if mark == "x":
                    start = (number + step / len(pattern)) * bar
                    velocity = (100 if step == 0 else 84) + float(generator.normal(0, 4))
                    hits.append(Note(DRUM_VOICE, start, start + 0.1, key, velocity))
        if number % 4 == 0:
            hits.append(Note(DRUM_VOICE, number * bar, number * bar + 0.1, 49, 90.0))
    return hits


def _with_rest(note: Note, at: float, length: float) -> Note:
    if note.start >= at - 0.02:
        return note._replace(start=note.start + length, end=note.end + length)
    return note._replace(end=min(note.end, max(at, note.start + _SHORTEST)))


def _without_overlaps(notes: list[Note]) -> list[Note]:
    """Notes sorted; one that is struck again in its voice ends before."""
    result: list[Note] = []
    last: dict[tuple[int, int], int] = {}
    for note in sorted(notes, key=lambda note: (note.start, note.voice, note.pitch)):
        before = last.get((note.voice, note.pitch))
        if before is not None and result[before].end > note.start - 0.01:
            earlier = result[before]
            end = max(earlier.start + 0.03, note.start - 0.01)
            result[before] = earlier._replace(end=end)
        last[note.voice, note.pitch] = len(result)
        result.append(note)
    return result


def to_midi(
    notes: list[Note],
    ensemble: Ensemble,
    seconds: float,
    crescendo: tuple[float, float] | None = None,
) -> "pretty_midi.PrettyMIDI":
    """The notes on instruments, with a crescendo also as the expression controller."""
    import pretty_midi  # pyright: ignore[reportMissingImports]

    midi = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120.0)
    voices = sorted({note.voice for note in notes} - {DRUM_VOICE})
    for voice in [*voices, *([] if ensemble.kit is None else [DRUM_VOICE])]:
        is_drum = voice == DRUM_VOICE
        place = voice * len(ensemble.programs) // (1 + max(voices))
        program = (
            ensemble.kit or 0
            if is_drum
            else pretty_midi.instrument_name_to_program(ensemble.programs[place])
        )
        instrument = pretty_midi.Instrument(program, is_drum=is_drum, name=f"voice {voice}")
        instrument.notes = [
            pretty_midi.Note(
                velocity=int(np.clip(round(note.velocity), 12, 124)),
                pitch=note.pitch,
                start=note.start,
                end=note.end,
            )
            for note in notes
            if note.voice == voice
        ]
        if crescendo:
            course = np.asarray(crescendo) / max(crescendo)
            for time in np.arange(0, seconds, 0.05):
                value = round(127 * float(np.interp(time, [0, seconds], course)))
                instrument.control_changes.append(pretty_midi.ControlChange(11, value, float(time)))
        midi.instruments.append(instrument)
    return midi
