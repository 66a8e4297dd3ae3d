"""The benchmark against known truth: measures, cheats, triples, and recordings that are kept."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from playing import SAMPLE_RATE, noise, play
from triples import CONTENT, NOTES, SAWTOOTH, STYLE, TRUTH, make_rendered

from research.audio.writing import save_waveform
from research.benchmarks.known_truth import anchors, measures, pieces, render
from research.benchmarks.known_truth.equalisers import (
    equalise_levels,
    match_quantiles,
)
from research.benchmarks.known_truth.note_detector import find_notes
from research.errors import InputError
from research.judge.fixed_equaliser import equalise_spectrum


@pytest.fixture(scope="module")
def ruler():
    return measures.Ruler(CONTENT, TRUTH, NOTES)


@pytest.fixture(scope="module")
def cheats():
    return anchors.make_cheats(CONTENT, STYLE)


@pytest.fixture(scope="module")
def equalised(ruler):
    return ruler(equalise_spectrum(CONTENT, STYLE))


# The ends of the scales.


def test_truth_is_one_and_content_is_zero(ruler):
    truth, content = ruler(-3 * TRUTH), ruler(0.2 * CONTENT)  # At any level.
    for name in ("closer", "timbre", "beyond_eq", "notes150", "TRUTH"):
        assert getattr(truth, name) == pytest.approx(1.0, abs=1e-4)
    assert (truth.lsd, truth.mfcc) == pytest.approx((0, 0), abs=1e-3)
    assert (content.closer, content.timbre) == pytest.approx((0, 0), abs=1e-4)
    assert pytest.approx(0, abs=0.02) == content.TRUTH
    assert content.notes150 == pytest.approx(1, abs=0.15)


def test_ratios_are_of_their_distances(ruler):
    content, output = ruler(CONTENT), ruler(0.7 * CONTENT + 0.3 * STYLE)
    knows = ruler(equalise_levels(CONTENT, TRUTH))
    assert output.closer == pytest.approx(1 - output.lsd / content.lsd)
    assert output.timbre == pytest.approx(1 - output.mfcc / content.mfcc)
    assert output.beyond_eq == pytest.approx(1 - output.lsd / knows.lsd, abs=1e-4)
    assert output.notes150 == pytest.approx(output.f1 / ruler(TRUTH).f1)
    parts = np.clip([output.closer, output.timbre, output.notes150], 0, 1)
    assert pytest.approx(np.prod(parts)) == output.TRUTH**3
    assert knows.beyond_eq == pytest.approx(0, abs=1e-4)


def test_an_output_is_cut_or_padded_and_must_be_finite(ruler):
    assert ruler(np.append(TRUTH, np.zeros(999))).closer == pytest.approx(1, abs=1e-4)
    assert ruler(TRUTH[:-2000]).closer > 0.9
    with pytest.raises(InputError, match="NaN"):
        ruler(np.append(TRUTH[:-1], np.nan))
    with pytest.raises(InputError, match="mono"):
        ruler(TRUTH[None])
    with pytest.raises(InputError, match="content and truth sound the same"):
        measures.Ruler(TRUTH, TRUTH, NOTES)


@pytest.mark.parametrize("cheat", [*anchors.CHEATS, "style"])
def test_no_cheat_is_as_good_as_the_plain_equaliser(ruler, equalised, cheats, cheat):
    measured = ruler((cheats | {"style": STYLE})[cheat])
    assert measured.TRUTH < equalised.TRUTH - 0.1
    assert measured.closer < equalised.closer - 0.05
    assert measured.beyond_eq < equalised.beyond_eq - 0.05


def test_anchors_are_in_order(ruler, equalised, cheats):
    measured = {
        name: ruler(sound) for name, sound in anchors.make_anchors(make_rendered()[0]).items()
    }
    assert (tuple(measured), tuple(cheats)) == (anchors.ANCHORS, anchors.CHEATS)
    assert measured["equaliser"] == equalised
    assert measured["style"].TRUTH < 0.1 < equalised.TRUTH < measured["other_soundfont"].TRUTH
    assert measured["crossfade"].TRUTH < equalised.TRUTH
    assert pytest.approx(1, abs=1e-4) == measured["truth"].TRUTH


# Distances, by hand.


def test_log_spectral_distance_by_hand():
    truth = np.array([[0.0, -20.0], [-10.0, -90.0]])  # The last is 60 under the loudest at least.
    output = np.array([[3.0, -20.0], [-14.0, -200.0]])
    expected = (np.sqrt((3**2 + 4**2) / 2) + 0) / 2
    assert measures.log_spectral_distance(output, truth) == pytest.approx(expected)
    louder = np.array([[0.0, -20.0], [-10.0, -50.0]])
    assert measures.log_spectral_distance(louder, truth) == pytest.approx(10 / np.sqrt(2) / 2)


def test_mfcc_distance_by_hand():
    bands = (np.arange(80) + 0.5) / 80
    cosines = [np.sqrt(2 / 80) * np.cos(np.pi * k * bands)[:, None] for k in (1, 19, 20)]
    truth = -20 + np.zeros((80, 3))
    assert measures.mfcc_distance(truth + 5, truth) == pytest.approx(0, abs=1e-6)  # Level alone.
    assert measures.mfcc_distance(truth + 7 * cosines[0], truth) == pytest.approx(7)
    both = 3 * cosines[0] - 4 * cosines[1] + 9 * cosines[2]
    assert measures.mfcc_distance(truth + both, truth) == pytest.approx(5)


def test_f1_of_notes_by_hand():
    score = np.array([(0.0, 1, 60), (0.5, 1, 64), (1.0, 2, 67)])
    found = np.array([(0.14, 1, 60), (0.5, 1, 65), (1.16, 2, 67), (0.0, 1, 60)])
    # One of the two C is right; E is a semitone off, G too late.
    assert measures.note_f1(score, found) == pytest.approx(2 * 1 / (3 + 4))
    assert measures.note_f1(score, score[::-1]) == 1
    assert measures.note_f1(score, np.zeros((0, 3))) == 0


# Notes.


@pytest.mark.parametrize("sound", [CONTENT, TRUTH], ids=["flute", "sawtooth"])
def test_notes_of_a_tune_are_found(sound):
    assert measures.note_f1(NOTES, find_notes(sound, SAMPLE_RATE)) >= 0.85


def test_two_voices_and_repeated_notes_are_found():
    repeated = play((60, 60, 60, 60, 60, 60, 60, 60), SAWTOOTH, decay=6.0)
    starts = find_notes(repeated + 0.8 * play((67,), SAWTOOTH, decay=0.3), SAMPLE_RATE)
    lower, upper = (starts[starts[:, 2] == pitch] for pitch in (60, 67))
    assert lower[:, 0] == pytest.approx(np.arange(8) * 0.5, abs=0.1)
    assert len(upper) >= 1
    assert upper[0, 0] == pytest.approx(0, abs=0.1)


def test_there_are_no_notes_in_silence_and_few_in_noise():
    assert find_notes(np.zeros_like(TRUTH), SAMPLE_RATE).shape == (0, 3)
    assert measures.note_f1(NOTES, find_notes(noise(TRUTH), SAMPLE_RATE)) < 0.15


# Equalisers.


@pytest.mark.parametrize("equalise", [equalise_spectrum, equalise_levels])
def test_equaliser_to_itself_and_to_a_louder_copy(equalise):
    np.testing.assert_allclose(equalise(TRUTH, TRUTH), TRUTH, atol=1e-5)
    hiss = noise(TRUTH)  # All its levels are far above the least that count.
    difference = equalise(hiss, 2 * hiss) - 2 * hiss
    # No mel band reaches the bins at 0 Hz and at the top, which stay as they are.
    assert difference[2048:-2048].std() < 0.03 * hiss.std()


def test_quantiles_are_those_of_the_target_in_the_order_of_the_content():
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 400 * k * time + k**2) for k in range(1, 27))
    rising, falling = np.linspace(0.5, 1, len(time)), np.linspace(1, 0.01, len(time))
    matched = match_quantiles(rising * hum, falling * hum)
    expected = falling[::-1] * hum  # The target's levels, rising.
    for start in range(4096, len(time) - 8192, 4096):
        part = slice(start, start + 4096)
        assert matched[part].std() == pytest.approx(expected[part].std(), rel=0.15)


# The triples.


def test_triples_are_complete():
    names = [triple.name for triple in pieces.TRIPLES]
    assert len(set(names)) == len(names) >= 12
    held_out = pieces.select(["held_out"])
    assert len(held_out) == pytest.approx(len(names) / 3, abs=1)
    assert {*pieces.select(["tuning"]), *held_out} == {*pieces.TRIPLES}
    assert pieces.select([names[2], "all", names[0]])[0].name == names[2]
    for triple in pieces.TRIPLES:
        for piece, ensemble in (
            (triple.content, triple.content_ensemble),
            (triple.style, triple.style_ensemble),
        ):
            assert (piece.drums is None) == (ensemble.kit is None), triple.name
            assert piece.drums is None or piece.drums in pieces.DRUMS
        assert (triple.content.drums is None) == (triple.style.drums is None)


def test_tuning_and_held_out_share_no_piece():
    both = [
        {
            (piece.work, piece.number)
            for triple in pieces.select([group])
            for piece in (triple.content, triple.style)
        }
        for group in ("tuning", "held_out")
    ]
    assert not both[0] & both[1]


def test_unknown_triple_is_refused():
    with pytest.raises(InputError, match=r"--triples=: there is none"):
        pieces.select([])
    with pytest.raises(InputError, match=r"--triples=banjo: there is none; give some of tuning, "):
        pieces.select(["all", "banjo"])


# Recordings that are kept.


@pytest.fixture
def renderings(monkeypatch):
    """Names of the triples that were rendered, by sounds made here."""
    done = []

    def render_all(triple, folder, soundfonts):
        done.append(triple.name)
        if triple.name == "broken":
            raise InputError("fluidsynth cannot play it")
        for name, waveform in make_rendered().recordings.items():
            save_waveform(folder / f"{name}.wav", waveform)
        return NOTES.tolist()

    monkeypatch.setattr(render, "_render_all", render_all)
    monkeypatch.setattr(render, "check_tools", lambda packages, soundfonts: None)
    return done


def test_recordings_are_kept_until_their_triple_changes(renderings, tmp_path):
    triple = pieces.TRIPLES[0]
    for _ in range(2):
        found = render.render_triple(triple, tmp_path)
        assert found.notes.tolist() == NOTES.tolist()
        np.testing.assert_allclose(found.recordings["truth"].samples[0], TRUTH, atol=1e-4)
    assert renderings == [triple.name]
    render.render_triple(dataclasses.replace(triple, rests=((1, 1),)), tmp_path)
    render.render_triple(triple, tmp_path, ("other.sf2", "third.sf2"))
    assert len(renderings) == 3


@pytest.mark.parametrize("damage", ["about.json", "truth.wav"])
def test_a_damaged_folder_is_rendered_anew(renderings, tmp_path, damage):
    triple = pieces.TRIPLES[0]
    render.render_triple(triple, tmp_path)
    path = tmp_path / triple.name / damage
    path.write_bytes(path.read_bytes()[:40]) if damage == "about.json" else path.unlink()
    render.render_triple(triple, tmp_path)
    assert len(renderings) == 2


def test_a_failed_rendering_is_not_taken_for_a_whole_one(renderings, tmp_path):
    broken = dataclasses.replace(pieces.TRIPLES[0], name="broken")
    for _ in range(2):
        with pytest.raises(InputError, match="cannot play"):
            render.render_triple(broken, tmp_path)
    assert renderings == ["broken", "broken"]
    assert not (tmp_path / "broken" / "about.json").exists()


# What is missing.


def test_the_command_ends_with_one_line(tmp_path, script_environment):
    command = [sys.executable, "-m", "research.benchmarks.known_truth", "--soundfont=/no/font.sf2"]
    done = subprocess.run(
        [*command, f"--workdir={tmp_path}/a"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=script_environment | {"PATH": ""},
    )
    assert (done.returncode, done.stdout) == (1, "")
    message = r"known_truth: rendering needs .*fluidsynth, /no/font\.sf2.* apt-get install .*\n"
    assert re.fullmatch(message, done.stderr)
    assert not any(tmp_path.iterdir())
