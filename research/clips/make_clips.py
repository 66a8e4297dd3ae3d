"""Render the two demo clips, `piano.ogg` and `band.ogg`, next to this script.

The piano plays the Minuet in G by Christian Petzold (BWV Anh. 114, public domain), bars 1-8;
the band plays a short funk-rock riff written for this project. To render them again on Debian:

    apt-get update && apt-get install -y fluidsynth fluid-soundfont-gm
    pip install mido numpy soundfile
    python research/clips/make_clips.py

The soundfont, FluidR3 GM, is MIT licensed. Every run gives the same decoded samples; the bytes of
the files differ, because each Ogg stream carries a random serial number.

How to read the scores: every line is one bar and opens with its dynamic mark. `D5*2` is a D5 two
steps long (one step if no length is given), `G3+B3` a chord and `-` a rest; a final `'` chokes the
note (a palm mute on the guitar) and a final `~` lets it ring to the end. The drums are a step grid
of accents (`X`), hits (`x`) and ghost notes (`o`).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
import soundfile as sf

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
RATE = 44_100
SECONDS = 10.0
FADE_SECONDS = 0.05
PEAK = 10 ** (-3 / 20)

TICKS_PER_BEAT = 480
TAIL_BEATS = 8  # rendered after the last bar, so that ringing notes outlast the clip
DRUM_CHANNEL = 9

NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
DYNAMICS = {"p": 54, "mp": 64, "mf": 76, "f": 90, "ff": 104}
DOWNBEAT_ACCENT, BEAT_ACCENT, CHOKED_DROP = 12, 4, 14
HITS = {"X": 120, "x": 98, "o": 48}
DRUMS = {
    "crash": 49, "open": 46, "hat": 42, "high": 50, "mid": 47, "low": 43, "snare": 38, "kick": 36,
}  # fmt: skip


class Note(NamedTuple):
    """One note, its start and length counted in steps."""

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """One instrument: a General MIDI program, its loudness (0-127) and its score."""

    program: int
    volume: int
    score: str
    voicing: tuple[int, ...] = (0,)  # semitones stacked on every written pitch


@dataclass(frozen=True)
class Clip:
    """A short piece of music and the sound of its render."""

    name: str
    beats_per_bar: int
    steps_per_beat: int
    tempo: dict[int, float]  # from this bar on, beats per minute
    parts: tuple[Part, ...]
    reverb: float
    drums: str = ""
    drive: float = 0.0  # soft saturation that glues a loud mix together

    @property
    def bar_steps(self) -> int:
        """The number of steps in a bar."""
        return self.beats_per_bar * self.steps_per_beat


PIANO = Clip(
    name="piano",
    beats_per_bar=3,
    steps_per_beat=2,
    tempo={0: 154, 7: 134},
    reverb=0.25,
    parts=(
        Part(
            program=0,  # acoustic grand piano, right hand
            volume=110,
            score="""
                mf  D5*2 G4 A4 B4 C5
                mf  D5*2 G4*2' G4*2'
                f   E5*2 C5 D5 E5 F#5
                f   G5*2 G4*2' G4*2'
                f   C5*2 D5 C5 B4 A4
                mf  B4*2 C5 B4 A4 G4
                mp  F#4*2 G4 A4 B4 G4
                mf  A4*6~
            """,
        ),
        Part(
            program=0,  # acoustic grand piano, left hand
            volume=100,
            score="""
                mp  G3+B3+D4*4 A3*2
                mp  B3*6
                mf  C4*6
                mf  B3*6
                mf  A3*6
                mp  G3*6
                mp  D4*2 B3*2 G3*2
                mp  D4*2 D3~ C4 B3 A3~
            """,
        ),
    ),
)

BAND_DRUMS = """
    crash X--------------- ---------------- X--------------- ---------------- x--x--x--------- X---
    open  --------------x- --------------x- --------------x- ---------------- ---------------- ----
    hat   x-x-x-x-x-x-x--- x-x-x-x-x-x-x--- x-x-x-x-x-x-x--- x-x-x-x-x-x-x-x- ---------------- ----
    snare ----X--o-o--X--- ----X--o-o--X--o ----X--o-o--X--- ----X--o-o--X-xx x--x--x-XxX----- X---
    high  ---------------- ---------------- ---------------- ---------------- -----------Xx--- ----
    mid   ---------------- ---------------- ---------------- ---------------- -------------X-- ----
    low   ---------------- ---------------- ---------------- ---------------- --------------Xx ----
    kick  X-----X-x-x----- X--x--X-x-x----- X-----X-x-x----- X--x--X-x-x----- X--X--X-x--x--x- X---
"""

BAND = Clip(
    name="band",
    beats_per_bar=4,
    steps_per_beat=4,
    tempo={0: 126},
    reverb=0.1,
    drive=1.8,
    drums=BAND_DRUMS,
    parts=(
        Part(
            program=30,  # distortion guitar
            volume=68,
            voicing=(0, 7, 12),  # power chords
            score="""
                ff  E2*2 E2*2' E2*2' G2*4 E2*2' A2*2 G2*2
                ff  E2*2 E2*2' E2*2' D3*4 E2*2' B2*2 D3*2
                ff  C3*2 C3*2' C3*2' D3*4 C3*2' B2*2 G2*2
                ff  A2*2 A2*2' A2*2' B2*4 A2*2' C3*2 D3*2
                ff  E2*3 G2*3 A2*2 B2*8
                ff  E2*16~
            """,
        ),
        Part(
            program=34,  # picked electric bass
            volume=118,
            score="""
                f   E1*2 E1' E1' E2*2' G1*3 D2' E1*2 A1*2 G1*2
                f   E1*2 E1' E1' E2*2' D2*3 E2' E1*2 B1*2 D2*2
                f   C2*2 C2' C2' G2*2' D2*3 C2' C2*2 B1*2 G1*2
                f   A1*2 A1' A1' A2*2' B1*3 A1' A1*2 C2*2 D2*2
                ff  E1*3 G1*3 A1*2 B1*4 C#2*2 D#2*2
                ff  E1*16~
            """,
        ),
        Part(
            program=18,  # rock organ
            volume=62,
            score="""
                mf  G3+B3+E4*16
                mf  G3+B3+E4*6 A3+D4+F#4*6 G3+B3+E4*4
                mf  G3+C4+E4*6 A3+D4+F#4*6 G3+B3+D4*4
                f   A3+C4+E4*6 B3+D4+F#4*6 C4+E4+G4*2 D4+F#4+A4*2
                f   G3+B3+E4*3 B3+D4+G4*3 A3+C4+E4*2 B3+D#4+F#4*8
                ff  G3+B3+E4*16~
            """,
        ),
    ),
)

TOKEN = re.compile(r"(?P<chord>-|[A-G]#?\d(?:\+[A-G]#?\d)*)(?:\*(?P<steps>\d+))?(?P<mark>['~]?)")


def midi_pitch(name: str) -> int:
    """Return the MIDI number of a pitch such as `F#4`."""
    return NOTE_NAMES.index(name[:-1]) + 12 * (int(name[-1]) + 1)


def melody_notes(clip: Clip, part: Part) -> Iterator[Note]:
    """Read the notes of one instrument's score."""
    for bar, line in enumerate(part.score.strip().splitlines()):
        dynamic, *tokens = line.split()
        step = 0
        for token in tokens:
            match = TOKEN.fullmatch(token)
            if match is None:
                raise ValueError(f"{clip.name}, bar {bar + 1}: cannot read {token!r}")
            steps = int(match["steps"] or 1)
            length = 0.94 * steps
            velocity = DYNAMICS[dynamic]
            if step == 0:
                velocity += DOWNBEAT_ACCENT
            elif step % clip.steps_per_beat == 0:
                velocity += BEAT_ACCENT
            if match["mark"] == "'":
                length = 0.55 * steps
                velocity -= CHOKED_DROP
            elif match["mark"] == "~":
                length = steps + TAIL_BEATS * clip.steps_per_beat
            for name in match["chord"].strip("-").split("+"):
                for interval in part.voicing if name else ():
                    pitch = midi_pitch(name) + interval
                    yield Note(bar * clip.bar_steps + step, length, pitch, velocity)
            step += steps
        if step != clip.bar_steps:
            raise ValueError(f"{clip.name}, bar {bar + 1}: {step} steps, not {clip.bar_steps}")


def drum_notes(clip: Clip) -> Iterator[Note]:
    """Read the hits of the drum grid."""
    for line in clip.drums.strip().splitlines():
        drum, *bars = line.split()
        for step, mark in enumerate("".join(bars)):
            if mark in HITS:
                yield Note(step, 0.5, DRUMS[drum], HITS[mark])


def write_midi(clip: Clip, path: Path) -> None:
    """Write a clip as a standard MIDI file."""
    ticks_per_step = TICKS_PER_BEAT // clip.steps_per_beat
    events: list[tuple[int, mido.Message | mido.MetaMessage]] = []
    for bar, bpm in clip.tempo.items():
        tempo = mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))
        events.append((bar * clip.bar_steps * ticks_per_step, tempo))

    def play(channel: int, notes: Iterator[Note]) -> None:
        for note in notes:
            key = {"channel": channel, "note": note.pitch}
            start = round(note.start * ticks_per_step)
            end = round((note.start + note.length) * ticks_per_step)
            events.append((start, mido.Message("note_on", velocity=note.velocity, **key)))
            events.append((end, mido.Message("note_off", **key)))

    for channel, part in enumerate(clip.parts):
        program = mido.Message("program_change", channel=channel, program=part.program)
        volume = mido.Message("control_change", channel=channel, control=7, value=part.volume)
        events += [(0, program), (0, volume)]
        play(channel, melody_notes(clip, part))
    play(DRUM_CHANNEL, drum_notes(clip))

    events.sort(key=lambda event: (event[0], event[1].type == "note_on"))
    track, now = mido.MidiTrack(), 0
    for tick, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(path)


def render(clip: Clip, midi: Path, wav: Path) -> np.ndarray:
    """Render a MIDI file with FluidSynth and return its mono mix."""
    command = ["fluidsynth", "-niq", "-r", str(RATE), "-g", "0.4", "-R", "1", "-C", "0"]
    for setting in ("cpu-cores=1", "reverb.room-size=0.5", f"reverb.level={clip.reverb}"):
        command += ["-o", f"synth.{setting}"]
    command += ["-T", "wav", "-O", "float", "-F", str(wav), str(SOUNDFONT), str(midi)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    stereo, _ = sf.read(wav, always_2d=True)
    return stereo.mean(axis=1)


def master(mix: np.ndarray, drive: float) -> np.ndarray:
    """Trim the mix to the clip's length, fade its end and set its peak."""
    length = round(SECONDS * RATE)
    if len(mix) < length:
        raise ValueError(f"the render lasts only {len(mix) / RATE:.2f} s")
    mix = mix[:length] / np.abs(mix[:length]).max()
    if drive:
        mix = np.tanh(drive * mix)
    fade = round(FADE_SECONDS * RATE)
    mix[-fade:] *= np.linspace(1.0, 0.0, fade)
    return PEAK * mix / np.abs(mix).max()


def make(clip: Clip, path: Path) -> None:
    """Make one clip: score, render, master, Ogg Vorbis."""
    with tempfile.TemporaryDirectory() as folder:
        midi = Path(folder, "clip.mid")
        write_midi(clip, midi)
        audio = master(render(clip, midi, midi.with_suffix(".wav")), clip.drive)
    unfinished = path.with_suffix(".tmp")
    sf.write(unfinished, audio, RATE, format="OGG", subtype="VORBIS")
    unfinished.replace(path)


def main() -> int:
    """Make every clip next to this script."""
    if shutil.which("fluidsynth") is None or not SOUNDFONT.is_file():
        print(
            f"make_clips: fluidsynth or {SOUNDFONT} is missing; "
            "run: apt-get install -y fluidsynth fluid-soundfont-gm",
            file=sys.stderr,
        )
        return 1
    for clip in (PIANO, BAND):
        path = Path(__file__).with_name(f"{clip.name}.ogg")
        make(clip, path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
