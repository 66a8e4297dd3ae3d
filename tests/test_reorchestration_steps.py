"""Steps of a re-orchestration: log spectrum, comparable levels, attacks, long notes, register."""

import numpy as np
import pytest

from research.audio import phase as phase_recovery
from research.audio.stft import stft
from research.transfer.reorchestration.activations import OF_CONTENT, OF_STYLE, find_activations
from research.transfer.reorchestration.attacks import flux, learn_attacks
from research.transfer.reorchestration.blocks import (
    BLOCK,
    join_blocks,
    slope,
    spans,
    split_blocks,
)
from research.transfer.reorchestration.decay import LONGEST, change_course, find_ages
from research.transfer.reorchestration.grid import PITCHES, SAMPLE_RATE, STFT
from research.transfer.reorchestration.register import find_register, move_to_register
from research.transfer.reorchestration.sound import _spread
from research.transfer.reorchestration.spectra import (
    limit_percussion,
    percussive_share,
    spectral_gains,
)
from research.transfer.reorchestration.spectrum import HERTZ, NUM_BINS, analyse
from research.transfer.reorchestration.templates import Templates, learn_templates
from research.transfer.reorchestration.transform import (
    MARGIN,
    Synthesis,
    griffin_lim,
    magnitudes,
    spectrum_around,
)


def sine(hertz: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.sin(2 * np.pi * hertz * time).astype(np.float32)


@pytest.mark.parametrize("num_samples", [3000, 65_535, 65_536, 150_000])
def test_block_by_block_the_transform_is_that_of_the_whole(num_samples):
    """STFT, inverse and Griffin-Lim, against those of whole recordings."""
    samples, other = np.random.default_rng(0).standard_normal((2, num_samples)).astype(np.float32)
    wanted, synthesis = np.asarray(stft(samples, STFT)), Synthesis(num_samples)
    np.testing.assert_allclose(magnitudes(samples), np.abs(wanted), atol=1e-3)
    around = np.pad(wanted, [(MARGIN, MARGIN), (0, 0)])
    for span in spans(len(wanted)):
        found = spectrum_around(samples, span)
        # Frames outside of the piece may still reach into it.
        inside = slice(MARGIN, MARGIN + span.stop - span.start)
        np.testing.assert_allclose(found[inside], around[span.start :][inside], atol=1e-3)
        synthesis.add(found[inside])
    np.testing.assert_allclose(synthesis.samples(), samples, atol=1e-4)
    settings = {"num_iterations": 3, "momentum": 0.5}
    phase = np.exp(1j * np.angle(stft(other, STFT))).astype(np.complex64)
    whole = phase_recovery.griffin_lim(np.abs(wanted), phase, STFT, length=num_samples, **settings)
    by_block = griffin_lim(np.abs(wanted), other, **settings)
    np.testing.assert_allclose(by_block, whole, atol=2e-3)


def test_channels_are_played_across_the_borders_of_blocks():
    """Blocks that begin elsewhere give the same, so there are no seams."""
    random = np.random.default_rng(3)
    samples = random.standard_normal((2, 150_000)).astype(np.float32)
    mix, played = samples.mean(axis=0), random.standard_normal(150_000).astype(np.float32)
    wanted = magnitudes(mix)
    found = []
    for shift in (0, 40):
        # The same piece, whose blocks begin at other frames.
        moved = [np.pad(each, (shift * 512, 0)) for each in (*samples, mix, played)]
        frames = np.pad(wanted, [(shift, 0), (0, 0)])
        spread = _spread(np.stack(moved[:2]), *moved[2:], frames, 1e-6, 0.5)
        found.append(spread[:, shift * 512 :])
    np.testing.assert_allclose(found[0][:, 9000:], found[1][:, 9000:], atol=2e-3)


@pytest.mark.parametrize("frames", [3, 128, 300])
def test_the_slope_is_that_of_all_frames(frames):
    random = np.random.default_rng(1)
    magnitude, levels, templates = (
        random.uniform(0.1, 1, shape) for shape in ((frames, 20), (frames, 4), (4, 20))
    )
    found = slope(split_blocks(magnitude), split_blocks(levels), templates.astype(np.float32))
    np.testing.assert_allclose(found, levels.T @ (magnitude / (levels @ templates)), rtol=1e-4)
    again = join_blocks(split_blocks(magnitude), frames)
    np.testing.assert_array_equal(again, magnitude.astype(np.float32))


@pytest.mark.parametrize("hertz", [110.0, 233.1, 700.0, 1480.0, 3000.0, 7000.0])
def test_a_tone_is_found_at_its_frequency_in_every_block(hertz):
    found = analyse(sine(hertz, 3.5)).magnitude
    assert found.shape == (STFT.num_frames(round(3.5 * SAMPLE_RATE)), NUM_BINS)
    assert len(found) > BLOCK
    inner = found[10:-10]
    assert set(np.abs(12 * np.log2(HERTZ[inner.argmax(axis=1)] / hertz)).round() // 1) == {0}
    np.testing.assert_allclose(inner.max(axis=1), inner.max(), rtol=0.02)


def test_windows_of_all_lengths_give_a_tone_one_level():
    levels = [analyse(sine(HERTZ[i], 1.0)).magnitude[20].max() for i in (100, 160, 220, 260)]
    # A bin of a log spectrum averages over the width of a peak or over more than it.
    assert 20 * np.log10(max(levels) / min(levels)) < 6


def test_frames_after_the_end_do_not_count_for_the_tuning():
    tone = sine(440 * 2 ** (0.2 / 12), 2.0)
    assert analyse(tone).tuning == pytest.approx(0.2, abs=0.01)
    lengths = [analyse(tone[: len(tone) - cut]).tuning for cut in (0, 1, 300, 1000)]
    np.testing.assert_allclose(lengths, lengths[0], atol=3e-3)


@pytest.mark.parametrize("share", [OF_CONTENT, OF_STYLE])
def test_notes_outweigh_clicks_in_tones_without_noise(share):
    """Clicks are laid to pitches that are not played, whose spectra could be tiny."""
    played = (72, 77, 74)
    tones = []
    for pitch in played:
        partials = [sine(n * 440 * 2 ** ((pitch - 69) / 12), 0.4) / n for n in range(1, 7)]
        tones.append(np.sum(partials, axis=0) * np.exp(-3e-4 * np.arange(len(partials[0]))))
    samples = np.concatenate(tones)
    samples = (0.1 * samples / np.sqrt(np.mean(samples**2))).astype(np.float32)
    found = learn_templates(magnitudes(samples), *find_activations(samples, share))
    heard = np.square(found.levels[:, :-1]).sum(axis=0)
    assert set(PITCHES[np.argsort(heard)[-3:]].tolist()) == set(played)


def test_gains_undo_an_equaliser_of_13_db_at_most():
    random = np.random.default_rng(0)
    magnitude = random.uniform(0.5, 1, (300, 1025)).astype(np.float32)
    decibels = np.interp(np.arange(1025), [0, 200, 500, 800, 1024], [-10, 6, 0, 30, 30])
    equalised = magnitude * 10 ** (decibels / 20)
    found = 20 * np.log10(spectral_gains(equalised.astype(np.float32), magnitude))
    np.testing.assert_allclose(found, np.maximum(-decibels, -13.03), atol=0.5)
    silence = np.zeros((10, 1025), np.float32)
    np.testing.assert_array_equal(spectral_gains(silence, silence), 1)


def test_attacks_have_the_spectrum_that_only_rises_have():
    random, (frames, bins) = np.random.default_rng(0), (200, 64)
    levels = np.zeros((frames, len(PITCHES) + 1), np.float32)
    for start in range(5, frames, 20):
        levels[start : start + 15, random.integers(10, 13)] = 1.0
    sustained, struck = np.zeros(bins), np.zeros(bins)
    sustained[5:10], struck[40:50] = 1.0, 3.0
    rise = flux(levels[:, :-1])
    magnitude = levels[:, :-1].sum(axis=1)[:, None] * sustained + rise.sum(axis=1)[:, None] * struck
    start = np.full((len(PITCHES) + 1, bins), 0.5, np.float32)
    spectra, attacks = learn_attacks(magnitude + 1e-3, Templates(start, levels))
    for pitch in (10, 11, 12):
        np.testing.assert_allclose(spectra[pitch, 5:10], 1, atol=0.15)
        np.testing.assert_allclose(attacks[pitch, 40:50], 3, atol=0.3)
        assert spectra[pitch, 40:50].max() < 0.2 and attacks[pitch, 5:10].max() < 0.3


def test_a_pitch_whose_note_began_minutes_ago_keeps_its_gain():
    frames = 10_200
    levels, begins = np.ones((frames, 1)), np.zeros((frames, 1), bool)
    begins[100] = True
    own, wanted = np.zeros(LONGEST), np.linspace(0, -5, LONGEST)
    changed = 20 * np.log10(change_course(levels, begins, own, wanted))[:, 0]
    np.testing.assert_array_equal(changed[:100], 0)
    np.testing.assert_allclose(changed[100 + LONGEST :], -5)
    assert find_ages(begins)[:100].min() > 10**6


def test_the_register_does_not_depend_on_level_and_length():
    levels = np.random.default_rng(1).uniform(0, 1, (50, len(PITCHES))) ** 8
    found = find_register(levels)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(find_register(7 * np.tile(levels, (3, 1))), found, rtol=1e-6)


def test_moving_to_a_register_is_what_its_formula_says():
    """Pitch by pitch, in loops."""
    random = np.random.default_rng(2)
    levels, register = random.uniform(0, 1, (5, len(PITCHES))), random.uniform(0, 1, 73) ** 6
    wanted = levels.copy()
    for pitch in range(73):
        near = [place for place in (-24, -12, 12, 24) if 0 <= pitch + place < 73]
        step = max(near, key=lambda s: register[pitch + s] * (0.8 if abs(s) == 24 else 1))
        share = register[pitch + step] / (register[pitch] + register[pitch + step])
        gain = min(max((share - 0.75) / 0.25, 0), 1)
        wanted[:, pitch + step] += gain * levels[:, pitch]
        wanted[:, pitch] -= 0.5 * gain * levels[:, pitch]
    np.testing.assert_allclose(move_to_register(levels, register), wanted, rtol=1e-9)


def test_percussion_is_lowered_to_a_share_and_not_raised():
    magnitude = np.full((80, 90), 1e-3)
    magnitude[:, 20], magnitude[40] = 1.0, 1.0  # A tone and a click.
    share = percussive_share(magnitude)
    assert share == pytest.approx(0.5, abs=0.1)
    lowered = limit_percussion(magnitude.copy(), 0.5 * share)
    assert percussive_share(lowered) < 0.8 * share
    np.testing.assert_allclose(lowered[:30, 20], 1, rtol=0.01)
    np.testing.assert_allclose(limit_percussion(magnitude.copy(), 0.99), magnitude, rtol=1e-6)
