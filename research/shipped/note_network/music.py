"""Random pieces: voices of melodies, chords and drums on a common harmony."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.shipped.note_network.instruments import BASSES, FAMILIES, KITS, Instrument

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
    (0, 2, 4, 7, 9),
    (0, 3, 5, 6, 7, 10),
    (0, 2, 3, 5, 7, 9, 10),
)
_KINDS = {"melody": 0.12, "chords": 0.18, "chorale": 0.16, "ensemble": 0.22, "band": 0.32}
_REGISTERS = ((28, 48), (38, 62), (50, 70), (58, 82), (65, 92))  # MIDI, of the voices of a group.
_BEATS = (0.25, 0.5, 1, 2, 4)
# How often a note lasts so many beats, for fast, moderate and slow voices.
_LENGTHS = ((0.25, 0.4, 0.25, 0.1, 0), (0.05, 0.25, 0.4, 0.2, 0.1), (0, 0.1, 0.3, 0.4, 0.2))
_CHORD_LENGTHS = ((0, 0.4, 0.4, 0.15, 0.05), (0, 0.1, 0.4, 0.4, 0.1), (0, 0, 0.2, 0.5, 0.3))
_LEGATO = 0.95
# Bass drum, snare, one of the cymbals, one of the rest; the fraction of the steps that has one.
_DRUMS = (
    ((36,), 0.3),
    ((38,), 0.25),
    ((42, 44, 46, 51, 53), 0.7),
    ((39, 41, 43, 45, 47, 49, 54, 56), 0.12),
)


class Note(NamedTuple):
    """A note: start and length in seconds, MIDI pitch and velocity."""

    start: float
    seconds: float
    pitch: int
    velocity: float


class Voice(NamedTuple):
    """Notes and what plays them."""

    instrument: Instrument
    notes: list[Note]


def write_piece(
    generator: np.random.Generator, seconds: float, soundfonts: Sequence[str]
) -> list[Voice]:
    """A piece of so many seconds. The first soundfont plays two thirds of the voices."""
    return _Writer(generator, seconds, soundfonts).write()


class _Writer:
    def __init__(self, generator: np.random.Generator, seconds: float, soundfonts: Sequence[str]):
        self.generator, self.seconds, self.soundfonts = generator, seconds, soundfonts
        self.beat = 60 / generator.uniform(55, 170)
        self.key = int(generator.integers(12))
        self.scale = _SCALES[generator.integers(len(_SCALES))]
        self.chords, degree = [], 0
        hold = int(generator.choice([1, 2, 4]))
        for number in range(int(seconds / self.beat) + 2):
            if number % hold == 0:
                degree = int(generator.integers(len(self.scale)))
            size = 3 + (generator.random() < 0.3)
            self.chords.append(
                {
                    (self.key + self.scale[(degree + 2 * third) % len(self.scale)]) % 12
                    for third in range(size)
                }
            )

    def write(self) -> list[Voice]:
        generator = self.generator
        kind = generator.choice(list(_KINDS), p=list(_KINDS.values()))
        if kind == "melody":
            low = int(generator.integers(28, 78))
            return [Voice(self._instrument(), self._melody(low, min(100, low + 24)))]
        if kind == "chords":
            low = int(generator.integers(40, 60))
            notes = self._chords(low, low + 30, 2 + int(generator.integers(4)))
            if generator.random() < 0.7:
                notes += self._melody(low + 20, low + 40)
            if generator.random() < 0.5:
                notes += self._melody(max(28, low - 16), low)
            return [Voice(self._instrument(), notes)]
        if kind == "chorale":
            return [Voice(self._instrument(), self._chorale(3 + int(generator.integers(3))))]
        same = self._instrument() if generator.random() < 0.4 else None
        count, voices = int(generator.integers(2, 6)), []
        for place in sorted(generator.choice(len(_REGISTERS), count, replace=False)):
            is_bass = place == 0 and kind == "band"
            instrument = same or self._instrument(BASSES[0] if is_bass else None)
            if kind == "band" and place in (1, 2) and generator.random() < 0.5:
                notes = self._chords(*_REGISTERS[place], 2 + int(generator.integers(3)))
            else:
                notes = self._melody(*_REGISTERS[place])
            voices.append(Voice(instrument, notes))
        if kind == "band" and generator.random() < 0.85:
            kit = int(generator.choice(KITS))
            voices.append(Voice(Instrument(self._soundfont(), kit, True), self._drums()))
        return voices

    def _instrument(self, programs: Sequence[int] | None = None) -> Instrument:
        if programs is None:
            programs, _ = FAMILIES[self.generator.integers(len(FAMILIES))]
        return Instrument(self._soundfont(), int(self.generator.choice(programs)))

    def _soundfont(self) -> str:
        first, *others = self.soundfonts
        is_first = not others or self.generator.random() < 0.65
        return first if is_first else str(self.generator.choice(others))

    def _chord(self, time: float) -> set[int]:
        return self.chords[min(int(time / self.beat), len(self.chords) - 1)]

    def _note(self, start: float, seconds: float, pitch: int) -> Note:
        start = max(0.0, start + float(self.generator.normal(0, 0.008)))
        velocity = float(np.clip(self.generator.normal(78, 13), 30, 120))
        return Note(start, seconds * _LEGATO, pitch, velocity)

    def _melody(self, low: int, high: int) -> list[Note]:
        """Small steps, mostly in the scale or the chord."""
        generator, pitches = self.generator, range(low, high + 1)
        lengths = _LENGTHS[generator.integers(3)]
        scale = {(self.key + step) % 12 for step in self.scale}
        time, pitch, notes = (
            float(generator.uniform(0, 0.3)),
            int(generator.integers(low, high)),
            [],
        )
        while time < self.seconds:
            length = self.beat * float(generator.choice(_BEATS, p=lengths))
            if generator.random() > 0.12:
                wanted = pitch + generator.normal(0, 3.5)
                allowed = scale if generator.random() < 0.6 else self._chord(time)
                if generator.random() < 0.05:
                    allowed = set(range(12))
                found = [one for one in pitches if one % 12 in allowed] or list(pitches)
                pitch = min(found, key=lambda one: abs(one - wanted))
                notes.append(self._note(time, length, pitch))
            time += length
        return notes

    def _chords(self, low: int, high: int, size: int) -> list[Note]:
        """Notes of the harmony together, or one after the other."""
        generator, broken = self.generator, self.generator.random() < 0.2
        lengths = _CHORD_LENGTHS[generator.integers(3)]
        time, notes = 0.0, []
        while time < self.seconds:
            length = self.beat * float(generator.choice(_BEATS, p=lengths))
            chord = self._chord(time)
            found = [pitch for pitch in range(low, high + 1) if pitch % 12 in chord]
            if found and generator.random() > 0.1:
                pitches = sorted(generator.choice(found, min(size, len(found)), replace=False))
                for number, pitch in enumerate(pitches):
                    delay = number * length / len(pitches) if broken else 0.0
                    notes.append(self._note(time + delay, length - delay, int(pitch)))
            time += length
        return notes

    def _chorale(self, size: int) -> list[Note]:
        """So many parts that move together, each near its pitch and joined to its next note."""
        generator = self.generator
        lengths = _CHORD_LENGTHS[1 + generator.integers(2)]
        lowest = int(generator.integers(36, 56))
        parts = (lowest + np.cumsum([0, *generator.integers(3, 8, size - 1)])).tolist()
        time, notes = float(generator.uniform(0, 0.3)), []
        while time < self.seconds:
            length = self.beat * float(generator.choice(_BEATS, p=lengths))
            if generator.random() > 0.06:
                chord, below = self._chord(time), 27
                for pitch in parts:
                    wanted = pitch + generator.normal(0, 2.5)
                    found = [one for one in range(below + 1, 101) if one % 12 in chord]
                    below = min(found, key=lambda one: abs(one - wanted))
                    notes.append(self._note(time, length / _LEGATO, below))
            time += length
        return notes

    def _drums(self) -> list[Note]:
        """A bar that repeats."""
        generator, num_steps = self.generator, int(self.generator.choice([8, 12, 16]))
        bar = 4 * self.beat
        pattern = [
            (int(generator.choice(keys)), generator.random(num_steps) < often)
            for keys, often in _DRUMS
        ]
        hits = []
        for first in np.arange(0, self.seconds, bar):
            for key, steps in pattern:
                for step in np.flatnonzero(steps):
                    start = max(0.0, first + step * bar / num_steps + generator.normal(0, 0.004))
                    velocity = float(np.clip(generator.normal(95, 12), 50, 127))
                    hits.append(Note(float(start), 1.5, key, velocity))
        return hits
