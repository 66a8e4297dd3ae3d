"""Scores as they are played, and their rendering where fluidsynth is installed."""

import importlib.util
import shutil

import numpy as np
import pytest

from research.benchmarks.known_truth import performance, pieces, render

# Two voices in quarter notes at 120 a minute: a scale over long notes, one struck again.
UPPER = [(i * 1.0, 1.0, 60 + i) for i in range(16)]
LOWER = [(0.0, 8.0, 40), (4.0, 4.0, 40)]
PIECE = pieces.Piece("tune", 120)


@pytest.fixture(autouse=True)
def written(monkeypatch):
    monkeypatch.setattr(performance, "read_voices", lambda piece: [UPPER, LOWER])


def of_voice(notes, voice):
    return [note for note in notes if note.voice == voice]


def test_notes_are_at_their_places_and_within_the_excerpt():
    notes = performance.perform(PIECE, 6.0, "tune")
    upper = of_voice(notes, 0)
    assert [note.pitch for note in upper] == list(range(60, 72))  # 6 s of the 8.
    starts = [note.start for note in upper]
    assert starts == pytest.approx(0.5 * np.arange(12) + 0.04, abs=0.03)
    assert all(40 < note.velocity < 124 for note in notes)
    assert performance.perform(PIECE, 6.0, "tune") == notes
    assert performance.perform(PIECE, 6.0, "other") != notes


def test_a_note_struck_again_ends_before():
    first, second = of_voice(performance.perform(PIECE, 6.0, "tune"), 1)
    assert second.start == pytest.approx(2.04, abs=0.03)
    assert first.end == pytest.approx(second.start - 0.01)


def test_voices_start_together():
    notes = performance.perform(PIECE, 6.0, "tune")
    for upper, lower in ((0, 0), (4, 1)):
        apart = of_voice(notes, 0)[upper].start - of_voice(notes, 1)[lower].start
        assert abs(apart) < 0.015


def test_a_rest_silences_and_delays():
    notes = performance.perform(PIECE, 6.0, "tune", rests=((1.75, 1.0),))
    assert not [note for note in notes if note.start < 2.7 and note.end > 1.85]
    assert [note.start for note in of_voice(notes, 0)][4] == pytest.approx(3.04, abs=0.03)


def test_a_crescendo_is_in_the_velocities():
    plain = performance.perform(PIECE, 6.0, "tune")
    rising = performance.perform(PIECE, 6.0, "tune", crescendo=(0.5, 1.1))
    ratios = [b.velocity / a.velocity for a, b in zip(plain, rising, strict=True)]
    times = np.array([note.start - 0.04 for note in plain])
    assert ratios == pytest.approx(0.5 + 0.1 * times, abs=1e-6)


def test_a_variation_has_the_same_notes():
    plain = performance.perform(PIECE, 6.0, "tune")
    other = performance.perform(PIECE, 6.0, "tune", variation="again")
    assert sorted(n.pitch for n in plain) == sorted(n.pitch for n in other)
    by_pitch = {note.pitch: note for note in of_voice(other, 0)}
    for note in of_voice(plain, 0):
        assert abs(note.velocity - by_pitch[note.pitch].velocity) <= 9
        assert abs(note.start - by_pitch[note.pitch].start) < 0.015


def test_drums_repeat_in_every_bar():
    piece = pieces.Piece("tune", 120, drums="rock")
    hits = of_voice(performance.perform(piece, 6.0, "tune"), performance.DRUM_VOICE)
    kicks = [note.start - 0.04 for note in hits if note.pitch == 36]
    assert kicks == pytest.approx([bar + at for bar in (0, 2, 4) for at in (0, 0.75, 1)])
    assert [note.start for note in hits if note.pitch == 49] == pytest.approx([0.04])


def test_octaves():
    piece = pieces.Piece("tune", 120, octaves=-2)
    assert performance.perform(piece, 6.0, "tune")[0].pitch in (60 - 24, 40 - 24)


needs_tools = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("music21", "pretty_midi"))
    or shutil.which("fluidsynth") is None,
    reason="music21, pretty_midi or fluidsynth is not installed",
)


@needs_tools
def test_rendering_is_deterministic(monkeypatch, tmp_path):
    monkeypatch.undo()
    try:
        render.check_tools(("music21", "pretty_midi"), (render.SOUNDFONT, render.OTHER_SOUNDFONT))
    except render.InputError as error:
        pytest.skip(str(error))
    [triple] = pieces.select(["clarinet_as_trumpet"])
    one, two = (render.render_triple(triple, tmp_path / name) for name in "ab")
    assert np.array_equal(one.notes, two.notes)
    for name in render.RECORDINGS:
        waveform = one.recordings[name]
        assert np.array_equal(waveform.samples, two.recordings[name].samples), name
        assert waveform.samples.shape == (1, 220500)
        assert np.sqrt(np.mean(waveform.samples**2)) == pytest.approx(0.1, rel=0.02)
    assert len(one.notes) > 30
    assert (tmp_path / "a" / triple.name / "score.mid").stat().st_size > 0
