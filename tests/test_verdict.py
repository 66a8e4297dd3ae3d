"""The judge of a transfer: what it must say of outputs whose making is known."""

import dataclasses

import librosa
import numpy as np
import pytest
import threadpoolctl
from scipy import fft, optimize, signal, stats

from research.errors import InputError
from research.judge import verdict as metrics
from research.judge.verdict import CROSSFADES, SAMPLE_RATE, Judge

SECONDS = 4
MELODY = (60, 64, 67, 72, 71, 67, 62, 65, 69, 64)  # MIDI, 2.5 a second.
RIFF = (42, 42, 49, 54, 46, 51, 51, 42, 56, 49, 44, 54, 51)  # 3.25 a second, in another key.


def play(notes, partials, decay, hiss=0.0, seed=0):
    """`[samples]` of notes of one length, of partials by amplitude, with noise at their starts."""
    length = SECONDS * SAMPLE_RATE // len(notes)
    time = np.arange(length) / SAMPLE_RATE
    draw = np.random.default_rng(seed)
    out = np.zeros(SECONDS * SAMPLE_RATE)
    for i, note in enumerate(notes):
        pitch = 440.0 * 2 ** ((note - 69) / 12)
        tone = sum(a * np.sin(2 * np.pi * pitch * (k + 1) * time) for k, a in enumerate(partials))
        tone *= np.exp(-decay * time) * np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
        burst = hiss * draw.standard_normal(length) * np.exp(-20 * time)
        out[i * length : (i + 1) * length] = tone + burst
    return out.astype(np.float32)


def noise(samples, seed=3):
    """White noise as long and as loud."""
    draw = np.random.default_rng(seed).standard_normal(len(samples))
    return (draw * samples.std()).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small products of matrices on a busy machine: threads would wait for each other."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def content():
    melody = play(MELODY, (1.0, 0.4, 0.1), decay=3.0)
    return 0.1 * melody / melody.std()


@pytest.fixture(scope="module")
def style():
    riff = play(RIFF, 1.0 / np.arange(1, 16), decay=1.0, hiss=1.0)
    return 0.1 * riff / riff.std()


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
    expected = np.sqrt(verdict.content_kept * verdict.style_reached) * (1 - verdict.leak)
    assert 0.01 < verdict.score == pytest.approx(expected)


def test_same_output_same_verdict_and_inputs_untouched(judge, content, style):
    before = content.copy(), style.copy()
    output = content + style
    assert Judge(content, style, SAMPLE_RATE)(output) == judge(output)
    np.testing.assert_array_equal(content, before[0])
    np.testing.assert_array_equal(style, before[1])


# Crossfades.


@pytest.mark.parametrize("index", [2, 6])
def test_crossfades_are_judged_as_if_they_were_outputs(judge, content, style, index):
    share = CROSSFADES[index]
    verdict = judge((1 - share) * content + share * style)
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


@pytest.mark.parametrize(
    ("point", "height"),
    [
        ((0.8, 0.6), 0.0),
        ((0.9, 0.3), 0.0),  # Half-way along the first piece.
        ((1.0, 1.0), 1 / 3),  # (2/3, 2/3) is on the second.
        ((0.5, 0.3), -0.3),  # The corner, moved by 0.3.
        ((0.0, 1.0), 0.0),
        ((1.0, 0.0), 0.0),
    ],
)
def test_height_over_a_line_by_hand(point, height):
    line = np.array([(1.0, 0.0), (0.8, 0.6), (0.0, 1.0)])
    assert metrics._height(*point, line) == pytest.approx(height)


def test_height_is_over_the_highest_crossing_and_beyond_the_ends():
    # The line crosses the diagonal at (0.25, 0.25), (0.35, 0.35) and (0.48, 0.48).
    line = np.array([(1.0, 0.0), (0.1, 0.3), (0.6, 0.4), (0.0, 0.8)])
    assert metrics._height(0.5, 0.5, line) == pytest.approx(0.02)
    assert metrics._height(0.0, 1.0, line) == pytest.approx(0.1)  # It ends at (0, 0.8).


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
    assert verdict.measures["noise"] > 0.3
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


def test_bands_of_a_tone_by_hand():
    rate, amplitude = SAMPLE_RATE, 0.1
    time = np.arange(2 * rate) / rate
    spectra = metrics._analyse((amplitude * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
    statistics = metrics._band_statistics(metrics._power(spectra)[:, 4:-4])
    mean, deviation, step = statistics.reshape(3, 8)
    assert mean[4] == pytest.approx(10 * np.log10(amplitude**2 / 2), abs=0.05)  # 689 to 1378 Hz.
    assert mean.argmax() == 4 and np.all(np.delete(mean, 4) < -70)
    assert deviation[4] < 0.05 and step[4] < 0.05


def test_bands_count_steps_in_time():
    power = np.zeros((1025, 6), np.float32)
    power[600] = [1e6, 1e7, 1e6, 1e7, 1e6, 1e7]  # The last octave, 10 dB up and down.
    mean, deviation, step = metrics._band_statistics(power).reshape(3, 8)
    level = 10 * np.log10(1e6 * 2 / (0.375 * 2048**2))
    np.testing.assert_allclose(mean, [-80] * 7 + [level + 5], atol=1e-3)
    np.testing.assert_allclose(deviation, [0] * 7 + [5], atol=1e-3)
    np.testing.assert_allclose(step, [0] * 7 + [10], atol=1e-3)


def test_patches_are_runs_of_frames():
    frames = np.arange(96 * 9, dtype=np.float32).reshape(96, 9)
    patches = metrics._patches(frames)
    assert patches.shape == (3, 7 * 96)
    np.testing.assert_array_equal(patches[2], frames[:, 2:9].T.ravel())


def log_mel(samples):
    """`[frames, 96]`, by librosa from the waveform."""
    take = 0.1 * samples / samples.std()
    mel = librosa.feature.melspectrogram(y=take, sr=SAMPLE_RATE, n_fft=2048, n_mels=96)
    return np.log(mel + 1e-5).T


def runs(judge, samples):
    mean, deviation = judge._standard
    logs = (log_mel(samples) - mean) / deviation
    return np.stack([logs[i : i + 7].ravel() for i in range(len(logs) - 6)])


def test_patch_distance_is_the_wasserstein_distance_of_projections(judge, content, style):
    directions = metrics._random(metrics._PROJECTION_SEED, 7 * 96, 128)
    one, other = (runs(judge, samples) @ directions for samples in (content, style))
    expected = [stats.wasserstein_distance(one[:, k], other[:, k]) for k in range(128)]
    found = np.abs(judge._content.patches - judge._style.patches).mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.03, atol=2e-3)


def test_correlations_of_rectified_filters(judge, content):
    responses = runs(judge, content) @ metrics._random(metrics._FILTER_SEED, 7 * 96, 512)
    responses = np.where(responses > 0, responses, 0)
    expected = np.mean([np.outer(frame[:9], frame[:9]) for frame in responses], axis=0)
    np.testing.assert_allclose(judge._content.gram[:9, :9], expected, rtol=1e-3, atol=1e-5)


def test_cepstra_are_without_the_level(judge, style):
    cepstra = fft.dct(10 / np.log(10) * log_mel(style), axis=1, norm="ortho")[:, 1:20]
    expected = np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)])
    np.testing.assert_allclose(judge._style.mfcc, expected, rtol=1e-3, atol=0.02)


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


def spectrogram(seed, bins=1025, frames=40):
    draw = np.random.default_rng(seed).standard_normal((2, bins, frames))
    return draw[0] + 1j * draw[1]


def test_any_gains_of_two_parts_explain_all():
    content, style = spectrogram(0), spectrogram(1)
    shares = metrics._equaliser((2 - 1j) * content - 0.5j * style, content, style)
    for name in ("equaliser", "equaliser_energy", "equaliser_bands"):
        assert shares[name] == pytest.approx(1.0, abs=1e-5)
    loud = np.zeros((1025, 1))
    loud[1:4] = 100.0  # All energy where nothing is explained: one of the third octaves.
    shares = metrics._equaliser(content + loud * spectrogram(2), content, style)
    bands = len(metrics._third_octaves(1025)) - 1
    assert shares["equaliser_energy"] < 0.05
    assert shares["equaliser_bands"] == pytest.approx(1 - 1 / bands, abs=0.01)
    amplitudes = np.sqrt(np.diff(metrics._third_octaves(1025)) * 1.0)
    amplitudes[0] *= np.sqrt(1e4 + 1)
    assert shares["equaliser"] == pytest.approx(1 - amplitudes[0] / amplitudes.sum(), abs=0.02)


def test_explained_energy_against_solvers():
    draw = np.random.default_rng(4)
    real = draw.standard_normal((2, 3, 40, 30))
    output, content, style = real[0] + 1j * real[1]
    style[10] = 2 * content[10]
    style[11] = 0
    each = np.arange(40)
    found = metrics._explained(*metrics._products(output, content, style, each))
    # Of signed values, so that gains at their bound of zero come up too.
    bounded = metrics._explained_not_negative(
        *metrics._products(output.real, content.real, style.real, each)
    )
    at_bound = 0
    for case in each:
        o, matrix = output[case], np.stack([content[case], style[case]], axis=1)
        best = np.linalg.lstsq(matrix, o, rcond=None)[0]
        assert found[case] == pytest.approx(np.linalg.norm(matrix @ best) ** 2)
        gains, distance = optimize.nnls(matrix.real, o.real)
        assert bounded[case] == pytest.approx(o.real @ o.real - distance**2, abs=1e-9)
        at_bound += 0 in gains
    assert 10 <= at_bound <= 35


def test_delay_of_a_millisecond_is_an_equaliser():
    content, style = spectrogram(0), spectrogram(1)
    turned = np.exp(-2j * np.pi * np.arange(1025) * 22 / 2048)[:, None] * content
    assert metrics._equaliser(turned, content, style)["equaliser_bands"] > 0.98


def test_groups_of_bins_share_their_gains():
    content, style = spectrogram(0), spectrogram(1)
    sums = metrics._products(content, style, content, np.array([0, 10, 1000]))
    assert sums[0][1] == pytest.approx(np.sum(np.abs(content[10:1000]) ** 2))
    assert sums[4][2] == pytest.approx(np.vdot(style[1000:], content[1000:]))


@pytest.mark.parametrize("num_bins", [1025, 513, 5])
def test_third_octaves(num_bins):
    edges = metrics._third_octaves(num_bins)
    assert edges[0] == 1 and edges[-1] == num_bins
    assert np.all(np.diff(edges) >= 3)
    wide = edges[:-2][np.diff(edges)[:-1] > 3]
    ratios = np.log2([edges[list(edges).index(e) + 1] / e for e in wide])
    np.testing.assert_allclose(ratios, 1 / 3, atol=0.06)


# Damage.


def test_clicks_are_counted(judge, content, style):
    assert judge(content).measures["clicks"] == 0
    damaged = content.copy()
    damaged[np.arange(6) * 14_000 + 7_000] += content.max()
    rate = judge(damaged).measures["clicks"]
    assert rate == pytest.approx(6 / SECONDS)
    assert judge(damaged).measures["clicks_inputs"] == metrics._clicks(style, SAMPLE_RATE)


def test_hiss_and_buzz_are_not_clicks(content):
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 31))
    assert metrics._clicks(noise(content), SAMPLE_RATE) == 0
    assert metrics._clicks(buzz, SAMPLE_RATE) == 0


def test_clipped_is_the_share_at_full_scale(judge, content):
    loud = np.clip(content / np.abs(content).max() * 1.5, -1, 1)
    share = judge(loud).measures["clipped"]
    assert 0.01 < share == np.mean(np.abs(loud) >= 0.999)
    assert judge(0.5 * loud).measures["clipped"] == 0


def test_naturalness_is_what_the_worst_damage_leaves(judge, content, style):
    for natural in (content, style, 0.6 * content + 0.4 * style):
        assert judge(natural).naturalness == 1
    assert judge(noise(content)).naturalness < 0.1
    loud = np.clip(content / np.abs(content).max() * 1.5, -1, 1)
    assert judge(loud).naturalness == 0  # More than a hundredth is clipped.
    damaged = content.copy()
    damaged[np.arange(6) * 14_000 + 7_000] += content.max()
    measures = judge(damaged).measures
    more = measures["clicks"] - measures["clicks_inputs"]
    assert more > 0.1
    assert judge(damaged).naturalness == pytest.approx(1 / (1 + more))


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
