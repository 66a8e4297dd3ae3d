"""The network that hears notes: its input, its scales, and what the shipped one hears."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.errors import InputError
from research.transfer.reorchestration import note_estimates
from research.transfer.reorchestration.blocks import BLOCK
from research.transfer.reorchestration.grid import PITCHES, SAMPLE_RATE
from research.transfer.reorchestration.note_network import (
    NoteConfig,
    NoteNetwork,
    amplitudes,
    loudest_bins,
    network_with,
    note_levels,
    parameters_of,
    spectrum_levels,
    stack_harmonics,
)
from research.transfer.reorchestration.spectrum import HERTZ, NUM_BINS, analyse

MELODY = (60, 64, 67, 72, 65, 57)
STACKED = (0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12)


def play(pitches: tuple[int, ...], seconds: float = 0.4) -> np.ndarray:
    """Notes one after the other, of six decaying partials."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    notes = []
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        partials = sum(np.sin(2 * np.pi * n * hertz * time) / n for n in range(1, 7))
        notes.append(partials * np.exp(-3 * time))
    return (0.1 * np.concatenate(notes)).astype(np.float32)


def hits(seconds: float = 2.4) -> np.ndarray:
    """Bursts of noise, five a second."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.1, len(time))
    return (noise * np.exp(-30 * (time % 0.2))).astype(np.float32)


def test_partials_are_stacked_where_the_pitches_have_them():
    """A spectrum whose value is its bin gives the bins of the partials, by frequency."""
    ramp = jnp.broadcast_to(jnp.arange(NUM_BINS, dtype=jnp.float32), (2, 3, NUM_BINS))
    tuning = np.array([0.0, 0.3], np.float32)
    stacked = np.asarray(stack_harmonics(ramp, jnp.asarray(tuning)))
    stacked = stacked.reshape(2, 3, len(PITCHES), len(STACKED), 3)
    for batch, semitones in enumerate(tuning):
        for pitch, harmonic in ((0, 0), (20, 1), (30, 3), (72, 2)):
            hertz = 440 * 2 ** ((PITCHES[pitch] + semitones - 69) / 12) * STACKED[harmonic]
            place = 36 * np.log2(hertz / HERTZ[0])
            for offset in (-1, 0, 1):
                bin = place + offset
                wanted = bin if 0 <= bin <= NUM_BINS - 1 else 0
                found = stacked[batch, :, pitch, harmonic, 1 + offset]
                np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_levels_have_their_range():
    magnitude = jnp.array([0.0, 1e-4, 1e-2, 1.0])
    np.testing.assert_allclose(
        spectrum_levels(magnitude, jnp.ones(())), [0, 0.075, 0.501, 1], atol=1e-3
    )
    config = NoteConfig(full_level=0.5)
    levels = note_levels(jnp.array([0.0, 0.5, 1.0, 2.0]), jnp.asarray(2.0), config)
    np.testing.assert_allclose(levels, [0, 1 - 0.1, 1, 1.1], atol=2e-3)
    np.testing.assert_allclose(amplitudes(np.asarray(levels)), [0, 0.5, 1, 2], atol=1e-4)


def test_the_output_has_a_value_a_pitch_and_one_for_percussion():
    network = NoteNetwork(NoteConfig(width=4, dilations=(1, 2), percussion=3), nnx.Rngs(0))
    levels = jax.random.uniform(jax.random.key(0), (2, 5, NUM_BINS))
    found = network(levels, jnp.zeros(2))
    assert found.shape == (2, 5, len(PITCHES) + 1)
    assert found.min() >= 0 and found.max() <= 1.2


def test_notes_are_heard():
    estimated = note_estimates.estimate_notes(analyse(play(MELODY)))
    frames_of_note = 0.4 * SAMPLE_RATE / 512
    for number, pitch in enumerate(MELODY):
        middle = estimated.pitches[int((number + 0.4) * frames_of_note)]
        assert PITCHES[middle.argmax()] == pitch
    # A decay of 3 per second is 26 dB per second.
    frames = slice(4, 14)
    first = 20 * np.log10(estimated.pitches[frames, MELODY[0] - PITCHES[0]])
    slope = np.polyfit(np.arange(10) * 512 / SAMPLE_RATE, first, 1)[0]
    assert -45 < slope < -10


def test_percussion_is_told_from_notes():
    notes, drums = play(MELODY), hits()
    assert np.median(note_estimates.estimate_notes(analyse(notes)).percussive_share) < 0.05
    assert np.median(note_estimates.estimate_notes(analyse(drums)).percussive_share) > 0.8


def test_blocks_do_not_show():
    """What is estimated in a frame does not depend on where blocks begin."""
    samples = np.concatenate([play(MELODY), play(MELODY[::-1])])
    assert len(samples) / 512 > BLOCK
    whole = note_estimates.estimate_notes(analyse(samples)).pitches
    parameters = parameters_of(NoteNetwork(NoteConfig(), nnx.Rngs(0)))
    network = network_with(note_estimates._parameters())
    assert jax.tree.structure(parameters) == jax.tree.structure(note_estimates._parameters())
    spectrum = analyse(samples)
    loudest = loudest_bins(spectrum.magnitude)
    np.testing.assert_allclose(
        loudest, np.percentile(spectrum.magnitude.max(axis=1), 95), rtol=1e-6
    )
    levels = spectrum_levels(jnp.asarray(spectrum.magnitude), jnp.asarray(loudest))
    found = network(levels[None], jnp.asarray([spectrum.tuning]))[0]
    inner = slice(15, len(whole) - 15)  # At the ends the network sees silence, or nothing.
    np.testing.assert_allclose(
        amplitudes(np.asarray(found))[inner, :-1], whole[inner], rtol=1e-3, atol=1e-6
    )


def test_silence_is_silent():
    estimated = note_estimates.estimate_notes(analyse(np.zeros(SAMPLE_RATE, np.float32)))
    assert np.isfinite(estimated.pitches).all()


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_weights_are_one_line(monkeypatch, tmp_path, damage):
    path: pathlib.Path = tmp_path / "weights.npz"
    if damage == "cut":
        path.write_bytes(note_estimates.WEIGHTS.read_bytes()[:1000])
    monkeypatch.setattr(note_estimates, "WEIGHTS", path)
    note_estimates._parameters.cache_clear()
    with pytest.raises(InputError, match=r"weights\.npz"):
        note_estimates.estimate_notes(analyse(play(MELODY[:2])))
    note_estimates._parameters.cache_clear()
