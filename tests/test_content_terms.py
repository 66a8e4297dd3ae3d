"""Content terms against their definitions: what they keep, what they leave free, their units."""

import functools

import jax
import librosa
import numpy as np
import pytest
from representing import NUM_TONES, normal, random_representations, whole

from research.transfer.representations import (
    BINS_PER_OCTAVE,
    Representations,
    waveform_representations,
)
from research.transfer.terms.base import Context
from research.transfer.terms.cosine import CosineTerm, Directions
from research.transfer.terms.registry import CONTENT_TERMS
from research.transfer.terms.squared_error import (
    LayerSquaredError,
    moments,
    unrelated_squared_error,
)

RATE = 22050
SEMITONE = BINS_PER_OCTAVE // 12
C4 = 2 * BINS_PER_OCTAVE
DIRECTED = [name for name, term in CONTENT_TERMS.items() if isinstance(term, CosineTerm)]
LAYERED = [name for name, term in CONTENT_TERMS.items() if isinstance(term, LayerSquaredError)]
ONE, OTHER = (random_representations(12, seed, num_channels=2) for seed in (1, 2))


@functools.cache
def compiled(name: str):
    """Observations of two recordings, their distance, and that of unrelated ones."""
    term = CONTENT_TERMS[name]

    @jax.jit
    def compare(first, second):
        observed, target = (term.observe(each, Context()) for each in (first, second))
        profile = term.profile(observed)
        return observed, target, term.distance(observed, target), term.unrelated(target, profile)

    return compare


def compare(name: str, observed: Representations, target: Representations):
    return jax.device_get(compiled(name)(observed, target))


def distance(name: str, observed: Representations, target: Representations) -> float:
    """Over all layers."""
    return float(sum(jax.tree.leaves(compare(name, observed, target)[2])))


def of_tone(tone: np.ndarray) -> Representations:
    return Representations(tone=whole(tone))


def of_bands(fast_mel: np.ndarray) -> Representations:
    return Representations(fast_mel=whole(fast_mel))


def chord(*bins: int) -> np.ndarray:
    """Tones of equal power, each with six softer partials, in four frames."""
    tone = np.full(NUM_TONES + BINS_PER_OCTAVE * 4, 1e-8)
    for k in bins:
        for partial in range(1, 7):
            tone[k + round(BINS_PER_OCTAVE * np.log2(partial))] += 0.1 / partial**2
    return np.broadcast_to(tone[:NUM_TONES], (1, 4, NUM_TONES)).astype(np.float32)


def pure(*bins: int) -> np.ndarray:
    """One tone in each of four frames."""
    tone = np.zeros((1, 4, NUM_TONES), np.float32)
    tone[0, np.arange(4), np.resize(bins, 4)] = 0.1
    return tone


# Squared errors.


@pytest.mark.parametrize("name", LAYERED)
def test_squared_errors_add_up_over_each_layer(name):
    observed, target, apart, _ = compare(name, ONE, OTHER)
    assert apart.keys() == observed.keys()
    for layer, found in apart.items():
        difference = np.float64(observed[layer].values) - np.float64(target[layer].values)
        assert found == pytest.approx(np.linalg.norm(difference) ** 2, rel=1e-5)
        assert CONTENT_TERMS[name].count(observed)[layer] == difference.size


def test_layers_are_those_of_the_features_and_the_spectrogram():
    assert CONTENT_TERMS["features"].observe(ONE, Context()) is ONE.features
    (spectrogram,) = CONTENT_TERMS["spectrogram"].observe(ONE, Context()).values()
    np.testing.assert_array_equal(spectrogram.values, ONE.log_magnitude.values)


def test_moments_are_over_channels_and_frames():
    observed = 3 + normal(2, 13, 5) * np.arange(1, 6)
    found = moments(whole(observed))
    for d in range(5):
        values = np.float64(observed[:, :, d]).ravel()
        assert found.mean[d] == pytest.approx(values.sum() / 26, rel=1e-5)
        assert found.variance[d] == pytest.approx(np.cov(values, ddof=0), rel=1e-5)


def test_an_unrelated_squared_error_is_the_mean_over_all_pairs_of_frames():
    target = 3 + normal(2, 13, 5)
    style = 2 * normal(2, 8, 5, seed=1)
    frames = style.reshape(-1, 5)
    pairs = target[:, :, None] - frames
    expected = 13 * np.square(pairs).sum(axis=-1).mean(axis=(1, 2)).sum()
    found = unrelated_squared_error(whole(target), moments(whole(style)))
    assert found == pytest.approx(expected, rel=1e-5)


def test_recordings_that_never_change_are_a_millionth_of_their_energy_apart():
    target = np.full((2, 13, 5), 3.0, np.float32)
    found = unrelated_squared_error(whole(target), moments(whole(target)))
    assert found == pytest.approx(1e-6 * 9 * target.size, rel=1e-5)


# Directions.


def test_a_cosine_distance_weighs_frames_by_the_energy_of_the_target():
    observed, target = normal(2, 6, 5), normal(2, 6, 5, seed=1)
    units = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (observed, target)]
    weights = np.random.default_rng(2).dirichlet(np.ones(12)).reshape(2, 6)
    cosines = np.sum(units[0] * units[1], axis=-1)
    found = CONTENT_TERMS["chroma"].distance(
        Directions(units[0], np.full((2, 6), np.nan)), Directions(units[1], weights)
    )
    assert found == pytest.approx(1 - np.sum(weights * cosines), rel=1e-5)


@pytest.mark.parametrize("name", DIRECTED)
def test_unit_vectors_are_weighted_by_their_fraction_of_the_energy(name):
    observed = compare(name, ONE, ONE)[0]
    np.testing.assert_allclose(np.linalg.norm(observed.vectors, axis=-1), 1.0, rtol=1e-4)
    energy = np.float64(ONE.tone.values).sum(axis=-1)
    np.testing.assert_allclose(observed.weights, energy / energy.sum(), rtol=1e-4)


@pytest.mark.parametrize("name", DIRECTED)
def test_an_unrelated_direction_is_the_mean_over_all_pairs_of_frames(name):
    style, target, _, found = compare(name, OTHER, ONE)
    expected = 0.0
    for c, t in np.ndindex(target.weights.shape):
        for d, u in np.ndindex(style.weights.shape):
            cosine = np.dot(target.vectors[c, t], style.vectors[d, u])
            expected += target.weights[c, t] * style.weights[d, u] * (1 - cosine)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", DIRECTED)
def test_recordings_of_one_direction_are_a_thousandth_apart(name):
    notes = of_tone(chord(C4))
    assert compare(name, notes, notes)[-1] == pytest.approx(1e-3)


@pytest.mark.parametrize("name", DIRECTED)
@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_pitch_does_not_depend_on_loudness(name, gain):
    loud, other = chord(C4, C4 + 21), chord(C4 + 2 * SEMITONE, C4 + 21)
    changed = distance(name, of_tone(gain * loud), of_tone(loud))
    assert changed < 0.1 * distance(name, of_tone(other), of_tone(loud))


def test_harmonics_do_not_depend_on_a_slow_spectral_envelope():
    notes, others = chord(C4, C4 + 21), chord(C4 + SEMITONE, C4 + 24)
    envelope = np.exp(2 * np.sin(np.arange(NUM_TONES) / 40)).astype(np.float32)
    changed = distance("harmonic", of_tone(envelope * notes), of_tone(notes))
    assert changed < 0.02
    assert changed < 0.05 * distance("harmonic", of_tone(others), of_tone(notes))


def test_harmonics_tell_octaves_and_a_third_of_a_semitone():
    notes = of_tone(chord(C4))
    for shift in (1, SEMITONE, BINS_PER_OCTAVE):
        assert distance("harmonic", of_tone(chord(C4 + shift)), notes) > 0.2


def test_pitch_classes_do_not_tell_octaves():
    here, octave_up, semitone_up = (
        of_tone(pure(C4 + shift, C4 + 15 + shift)) for shift in (0, BINS_PER_OCTAVE, SEMITONE)
    )
    assert distance("chroma", octave_up, here) == pytest.approx(0.0, abs=1e-3)
    assert distance("chroma", semitone_up, here) > 0.9


def test_pitch_classes_do_not_tell_a_third_of_a_semitone():
    flat, sharp = (of_tone(pure(C4 + 7 * SEMITONE + shift)) for shift in (-1, 1))
    assert distance("chroma", flat, sharp) == pytest.approx(0.0, abs=1e-3)


def test_a_tone_is_of_the_pitch_class_of_its_note():
    frequencies = np.array([130.8, 220.0, 277.2, 311.1, 329.6, 370.0, 392.0, 466.2, 493.9, 880.0])
    frequencies *= 2 ** (np.resize([-0.25, 0.0, 0.25], 10) / 12)  # Some out of tune.
    time = np.arange(8192) / RATE
    waveform = np.sin(2 * np.pi * frequencies[:, None] * time).astype(np.float32)
    classes = jax.jit(
        lambda waveform: CONTENT_TERMS["chroma"].observe(
            waveform_representations(waveform, RATE), Context()
        )
    )(waveform)
    expected = np.round(librosa.hz_to_midi(frequencies)) % 12
    assert len(set(expected)) > 8
    found = np.asarray(classes.vectors).mean(axis=1).argmax(axis=-1)
    np.testing.assert_array_equal(found, expected)


# Onsets.

CLICKS = (3000, 9100, 16000)


@pytest.fixture(scope="module")
def clicks():
    """A soft tone in noise with clicks, and the same four times louder."""
    time = np.arange(RATE) / RATE
    waveform = 0.05 * np.sin(2 * np.pi * 300 * time) + 0.003 * normal(RATE)
    for place in CLICKS:
        waveform[place : place + 3] += [0.5, -0.9, 0.4]
    waveforms = np.float32([waveform, 4 * waveform])

    def bands(waveform: jax.Array) -> jax.Array:
        return waveform_representations(waveform[None], RATE).fast_mel.values[0]

    return np.asarray(jax.jit(jax.vmap(bands))(waveforms))


def test_onsets_are_where_clicks_are(clicks):
    soft = of_bands(clicks[:1])
    envelope = np.array(compare("onset", soft, soft)[0].values[0, :, 0])
    places = []
    for _ in CLICKS:
        loudest = envelope.argmax()
        assert envelope[loudest] > 2.0
        places.append(128 * (loudest + 2))  # The middle of its rise.
        envelope[max(loudest - 8, 0) : loudest + 9] = 0.0
    assert envelope.max() < 1.0
    np.testing.assert_allclose(sorted(places), CLICKS, atol=0.023 * RATE)


def test_onsets_do_not_depend_on_loudness(clicks):
    soft, loud = (of_bands(piece[None]) for piece in clicks)
    late = of_bands(np.roll(soft.fast_mel.values, 30, axis=1))
    assert distance("onset", loud, soft) < 0.02
    assert distance("onset", late, soft) > 1.0


def test_onsets_do_not_depend_on_the_level_of_a_band(clicks):
    tilted = clicks + np.linspace(-1, 1, clicks.shape[-1], dtype=np.float32)
    plain = of_bands(clicks[:1])
    assert distance("onset", of_bands(tilted[:1]), plain) < 1e-6


BANDS, OTHER_BANDS = (of_bands(normal(2, 160, 6, seed=seed) - 2) for seed in (301, 302))


def test_onsets_are_standardised():
    envelope = compare("onset", BANDS, OTHER_BANDS)[0].values[..., 0]
    assert envelope.shape == (2, 4 * 40 - 4)
    np.testing.assert_allclose(envelope.mean(axis=1), 0.0, atol=1e-5)
    np.testing.assert_allclose(envelope.std(axis=1), 1.0, rtol=1e-4)


def test_onsets_are_smoothed_rises_of_all_bands():
    bands = np.float64(BANDS.fast_mel.values)
    rise = np.mean(np.maximum(bands[:, 4:] - bands[:, :-4], 0.0), axis=-1)
    expected = [np.convolve(row, np.hanning(15), mode="same") for row in rise]
    expected = [(row - np.mean(row)) / np.std(row) for row in expected]
    found = compare("onset", BANDS, OTHER_BANDS)[0].values[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_unrelated_envelopes_are_at_the_mean_over_all_delays():
    other, target, _, found = compare("onset", OTHER_BANDS, BANDS)
    delayed = [np.roll(other.values, delay, axis=1) for delay in range(other.count)]
    expected = np.mean(np.square(np.array(delayed) - target.values))
    assert found == pytest.approx(expected, rel=1e-3)
