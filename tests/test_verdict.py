"""Verdicts of the judge on outputs that were made in known ways."""

import dataclasses

import numpy as np
import pytest
import threadpoolctl
from conftest import ROOT
from damaging import DAMAGES
from playing import MELODY, RIFF, SECONDS, noise, play
from scipy import signal

from research.audio.waveform import load_waveform, resample
from research.errors import InputError
from research.judge.damage import count_clicks
from research.judge.features import SAMPLE_RATE
from research.judge.fixed_equaliser import equalise_spectrum
from research.judge.verdict import CROSSFADES, EQUALISED, Judge


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small products of matrices on a busy machine: threads would wait for each other."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def judge(content, style):
    return Judge(content, style, SAMPLE_RATE)


def assert_same(one, other, tolerance):
    for (name, first), second in zip(flatten(one).items(), flatten(other).values(), strict=True):
        scale = 100 if name == "above_crossfade" else 1
        assert first == pytest.approx(second, abs=tolerance * scale), name


def flatten(verdict):
    verdict = dataclasses.asdict(verdict)
    return verdict | verdict.pop("measures")


# The two inputs are the ends of the scales.


@pytest.mark.parametrize("gain", [1.0, -0.3, 7.0])
def test_content_itself_is_all_content_and_no_style(judge, content, gain):
    verdict = judge(gain * content)
    assert verdict.content_kept == pytest.approx(1.0, abs=1e-5)
    assert verdict.style_reached == pytest.approx(0.0, abs=1e-5)
    assert verdict.leak == pytest.approx(0.0, abs=1e-5)
    assert verdict.equaliser == pytest.approx(1.0, abs=1e-5)
    assert verdict.above_crossfade == pytest.approx(0.0, abs=1e-3)


def test_style_itself_is_all_style_and_no_content(judge, style):
    verdict = judge(style)
    assert verdict.content_kept == pytest.approx(0.0, abs=1e-5)
    assert verdict.style_reached == pytest.approx(1.0, abs=1e-5)
    assert verdict.leak == pytest.approx(1.0, abs=1e-5)
    assert verdict.equaliser == pytest.approx(1.0, abs=1e-5)
    assert verdict.score == pytest.approx(0.0, abs=1e-5)


def test_score_and_means_are_of_their_measures(judge, content, style):
    verdict = judge(content + noise(content) + 0.3 * style)
    measures = verdict.measures
    for name, value in (
        ("content_", verdict.content_kept),
        ("style_", verdict.style_reached),
    ):
        parts = [part for key, part in measures.items() if key.startswith(name)]
        assert len(parts) == {"content_": 3, "style_": 4}[name]
        assert value == pytest.approx(np.mean(parts))
    factors = [part for key, part in measures.items() if key.startswith("undamaged_")]
    assert len(factors) == 7 and verdict.naturalness == pytest.approx(np.prod(factors))
    expected = np.sqrt(verdict.content_kept * verdict.style_reached) * (1 - verdict.leak)
    assert 1e-4 < verdict.score == pytest.approx(expected * verdict.naturalness)
    assert measures["rests_filled"] == 0 and 0.01 < verdict.naturalness < 0.9


def test_same_output_same_verdict_and_inputs_untouched(judge, content, style):
    before = content.copy(), style.copy()
    output = content + style
    assert Judge(content, style, SAMPLE_RATE)(output) == judge(output)
    np.testing.assert_array_equal(content, before[0])
    np.testing.assert_array_equal(style, before[1])


# Crossfades.


@pytest.mark.parametrize("index", [2, 6])
def test_crossfades_are_judged_as_if_they_were_outputs(judge, content, style, index):
    fraction = CROSSFADES[index]
    verdict = judge((1 - fraction) * content + fraction * style)
    assert_same(verdict, judge.crossfades[index], 2e-3)
    assert verdict.equaliser == pytest.approx(1.0, abs=1e-4)
    assert abs(verdict.above_crossfade) < 0.2


def test_crossfade_between_the_known_ones_is_near_the_line(judge, content, style):
    assert abs(judge(0.67 * content + 0.33 * style).above_crossfade) < 2.5


def test_crossfades_trade_content_for_style(judge):
    kept, reached, leak = np.array(
        [(v.content_kept, v.style_reached, v.leak) for v in judge.crossfades]
    ).T
    assert np.all(np.diff(kept) < 0)
    assert np.all(np.diff(reached) > 0)
    assert np.all(np.diff(leak) >= 0) and 0.1 < leak[2] < leak[4] - 0.1 < leak[6] - 0.2
    assert judge.best_crossfade == max(v.score for v in judge.crossfades) > 0.2


@pytest.mark.parametrize("index", [0, 1])
def test_the_equalised_content_is_judged_as_if_it_were_an_output(judge, content, style, index):
    equalised = equalise_spectrum(content, style)
    equalised *= content.std() / equalised.std()
    fraction = EQUALISED[index]
    verdict = judge((1 - fraction) * equalised + fraction * style)
    assert_same(verdict, judge.equalised[index], 5e-3)
    assert verdict.content_kept > 0.8
    assert verdict.equaliser > 0.9


# Content.


def test_another_instrument_keeps_the_content(judge):
    verdict = judge(play(MELODY, (0.5, 1.0, 0.1, 0.6), decay=1.5))
    assert verdict.content_kept > 0.75
    assert verdict.leak < 0.1


def test_another_melody_keeps_the_rhythm_alone(judge):
    measures = judge(play([note + 6 for note in MELODY], (1.0, 0.4, 0.1), decay=3.0)).measures
    assert measures["content_cens"] < 0.2
    assert measures["content_chroma"] < 0.2
    assert measures["content_onsets"] > 0.8


def test_other_times_keep_no_rhythm(judge):
    measures = judge(play(RIFF, (1.0, 0.4, 0.1), decay=3.0)).measures
    assert measures["content_onsets"] < 0.2


def test_noise_keeps_no_content_and_leaks_nothing(judge, content):
    verdict = judge(noise(content))
    assert verdict.content_kept < 0.15
    assert verdict.leak < 0.15
    assert verdict.equaliser < 0.05
    assert verdict.above_crossfade < -20
    assert verdict.measures["flatness"] > verdict.measures["flatness_inputs"] + 5
    assert verdict.measures["harmony"] > 0.2  # What a leak by plain cosine would have been.


# Leak.


def test_style_at_other_times_is_style_that_does_not_leak(judge, content, style):
    verdict = judge(np.roll(style, len(style) // 2))
    assert verdict.style_reached > 0.9
    assert verdict.leak < 0.2
    assert verdict.measures["harmony"] > 0.3
    assert verdict.content_kept < 0.15


def test_style_of_one_chord_gives_a_leak_within_bounds(content):
    drone = play((40,), np.ones(20), decay=0.0)
    judge = Judge(content, drone, SAMPLE_RATE)
    assert judge.crossfades[0].leak == 0 and judge.crossfades[-1].leak == 1
    assert judge(play(MELODY, (0.5, 1.0, 0.1, 0.6), decay=1.5)).content_kept > 0.6


# Style.


def test_style_is_in_the_timbre_not_in_the_notes(judge, style):
    partials = 1.0 / np.arange(1, 16)
    verdict = judge(play(MELODY, partials, decay=1.0, hiss=1.0, seed=5))
    assert verdict.style_reached > judge(play(MELODY, (1.0, 0.4, 0.1), 1.0)).style_reached + 0.3
    assert verdict.content_kept > 0.5
    assert verdict.above_crossfade > 5  # The transfer that a player would make.
    assert verdict.score > judge.best_crossfade
    assert verdict.equaliser < 0.7


# Equaliser.


def test_equalised_crossfade_is_found_out(judge, content, style):
    first, second = (
        signal.firwin2(401, [0, 0.02, 0.1, 0.4, 1], gains)
        for gains in ((1, 0.3, 1, 0.2, 0.5), (0.2, 1, 0.5, 1, 0.3))
    )
    mixed = signal.fftconvolve(content, first, "same") + signal.fftconvolve(style, second, "same")
    verdict = judge(mixed)
    assert verdict.equaliser > 0.95
    assert verdict.measures["equaliser_energy"] > 0.95
    assert verdict.measures["equaliser_magnitude"] > 0.8


def test_another_voice_is_not_an_equaliser(judge, content):
    other = play([note + 1 for note in MELODY], (1.0, 0.4, 0.1), decay=3.0)
    other *= content.std() / other.std()
    assert judge(other).equaliser < 0.3
    half = judge(content + other).measures["equaliser_energy"]
    assert half == pytest.approx(0.5, abs=0.1)  # Two voices of one energy, one of them known.


# Damage.


def test_clicks_are_counted(judge, content, style):
    assert judge(content).measures["clicks"] == 0
    damaged = content.copy()
    damaged[np.arange(6) * 14_000 + 7_000] += content.max()
    rate = judge(damaged).measures["clicks"]
    assert rate == pytest.approx(6 / SECONDS)
    assert judge(damaged).measures["clicks_inputs"] == count_clicks(style, SAMPLE_RATE)


def test_naturalness_is_of_all_damage_beyond_the_inputs(judge, content, style):
    for natural in (content, style, 0.6 * content + 0.4 * style):
        assert judge(natural).naturalness > 0.99
    assert judge(noise(content)).naturalness < 0.1
    loud = np.clip(content / np.abs(content).max() * 1.5, -1, 1)
    clipped = judge(loud)
    assert clipped.measures["clipped"] > 0.01 and clipped.naturalness < 0.1
    damaged = content.copy()
    damaged[np.arange(6) * 14_000 + 7_000] += content.max()
    verdict = judge(damaged)
    more = verdict.measures["clicks"] - verdict.measures["clicks_inputs"] - 0.5
    assert verdict.measures["undamaged_clicks"] == pytest.approx(1 / (1 + (2 * more) ** 2))
    assert verdict.naturalness < 0.9


@pytest.fixture(scope="module")
def clips():
    """Piano, band, and the piano's notes played by the band, `[samples]`."""
    names = ("piano", "band", "minuet_as_band")
    files = (load_waveform(ROOT / f"research/clips/{name}.ogg") for name in names)
    return [resample(clip, SAMPLE_RATE).samples.mean(axis=0)[: 5 * SAMPLE_RATE] for clip in files]


@pytest.fixture(scope="module")
def clips_judge(clips):
    return Judge(*clips[:2], SAMPLE_RATE)


def test_crossfades_and_equalised_contents_are_natural(clips_judge):
    mixtures = clips_judge.crossfades + clips_judge.equalised
    assert min(verdict.naturalness for verdict in mixtures) > 0.95


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_lowers_the_score(clips_judge, clips, kind):
    piano, band, played = clips
    equalised = equalise_spectrum(piano, band)
    mixed = equalised / equalised.std() + 0.1 * band / band.std()
    damage, doses, _ = DAMAGES[kind]
    for output in (played, mixed):
        clean = clips_judge(output)
        assert clean.naturalness > 0.97
        slight, strong = (
            clips_judge(damage(output, dose, np.random.default_rng(3))).score
            for dose in (doses[0], doses[-1])
        )
        assert slight > 0.9 * clean.score
        assert strong < 0.8 * clean.score


# Rests.


def test_filled_rests_score_no_more_than_rests_that_are_kept(content, style):
    played = play(MELODY, 1.0 / np.arange(1, 16), decay=1.0, hiss=1.0, seed=5)
    plays = np.ones(len(content))
    for first, end in ((1.2, 2.0), (2.8, 3.6)):  # Two fifths of the content.
        plays[int(first * SAMPLE_RATE) : int(end * SAMPLE_RATE)] = 0
    judge = Judge(content * plays, style, SAMPLE_RATE)
    texture = np.roll(style, len(style) // 3) * played.std() / style.std()
    kept = judge(played * plays)
    filled = judge(played * plays + texture * (1 - plays))
    softly = judge(played * plays + 0.1 * texture * (1 - plays))
    assert kept.measures["rests_filled"] == 0 and filled.measures["rests_filled"] > 0.2
    assert kept.content_kept > softly.content_kept > filled.content_kept
    assert kept.score > softly.score > filled.score
    assert kept.style_reached == pytest.approx(filled.style_reached, abs=0.05)
    # Rests cost nothing: the score is about that without rests.
    assert kept.score > 0.9 * Judge(content, style, SAMPLE_RATE)(played).score
    assert judge(content * plays).content_kept == pytest.approx(1.0, abs=1e-5)


def test_rests_of_the_style_need_not_be_reached(content, style):
    gap = np.where(np.arange(len(style)) < len(style) // 3, 0, style)
    whole = Judge(content, style, SAMPLE_RATE)(0.5 * content + style).style_reached
    assert Judge(content, gap, SAMPLE_RATE)(0.5 * content + style).style_reached > whole - 0.1


# Shapes, rates and lengths.


def test_other_rates_say_the_same(judge, content, style):
    takes = [content, style, play(MELODY, 1.0 / np.arange(1, 16), decay=1.0, hiss=1.0, seed=5)]
    faster = [signal.resample_poly(take, 2, 1) for take in takes]
    one, other = judge(takes[2]), Judge(*faster[:2], 2 * SAMPLE_RATE)(faster[2])
    for name in ("content_kept", "style_reached", "leak", "equaliser", "score"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=0.02), name


def test_style_shorter_is_repeated(content, style):
    piece = style[:SAMPLE_RATE]
    verdict = Judge(content[: 2 * SAMPLE_RATE], piece, SAMPLE_RATE)(np.tile(piece, 2))
    assert verdict.leak == pytest.approx(1.0, abs=1e-5)
    assert verdict.style_reached > 0.9


def test_style_longer_is_to_be_reached_as_a_whole(content, style):
    piece = style[: 2 * SAMPLE_RATE]
    verdict = Judge(content[: 2 * SAMPLE_RATE], style, SAMPLE_RATE)(piece)
    assert verdict.leak == pytest.approx(1.0, abs=1e-5)
    assert 0.6 < verdict.style_reached < 0.99


def test_output_cut_or_padded(judge, content):
    assert judge(np.concatenate([content, content])).content_kept == pytest.approx(1, abs=1e-3)
    assert 0.5 < judge(content[: 3 * SAMPLE_RATE]).content_kept < 0.97


def test_half_a_second_is_enough(content, style):
    judge = Judge(content[:11025], style[:11025], SAMPLE_RATE)
    assert judge(content[:11025]).content_kept == pytest.approx(1.0, abs=1e-5)
    assert all(np.isfinite(value) for value in flatten(judge(noise(content[:11025]))).values())


def test_style_that_is_the_content_is_both(content):
    piece = content[:SAMPLE_RATE]
    verdict = Judge(piece, piece, SAMPLE_RATE)(piece)
    assert verdict.content_kept == verdict.style_reached == 1.0
    assert np.isfinite(verdict.above_crossfade)


def test_crossfade_that_cancels_and_output_without_its_start(judge, content):
    piece = content[:SAMPLE_RATE]
    verdict = Judge(piece, -piece, SAMPLE_RATE).crossfades[4]
    assert all(np.isfinite(value) for value in flatten(verdict).values())
    late = judge(np.concatenate([np.zeros_like(content), content]))
    assert late.content_kept < 0.1 and all(np.isfinite(value) for value in flatten(late).values())


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda x: np.stack([x, x]), "mono"),
        (lambda x: x * np.nan, "NaN"),
        (lambda x: 0 * x, "silence"),
        (lambda x: x[:1000], "0.5 s"),
    ],
)
def test_bad_audio_is_refused_by_name(judge, content, style, damage, word):
    for call, name in (
        (lambda: judge(damage(content)), "output"),
        (lambda: Judge(damage(content), style, SAMPLE_RATE), "content"),
        (lambda: Judge(content, damage(style), SAMPLE_RATE), "style"),
    ):
        with pytest.raises(InputError, match=f"^{name} .*{word}"):
            call()
