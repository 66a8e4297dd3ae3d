"""The triples as data: public-domain scores of music21's corpus, and General MIDI instruments.

A triple has a content (piece A on instruments X), a style (piece B on instruments Y) and a truth
(piece A on instruments Y). Those with `held_out=True` are never used to choose a method, a
constant or a default; only to report it in the end.
"""

import dataclasses

from research.errors import InputError


@dataclasses.dataclass(frozen=True)
class Piece:
    """An excerpt of a score.

    Attributes:
      work: path in music21's corpus.
      bpm: quarter notes a minute.
      start: first quarter note of the excerpt.
      number: of the tune in a file of several.
      parts: indices of the parts that are played, from the top; all by default.
      octaves: transposition.
      metre: quarter notes in a bar, for accents and drums.
      split: the last part becomes two voices, its lowest note at each onset and the rest: a left
        hand becomes chords and bass.
      drums: name of a pattern of `DRUMS`, or None.
    """

    work: str
    bpm: float
    start: float = 0.0
    number: int | None = None
    parts: tuple[int, ...] | None = None
    octaves: int = 0
    metre: float = 4.0
    split: bool = False
    drums: str | None = None


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Instruments, and the room they play in.

    Attributes:
      programs: General MIDI names from the top voice to the lowest. Voice i of n is played by
        program `i * len(programs) // n`.
      kit: program of the drum kit, or None.
      room: size of fluidsynth's reverb, 0 to 1.
      reverb: its level, 0 to 1.
    """

    programs: tuple[str, ...]
    kit: int | None = None
    room: float = 0.3
    reverb: float = 0.3


@dataclasses.dataclass(frozen=True)
class Triple:
    """Two pieces and two ensembles.

    Attributes:
      name: folder of its recordings.
      content: piece A.
      content_ensemble: instruments X.
      style: piece B.
      style_ensemble: instruments Y, which also play the truth.
      crescendo: loudness of piece A at the start and at the end, relative, or None.
      rests: start and length of silences in piece A, in seconds; what follows is played later.
      held_out: never used to choose anything.
    """

    name: str
    content: Piece
    content_ensemble: Ensemble
    style: Piece
    style_ensemble: Ensemble
    crescendo: tuple[float, float] | None = None
    rests: tuple[tuple[float, float], ...] = ()
    held_out: bool = False


STANDARD_KIT, POWER_KIT, ELECTRONIC_KIT, JAZZ_KIT = 0, 16, 24, 32

# Hits in one bar by General MIDI percussion key. A bar has as many steps as the strings are long.
DRUMS: dict[str, dict[int, str]] = {
    "rock": {36: "x..xx...", 38: "..x...x.", 42: "xxxxxxxx"},
    "march": {36: "x.......x.......", 38: "....x.xx....x...", 44: "..x...x...x...x."},
    "swing": {36: "x.....x.....", 44: "...x.....x..", 51: "x..x.xx..x.x", 38: "........x..."},
    "waltz": {36: "x.....", 38: "..x.x.", 51: "x.x.xx"},
    "dance": {
        36: "x...x...x...x...",
        39: "....x.......x...",
        42: "x.x.x.x.x.x.x.xx",
        46: "..x...x...",
    },
}


def select(names: list[str]) -> list[Triple]:
    """Triples by name; `tuning`, `held_out` and `all` name several.

    Raises:
      InputError: there is no triple of a name, or no name.
    """
    groups = {
        "tuning": [triple for triple in TRIPLES if not triple.held_out],
        "held_out": [triple for triple in TRIPLES if triple.held_out],
        "all": list(TRIPLES),
    } | {triple.name: [triple] for triple in TRIPLES}
    for name in names or [""]:
        if name not in groups:
            raise InputError(f"--triples={name}: there is none; give some of {', '.join(groups)}")
    return list(dict.fromkeys(triple for name in names for triple in groups[name]))


TRIPLES = (
    Triple(
        "piano_as_strings",
        Piece("mozart/k545/movement1_exposition", 132),
        Ensemble(("Acoustic Grand Piano",)),
        Piece("haydn/opus1no1/movement2", 96, metre=3),
        Ensemble(("String Ensemble 1",), room=0.6, reverb=0.4),
    ),
    Triple(
        "quartet_as_winds",
        Piece("haydn/opus1no1/movement3", 66, start=12),
        Ensemble(("Violin", "Violin", "Viola", "Cello"), room=0.5, reverb=0.4),
        Piece("beethoven/opus18no1/movement2", 76, start=4.5, metre=4.5),
        Ensemble(("Flute", "Oboe", "Clarinet", "Bassoon"), room=0.4, reverb=0.3),
    ),
    Triple(
        "organ_as_harp",
        Piece("bach/bwv227.1", 84),
        Ensemble(("Church Organ",), room=0.8, reverb=0.5),
        Piece("verdi/laDonnaEMobile", 138, metre=1.5),
        Ensemble(("Orchestral Harp",), room=0.4, reverb=0.3),
    ),
    Triple(
        "clarinet_as_trumpet",
        Piece("ryansMammoth/DevilsDreamReel", 88, metre=2),
        Ensemble(("Clarinet",)),
        Piece("airdsAirs/book1.abc", 108, number=5, metre=3),
        Ensemble(("Trumpet",), room=0.5),
    ),
    Triple(
        "choir_as_brass",
        Piece("monteverdi/madrigal.3.1", 132),
        Ensemble(("Choir Aahs",), room=0.8, reverb=0.5),
        Piece("palestrina/Agnus_I", 260, start=12),
        Ensemble(("Trumpet", "French Horn", "French Horn", "Trombone"), room=0.5, reverb=0.4),
        crescendo=(0.55, 1.25),
    ),
    Triple(
        "guitar_as_marimba",
        Piece("liliuokalani/aloha_oe", 100, parts=(5, 6)),
        Ensemble(("Acoustic Guitar (nylon)",), room=0.2, reverb=0.2),
        Piece("schumann_clara/opus17/movement3", 84, parts=(2, 3), metre=3),
        Ensemble(("Marimba",), room=0.4),
    ),
    Triple(
        "accordion_as_guitar",
        Piece("schumann_robert/dichterliebe_no2", 58, metre=2),
        Ensemble(("Accordion",)),
        Piece("haydn/opus1no1/movement4", 104, metre=3),
        Ensemble(("Acoustic Guitar (steel)",), room=0.2, reverb=0.2),
        rests=((3.2, 1.2), (7.4, 0.9)),
    ),
    Triple(
        "low_as_bells",
        Piece("corelli/opus3no1/1grave", 66, octaves=-1),
        Ensemble(("Cello", "Cello", "Contrabass"), room=0.5, reverb=0.4),
        Piece("haydn/opus74no1/movement3", 150, octaves=1, metre=3),
        Ensemble(("Music Box", "Celesta", "Celesta", "Vibraphone"), room=0.4),
    ),
    Triple(
        "ragtime_as_synthesiser",
        Piece("joplin/maple_leaf_rag", 84, metre=2, split=True, drums="march"),
        Ensemble(("Honky-tonk Piano", "Banjo", "Tuba"), kit=STANDARD_KIT),
        Piece("verdi/laDonnaEMobile", 120, metre=3, split=True, drums="waltz"),
        Ensemble(("Lead 1 (square)", "Pad 3 (polysynth)", "Synth Bass 1"), kit=ELECTRONIC_KIT),
    ),
    Triple(
        "synthesiser_as_rock",
        Piece("bach/bwv269", 96, drums="dance"),
        Ensemble(
            ("Lead 2 (sawtooth)", "Electric Piano 1", "Electric Piano 1", "Synth Bass 2"),
            kit=ELECTRONIC_KIT,
        ),
        Piece("bach/bwv347", 104, drums="rock"),
        Ensemble(
            (
                "Distortion Guitar",
                "Overdriven Guitar",
                "Overdriven Guitar",
                "Electric Bass (finger)",
            ),
            kit=POWER_KIT,
        ),
    ),
    Triple(
        "voices_as_saxophones",
        Piece("beach/prayer_of_a_tired_child", 92, start=3, parts=(0, 1, 2, 3)),
        Ensemble(("Voice Oohs",), room=0.7, reverb=0.4),
        Piece("lusitano/allor_che_ignuda", 132),
        Ensemble(("Soprano Sax", "Alto Sax", "Tenor Sax", "Baritone Sax")),
        held_out=True,
    ),
    Triple(
        "harpsichord_as_organ",
        Piece("weber/concertino_clarinet", 80, parts=(1, 2), metre=3),
        Ensemble(("Harpsichord",), room=0.3),
        Piece("bach/bwv66.6", 92),
        Ensemble(("Reed Organ",), room=0.5, reverb=0.3),
        held_out=True,
    ),
    Triple(
        "fiddle_as_banjo",
        Piece("ryansMammoth/AcrobatsHornpipe", 84, metre=2),
        Ensemble(("Fiddle",)),
        Piece("ryansMammoth/BannocksOBarleyMealJig", 132, metre=3),
        Ensemble(("Banjo",), room=0.2, reverb=0.2),
        held_out=True,
    ),
    Triple(
        "rock_as_jazz",
        Piece("schubert/Lindenbaum", 84, parts=(1, 2), metre=3, split=True, drums="waltz"),
        Ensemble(
            ("Overdriven Guitar", "Electric Guitar (clean)", "Electric Bass (pick)"), kit=POWER_KIT
        ),
        Piece("beach/prayer_of_a_tired_child", 92, parts=(4, 5), split=True, drums="swing"),
        Ensemble(("Electric Guitar (jazz)", "Acoustic Grand Piano", "Acoustic Bass"), kit=JAZZ_KIT),
        held_out=True,
    ),
    Triple(
        "horns_as_pizzicato",
        Piece("luca/gloria", 160, metre=3),
        Ensemble(("French Horn", "Trombone", "French Horn", "Trombone"), room=0.6, reverb=0.4),
        Piece("haydn/opus1no1/movement1", 66, metre=3),
        Ensemble(("Pizzicato Strings",), room=0.5),
        crescendo=(1.2, 0.6),
        rests=((5.0, 1.3),),
        held_out=True,
    ),
)
