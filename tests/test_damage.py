"""Signs of damage, and what they leave of naturalness."""

import librosa
import numpy as np
import pytest
from conftest import ROOT
from damaging import DAMAGES
from playing import MELODY, SAMPLE_RATE, make_content, make_style, noise, play

from research.audio.waveform import load_waveform, match_channels, resample
from research.judge.crossfade import crossfade
from research.judge.damage import (
    Damage,
    count_clicks,
    count_gaps,
    judge_damage,
    measure_clipping,
    measure_damage,
    measure_flatness,
    measure_roughness,
    measure_tremolo,
    octave_levels,
    worse_of,
)
from research.judge.fixed_equaliser import equalise

SECONDS = 6
TIME = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
SINE = np.sin(2 * np.pi * 440 * TIME).astype(np.float32)


def stft(samples):
    return librosa.stft(np.asarray(samples, np.float32), n_fft=2048, hop_length=512)


def measure(samples):
    samples = np.asarray(samples, np.float32)
    return measure_damage(samples, SAMPLE_RATE, samples, stft(samples))


def naturalness(output, *inputs):
    return float(np.prod(list(judge_damage(measure(output), worse_of(inputs)).values())))


@pytest.fixture(scope="module")
def clips():
    """Piano and band as waveforms."""
    found = {}
    for name in ("piano", "band"):
        clip = resample(load_waveform(ROOT / f"research/clips/{name}.ogg"), SAMPLE_RATE)
        samples = match_channels(clip.samples, 1)[:, : SECONDS * SAMPLE_RATE]
        found[name] = type(clip)(samples, SAMPLE_RATE)
    return found


@pytest.fixture(scope="module")
def damages(clips):
    return {name: measure(clip.samples[0]) for name, clip in clips.items()}


# Doses.


@pytest.mark.parametrize("clip", ["piano", "band"])
@pytest.mark.parametrize("kind", DAMAGES)
def test_slight_damage_hardly_costs_and_strong_damage_costs(clips, damages, clip, kind):
    damage, doses, sign = DAMAGES[kind]
    found = []
    for dose in doses:
        output = damage(clips[clip].samples[0], dose, np.random.default_rng(3))
        left = judge_damage(measure(output), damages[clip])
        found.append((np.prod(list(left.values())), left[sign]))
    totals = [total for total, _ in found]
    assert totals[0] > 0.97
    assert totals[0] >= totals[1] >= totals[2] and totals[2] < 0.5
    assert found[-1][1] < 0.75  # The sign that is meant for it sees it.


def test_undamaged_mixtures_and_equalisers_are_natural(clips, damages):
    inputs = damages.values()
    piano, band = clips["piano"], clips["band"]
    for fraction in (0.1, 0.25, 0.5, 0.75):
        mixed = crossfade(piano, band, fraction)
        assert naturalness(mixed.samples[0], *inputs) > 0.95
    for content, style in ((piano, band), (band, piano)):
        assert naturalness(equalise(content, style).samples[0], *inputs) > 0.95
        assert naturalness(content.samples[0], *inputs) == 1
        assert naturalness(0.2 * content.samples[0], *inputs) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", ["tremolo", "clipping", "noise", "random phase"])
def test_damage_that_an_input_has_of_its_own_is_no_damage(clips, damages, kind):
    damage, doses, _ = DAMAGES[kind]
    piano = clips["piano"].samples[0]
    output, style = (damage(piano, doses[-1], np.random.default_rng(seed)) for seed in (1, 2))
    assert naturalness(output, damages["piano"], measure(style)) > 0.95
    assert naturalness(output, damages["piano"]) < 0.5


# By hand.


def example(**changes):
    octaves = {"roughness": np.full(8, 0.2), "levels": np.full(8, -9.0)}
    return Damage(0.001, 2.0, 1.0, 2.0, -20.0, **octaves)._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "sign", "left"),
    [
        ({}, "clicks", 1.0),
        ({"clicks": 2.5}, "clicks", 1.0),  # The tolerance.
        ({"clicks": 3.0}, "clicks", 0.5),
        ({"clicks": 4.0}, "clicks", 0.1),
        ({"clicks": 0.0}, "clicks", 1.0),  # Better than the inputs.
        ({"clipped": 0.004}, "clipped", 0.5),
        ({"gaps": 2.0}, "gaps", 0.5),
        ({"tremolo": 5.0}, "tremolo", 0.5),
        ({"flatness": -13.0}, "flatness", 0.5),
        ({"roughness": np.full(8, 0.2 + 0.45 * 0.25)}, "roughness", 0.5),
        ({"levels": np.array([-9.0] * 6 + [-39.0, -24.0])}, "dull", 1 / (1 + (1.375 / 1.5) ** 2)),
        ({"levels": np.array([-60.0] * 5 + [-9.0] * 3)}, "dull", 1.0),  # Bass may be missing.
    ],
)
def test_what_is_left_by_hand(changes, sign, left):
    found = judge_damage(example(**changes), example())
    assert found.pop(sign) == pytest.approx(left)
    assert all(value == pytest.approx(1.0) for value in found.values())


def test_the_worse_of_two_by_sign():
    one = example(clicks=5.0, levels=np.array([0.0] * 4 + [-9.0] * 4))
    other = example(clipped=0.1, roughness=np.array([0.4] + [0.0] * 7))
    worse = worse_of([one, other])
    assert (worse.clicks, worse.clipped, worse.tremolo) == (5.0, 0.1, 2.0)
    np.testing.assert_array_equal(worse.levels, np.full(8, -9.0))
    np.testing.assert_array_equal(worse.roughness, [0.4] + [0.2] * 7)


def test_clipping_is_found_at_any_level_and_not_in_sines_or_noise():
    content = make_content()
    assert measure_clipping(SINE) == 0 and measure_clipping(noise(content)) < 1e-4
    top = 0.5 * np.abs(content).max()
    loud = np.clip(content, -top, top)
    expected = np.mean(np.abs(content) >= top)
    for gain in (0.1, 1.0, 3.0):
        assert measure_clipping(gain * loud) == pytest.approx(expected, rel=0.1) and expected > 0.01


def test_clicks_per_second():
    content = make_content()
    assert count_clicks(content, SAMPLE_RATE) == 0
    damaged = content.copy()
    damaged[np.arange(6) * 14_000 + 7_000] += content.max()
    assert count_clicks(damaged, SAMPLE_RATE) == pytest.approx(6 * SAMPLE_RATE / len(content))


def test_hiss_and_buzz_are_not_clicks():
    content = play(MELODY, (1.0, 0.4, 0.1), decay=3.0)
    buzz = sum(np.sin(2 * np.pi * 220 * k * TIME) / k for k in range(1, 31))
    assert count_clicks(noise(content), SAMPLE_RATE) == 0
    assert count_clicks(buzz, SAMPLE_RATE) == 0


def test_gaps_are_short():
    for milliseconds, expected in ((50, 2 / 4), (200, 2 / 4), (400, 0)):
        damaged = SINE.copy()
        for place in (10_000, 50_000):
            damaged[place : place + int(SAMPLE_RATE * milliseconds / 1000)] *= 1e-3
        assert count_gaps(damaged) == expected


@pytest.mark.parametrize("rate", [5.0, 8.0, 12.0])
def test_tremolo_is_the_depth_of_a_change_of_level_in_decibels(rate):
    decibels = 2.0 * np.sin(2 * np.pi * rate * TIME)
    tone = sum(np.sin(2 * np.pi * 110 * 2**octave * TIME) for octave in range(6))
    assert measure_tremolo(tone) < 0.1
    assert measure_tremolo(tone * 10 ** (decibels / 20)) == pytest.approx(2.0, abs=0.4)
    opposite = sum(
        np.sin(2 * np.pi * 110 * 2**octave * TIME) * 10 ** ((-1) ** octave * decibels / 20)
        for octave in range(6)
    )
    assert measure_tremolo(opposite) < 0.5  # The bands have no change in common.


def test_roughness_of_a_tone_and_of_noise():
    draw = np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)
    np.testing.assert_allclose(measure_roughness(stft(draw))[2:7], 0.45, atol=0.02)
    tone = measure(SINE)
    assert tone.mean(tone.roughness) < 0.01
    assert measure_roughness(stft(draw))[7] == 0


def test_flatness_of_noise_by_theory_and_of_a_tone():
    draw = np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)
    flatness = measure_flatness(np.abs(stft(draw)) ** 2)
    # The mean logarithm of exponentially distributed powers is minus Euler's constant.
    assert flatness == pytest.approx(-10 / np.log(10) * np.euler_gamma, abs=0.15)
    assert measure_flatness(np.abs(stft(SINE)) ** 2) == -30


def test_levels_of_octaves():
    power = np.zeros((1025, 3))
    power[600], power[300] = 3.0, 1.0
    np.testing.assert_allclose(octave_levels(power)[-2:], 10 * np.log10([0.25, 0.75]))


@pytest.mark.parametrize("samples", [np.zeros(11025), 0.1 * SINE[:11025]])
def test_silence_and_half_a_second_have_no_damage(samples):
    found = measure(samples)
    assert all(np.isfinite(value) for value in found.numbers.values())
    assert naturalness(samples, found, measure(make_style())) == 1
