"""The content on the style's instruments: each step by known signals, and the whole of it."""

import librosa
import numpy as np
import pytest
import scipy.signal
from compiling import compilations

from research.transfer.reorchestration import (
    activations,
    decay,
    register,
    spectra,
    templates,
)
from research.transfer.reorchestration.grid import (
    HERTZ,
    PITCHES,
    SAMPLE_RATE,
    STFT,
    pitch_hertz,
)
from research.transfer.reorchestration.reorchestrate import orchestra_of, reorchestrate
from research.transfer.reorchestration.spectrum import NUM_BINS, analyse
from research.transfer.reorchestration.transform import magnitudes

FLUTE, REED = (1.0, 0.12, 0.05), (0.25, 1.0, 0.5, 0.8, 0.3, 0.5, 0.2, 0.25, 0.1)
MELODY = [(0.1, 60), (0.7, 64), (1.3, 67), (1.9, 65), (2.5, 62), (3.1, 72), (3.7, 69), (4.3, 60)]
OTHER = [(0.1, 62), (0.6, 69), (1.1, 65), (1.6, 71), (2.1, 60), (2.6, 64), (3.1, 67), (3.6, 73)]
NOTE = 0.5  # Seconds.


def play(notes, partials, seconds=5.0, fall=0.0, tuning=0.0, rate=SAMPLE_RATE) -> np.ndarray:
    """Notes of an instrument whose partials have the amplitudes given, `[samples]`.

    Args:
      notes: start in seconds and MIDI pitch each.
      partials: amplitudes.
      seconds: length.
      fall: dB a second.
      tuning: semitones.
      rate: Hz.
    """
    samples = np.zeros(round(seconds * rate))
    for start, pitch in notes:
        time = np.arange(round(NOTE * rate)) / rate
        hertz = 440 * 2 ** ((pitch + tuning - 69) / 12)
        wave = sum(
            amplitude * np.sin(2 * np.pi * number * hertz * time + number**2)
            for number, amplitude in enumerate(partials, 1)
            if number * hertz < rate / 2
        )
        edges = np.minimum(np.minimum(time, time[-1] - time) / 0.01, 1)
        place = round(start * rate)
        tone = (wave * edges * 10 ** (-fall * time / 20))[: len(samples) - place]
        samples[place : place + len(tone)] += tone
    return (0.1 * samples / np.sqrt(np.mean(samples**2))).astype(np.float32)


@pytest.fixture(scope="module")
def flute() -> np.ndarray:
    return play(MELODY, FLUTE)


@pytest.fixture(scope="module")
def orchestra():
    """Of the reed that plays other notes."""
    return orchestra_of(play(OTHER, REED)[None], SAMPLE_RATE)


@pytest.mark.parametrize("length", [22050, 65536, 70001])
def test_the_spectrum_is_that_of_librosa(length):
    samples = np.random.default_rng(0).standard_normal(length).astype(np.float32)
    wanted = np.abs(librosa.stft(samples, n_fft=2048, hop_length=512, pad_mode="constant").T)
    np.testing.assert_allclose(magnitudes(samples), wanted, atol=2e-3)


def test_another_length_compiles_nothing(flute, orchestra):
    longer = np.tile(flute, 3)
    reorchestrate(np.stack([flute, longer[5 : 5 + len(flute)]]), SAMPLE_RATE, orchestra)
    with compilations() as compiled:
        reorchestrate(longer[None, :317_311], SAMPLE_RATE, orchestra)
        orchestra_of(longer[None, :29_321], SAMPLE_RATE)
    assert compiled == []


@pytest.mark.parametrize("cents", [-40, 0, 30])
def test_the_tuning_of_a_piece_is_found(cents):
    found = analyse(play(MELODY, FLUTE, tuning=cents / 100)).tuning
    assert found == pytest.approx(cents / 100, abs=0.02)


@pytest.mark.parametrize("partials", [FLUTE, REED], ids=["flute", "reed"])
@pytest.mark.parametrize("tuning", [0.0, 0.3])
def test_the_pitch_that_is_played_is_the_most_active(partials, tuning):
    [found] = activations.find_activations(
        play(MELODY, partials, tuning=tuning), activations.OF_CONTENT
    )
    levels = found.levels
    for start, pitch in MELODY:
        middle = round((start + NOTE / 2) * SAMPLE_RATE / STFT.hop_length)
        of_note = levels[middle - 4 : middle + 5].sum(axis=0)
        assert PITCHES[of_note.argmax()] == pitch
    rest = levels[-2:].sum(axis=1).max()
    assert rest < 0.05 * np.median(levels.sum(axis=1))


def test_an_update_of_activations_is_that_of_the_beta_divergence():
    """Multiplicative updates for beta = 1/2 by their definition, in float64."""
    random = np.random.default_rng(1)
    observed = random.uniform(0.1, 1, (150, NUM_BINS))
    first = activations._harmonic_templates(0.0)
    basis = np.vstack([first, np.full((1, first.shape[1]), first.shape[1] ** -0.5)]).astype(float)
    levels = np.maximum(observed @ basis.T, 1e-6) * 0.1

    def divergence(levels):
        model = levels @ basis + 1e-6
        return (2 * (observed**0.5 * (observed**0.5 / model**0.5) + model**0.5)).sum()

    losses = [divergence(levels)]
    for _ in range(15):
        model = levels @ basis + 1e-6
        slope = (observed / model**1.5) @ basis.T / ((model**-0.5) @ basis.T)
        levels = levels * slope ** (1 / 1.5)
        losses.append(divergence(levels))
    assert all(np.diff(losses) < 0)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(activations, "_ROUNDS", 0)
        found = activations._factorise(observed.astype(np.float32), first)
    np.testing.assert_allclose(found, levels[:, :-1], rtol=2e-3, atol=1e-6)


def test_templates_have_the_partials_of_the_instrument():
    samples = play(MELODY, REED)
    magnitude = magnitudes(samples)
    found = templates.learn_templates(
        magnitude, *activations.find_activations(samples, activations.OF_STYLE)
    )
    for pitch in {pitch for _, pitch in MELODY}:
        hertz = 440 * 2 ** ((pitch - 69) / 12) * np.arange(1, 7)
        bins = np.searchsorted(HERTZ, hertz - 12)[:, None] + np.arange(3)
        peaks = found.spectra[pitch - PITCHES[0]][bins].max(axis=1)
        ratio = 20 * np.log10(peaks / peaks[1])
        np.testing.assert_allclose(ratio, 20 * np.log10(np.array(REED[:6])), atol=6)


def test_pitches_that_are_not_played_have_the_partials_of_their_neighbours():
    spectra_, levels = np.full((len(PITCHES), len(HERTZ)), 1e-4), np.zeros((9, len(PITCHES)))
    played = 30
    for partial, amplitude in enumerate(REED, 1):
        width = (HERTZ - partial * pitch_hertz(0.0)[played]) / 12
        spectra_[played] += amplitude * np.exp(-0.5 * width**2)
    levels[:, played] = 1.0
    filled = templates.fill_pitches(spectra_.astype(np.float32), levels.astype(np.float32), 1.5)
    for pitch in (played - 2, played + 3):
        hertz = pitch_hertz(0.0)[pitch] * np.arange(1, 5)
        peaks = np.interp(hertz, HERTZ, filled[pitch])
        np.testing.assert_allclose(peaks, REED[:4], rtol=0.25)


def envelope(fall: float, frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Notes of 40 frames that fall by so many dB a frame, of 16 pitches, and where they begin."""
    levels, begins = np.full((frames, 2), 1e-6), np.zeros((frames, 2), bool)
    for start, pitch in ((5, 0), (60, 1), (100, 0), (150, 1)):
        levels[start : start + 40, pitch] = 10 ** (-fall * np.arange(40) / 20)
        begins[start, pitch] = True
    return np.tile(levels, 8), np.tile(begins, 8)


def test_notes_begin_where_their_level_rises():
    levels, begins = envelope(0.4)
    found = decay.find_onsets(levels)
    assert found.sum() == begins.sum()
    for frame, pitch in np.argwhere(begins):
        assert found[frame - 1 : frame + 2, pitch].any()


def test_ages_count_from_the_last_onset():
    _, begins = envelope(0.4)
    wanted, last = np.zeros(begins.shape), [None] * begins.shape[1]
    for frame, row in enumerate(begins):
        for pitch, begin in enumerate(row):
            last[pitch] = frame if begin else last[pitch]
            wanted[frame, pitch] = -1 if last[pitch] is None else frame - last[pitch]
    found = decay.find_ages(begins)
    np.testing.assert_array_equal(np.where(found >= 10_000, -1, found), wanted)


@pytest.mark.parametrize("fall", [0.0, 0.3, 0.8])
def test_the_course_is_how_notes_fall(fall):
    levels, begins = envelope(fall)
    course = decay.find_course(levels, begins)
    # Steps that few notes make are taken for smaller ones.
    slope = -np.polyfit(np.arange(1, 25), course[1:25], 1)[0]
    assert 0.5 * fall <= slope <= 1.01 * fall + 1e-9


def test_an_organ_s_notes_fall_like_a_piano_s():
    (organ, begins), (piano, _) = envelope(0.0), envelope(0.4)
    own, wanted = (decay.find_course(each, begins) for each in (organ, piano))
    changed = decay.change_course(organ, begins, own, wanted)
    falls = 20 * np.log10(changed[6:35, 0] / changed[5, 0])
    np.testing.assert_allclose(falls, (wanted - wanted[0])[1:30], atol=0.6)
    unchanged = decay.change_course(organ, begins, own, own)
    np.testing.assert_array_equal(unchanged, organ)


def test_notes_move_to_the_octave_that_the_style_plays():
    levels, style = np.zeros((20, len(PITCHES))), np.zeros((20, len(PITCHES)))
    low, high = 12, 24
    levels[:, low], style[:, high] = 1.0, 1.0
    moved = register.move_to_register(levels, register.find_register(style))
    assert moved[0, high] > 0.5
    assert moved[0, low] == pytest.approx(1 - 0.5 * moved[0, high], rel=1e-6)
    same = register.move_to_register(levels, register.find_register(levels))
    np.testing.assert_allclose(same[:, low], levels[:, low], rtol=0.02)


def test_parts_are_those_of_librosa():
    magnitude = np.random.default_rng(2).uniform(0, 1, (300, 90))
    percussive = spectra.find_percussion(magnitude)
    wanted = librosa.decompose.hpss(magnitude.T, kernel_size=(17, 31))
    np.testing.assert_allclose(magnitude - percussive, wanted[0].T, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(percussive, wanted[1].T, rtol=1e-5, atol=1e-9)


def test_a_chord_is_tonal_and_noise_is_not(chord):
    noise = np.random.default_rng(3).standard_normal(SAMPLE_RATE).astype(np.float32)
    assert spectra.noisiness(magnitudes(chord)) == 0
    assert spectra.noisiness(magnitudes(noise)) == 1
    # Nearly all bins of a pure tone are empty, which is not noise.
    assert spectra.noisiness(magnitudes(play(MELODY, (1.0,)))) == 0
    assert spectra.noisiness(np.zeros((9, 1025))) == 0


def test_levels_that_are_pulled_all_the_way_are_those_of_the_style(flute):
    noise = np.random.default_rng(4).standard_normal(SAMPLE_RATE).astype(np.float32)
    soft, loud = (magnitudes(each) + 1e-2 for each in (flute, 0.1 * noise))
    wanted = spectra.level_quantiles(loud)
    before = np.abs(spectra.level_quantiles(soft) - wanted).mean()
    after = np.abs(spectra.level_quantiles(spectra.pull_levels(soft, wanted, 1.0)) - wanted).mean()
    assert after < 0.5 * before
    np.testing.assert_allclose(spectra.pull_levels(soft, wanted, 0.0), soft, rtol=1e-5)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Log-spectral distance in dB over mel bands, at least 60 dB under the loudest of `other`."""
    levels = [
        10 * np.log10(librosa.feature.melspectrogram(y=each, sr=SAMPLE_RATE, n_mels=80) + 1e-10)
        for each in (one, other)
    ]
    one, other = (np.maximum(each, levels[1].max() - 60) for each in levels)
    return float(np.sqrt(((one - other) ** 2).mean(axis=0)).mean())


def test_a_flute_s_melody_comes_out_on_the_reed(flute, orchestra):
    """Closer to the reed that plays it than the flute is, also through the best equaliser."""
    truth = play(MELODY, REED)
    output = reorchestrate(flute[None], SAMPLE_RATE, orchestra)[0]
    power = [np.square(magnitudes(each)).mean(axis=0) for each in (flute, truth)]
    gains = scipy.signal.medfilt(np.sqrt(power[1] / (power[0] + 1e-6)), 31)
    equalised = librosa.stft(flute, n_fft=2048, hop_length=512) * gains[:, None]
    equalised = librosa.istft(equalised, hop_length=512, length=len(flute))
    equalised *= 0.1 / np.sqrt(np.mean(equalised**2))
    reached = distance(output, truth)
    assert reached < 0.7 * distance(flute, truth)
    assert reached < 0.85 * distance(equalised.astype(np.float32), truth)
    assert np.sqrt(np.mean(output**2)) == pytest.approx(0.1, rel=1e-3)


def test_the_same_input_gives_the_same_bytes(flute, orchestra):
    first, second = (reorchestrate(flute[None], SAMPLE_RATE, orchestra) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_no_style_gives_the_content_back(flute, orchestra):
    output = reorchestrate(flute[None], SAMPLE_RATE, orchestra, amount=0.0)
    np.testing.assert_allclose(output, flute[None], atol=2e-3)
    half = reorchestrate(flute[None], SAMPLE_RATE, orchestra, amount=0.5)[0]
    whole = reorchestrate(flute[None], SAMPLE_RATE, orchestra)[0]
    truth = play(MELODY, REED)
    assert distance(whole, truth) < distance(half, truth) < distance(flute, truth)


def test_rests_stay_rests(orchestra):
    content = play(MELODY[:2] + MELODY[-1:], FLUTE)
    output = reorchestrate(content[None], SAMPLE_RATE, orchestra)[0]
    rest = slice(2 * SAMPLE_RATE, 4 * SAMPLE_RATE)
    assert np.sqrt(np.mean(output[rest] ** 2)) < 0.1 / 100


def test_notes_begin_when_those_of_the_content_do(flute, orchestra):
    output = reorchestrate(flute[None], SAMPLE_RATE, orchestra)[0]
    for start, _ in MELODY:
        place = round(start * SAMPLE_RATE)
        span = slice(place - 1100, place + 2200)  # 50 ms before to 100 ms after.
        smooth = [
            np.convolve(each[span] ** 2, np.ones(441) / 441, "same") for each in (flute, output)
        ]
        rises = [np.argmax(each > 0.25 * each.max()) for each in smooth]
        assert abs(rises[0] - rises[1]) < 0.02 * SAMPLE_RATE


def test_channels_stay_apart(flute, orchestra):
    stereo = np.stack([flute, 0 * flute])
    output = reorchestrate(stereo, SAMPLE_RATE, orchestra)
    assert output.shape == stereo.shape
    levels = np.sqrt(np.mean(output**2, axis=1))
    assert levels[1] < 0.01 * levels[0]
    same = reorchestrate(np.stack([flute, flute]), SAMPLE_RATE, orchestra)
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_other_rates_have_their_own_length_and_treble(rate, orchestra):
    content = play(MELODY, REED + (0.05,) * 30, rate=rate)[None]
    output = reorchestrate(content, rate, orchestra)
    assert output.shape == content.shape
    assert np.isfinite(output).all()
    treble = np.abs(np.fft.rfft(output[0]))[np.fft.rfftfreq(content.shape[1], 1 / rate) > 12000]
    assert (treble.max(initial=0) > 1e-3) == (rate > 24000)


@pytest.mark.parametrize("seconds", [0.2, 1.0])
def test_short_pieces_and_silence_end_well(seconds, orchestra):
    content = play(MELODY[:1], FLUTE, seconds=seconds)[None]
    assert np.isfinite(reorchestrate(content, SAMPLE_RATE, orchestra)).all()
    silence = reorchestrate(0 * content, SAMPLE_RATE, orchestra)
    assert not silence.any()
