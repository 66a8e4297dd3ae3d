"""Descriptors against NumPy and SciPy by hand, and against published rows."""

import warnings

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from conftest import ROOT

from research.audio.waveform import Waveform, load_waveform
from research.data.descriptor_tables import load_descriptors
from research.data.descriptors import FEATURES, describe, describe_track
from research.errors import InputError

RATE = 22050
GTZAN = ROOT.parent / "shared" / "data" / "gtzan"


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Two seconds of a falling chord with clicks, at no whole number of hops."""
    time = np.arange(2 * RATE + 123) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * time * (1 - 0.02 * time)) for pitch in (196, 294, 466))
    clicks = np.random.default_rng(0).standard_normal(time.size) * np.exp(-20 * (time % 0.4))
    return (0.1 * chord * np.exp(-time) + 0.2 * clicks).astype(np.float32)


@pytest.fixture(scope="module")
def described(samples) -> dict[str, float]:
    return dict(zip(FEATURES, describe(samples), strict=True))


def frames_of(samples: np.ndarray, mode: str = "reflect") -> np.ndarray:
    """Frames of 2048 every 512, centred, `[frames, 2048]` float64."""
    padded = np.pad(samples.astype(np.float64), 1024, mode=mode)
    return np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512]


def magnitudes(samples: np.ndarray) -> np.ndarray:
    """`|STFT|` by NumPy, `[frames, 1025]`."""
    return np.abs(np.fft.rfft(frames_of(samples) * scipy.signal.get_window("hann", 2048)))


def assert_says(described: dict, name: str, values: np.ndarray, tolerance: float = 1e-5) -> None:
    """Asserts mean and population variance."""
    mean = described[f"{name}_mean"], described[f"{name}_var"]
    wanted = values.mean(), ((values - values.mean()) ** 2).sum() / values.size
    np.testing.assert_allclose(mean, wanted, rtol=tolerance)


def test_there_are_57_descriptors():
    assert len(FEATURES) == 57 == len(set(FEATURES))


def test_rms_and_zero_crossings(samples, described):
    assert_says(described, "rms", np.sqrt((frames_of(samples) ** 2).mean(1)))
    signs = np.signbit(frames_of(samples, "edge"))
    crossings = (signs[:, 1:] != signs[:, :-1]).sum(1) / 2048
    assert_says(described, "zero_crossing_rate", crossings)


def test_centroid_bandwidth_and_rolloff(samples, described):
    frequencies = np.arange(1025) * RATE / 2048
    weights = magnitudes(samples)
    weights /= weights.sum(1, keepdims=True)
    centroid = weights @ frequencies
    assert_says(described, "spectral_centroid", centroid)
    away = (frequencies - centroid[:, None]) ** 2
    assert_says(described, "spectral_bandwidth", np.sqrt((weights * away).sum(1)))
    bins = (np.cumsum(weights, 1) < 0.85).sum(1)
    # A bin here or there by rounding.
    assert_says(described, "rolloff", frequencies[bins], 2e-4)


def test_mfcc_is_the_cosine_transform_of_slaney_mel_bands(samples, described):
    def to_hz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    top = 15 + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    edges = to_hz(np.linspace(0, top, 130))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    frequencies = np.arange(1025) * RATE / 2048
    rise, fall = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    bands = np.maximum(0, np.minimum(rise, fall)) * 2 / (high - low)
    decibels = 10 * np.log10(np.maximum(magnitudes(samples) ** 2 @ bands.T, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    mfcc = scipy.fft.dct(decibels, norm="ortho")[:, :20]
    means, variances = (
        np.array([described[f"mfcc{i}_{what}"] for i in range(1, 21)]) for what in ("mean", "var")
    )
    np.testing.assert_allclose(means, mfcc.mean(0), atol=1e-3)
    np.testing.assert_allclose(variances, mfcc.var(0), rtol=1e-4)


def test_chroma_is_of_the_twelve_classes(described):
    found = []
    for pitch in (440.0, 587.3, 783.99):
        tone = np.sin(2 * np.pi * pitch * np.arange(RATE) / RATE).astype(np.float32)
        found.append(describe(tone)[:2])
    # One class of twelve at 1, its neighbours at next to nothing.
    assert np.allclose(found, found[0], atol=0.04)
    assert 1 / 12 <= found[0][0] < 0.25
    assert 0.05 < found[0][1] < 0.12
    # Loudest class at 1 in every frame, so the mean is between a twelfth and 1.
    assert 1 / 12 < described["chroma_stft_mean"] < 1


def test_chroma_and_tempo_are_those_of_librosa(samples, described):
    import librosa

    chroma = librosa.feature.chroma_stft(y=samples, sr=RATE, pad_mode="reflect")
    assert_says(described, "chroma_stft", chroma.astype(np.float64))
    assert 60 < described["tempo"] < 240


@pytest.mark.parametrize("interval", [40, 26])
def test_tempo_is_that_of_clicks(interval):
    clicks = np.zeros(8 * RATE, np.float32)
    clicks[interval * 256 :: interval * 512] = 0.9
    tempo = describe(clicks)[FEATURES.index("tempo")]
    assert tempo == pytest.approx(60 * RATE / 512 / interval, rel=1e-9)


def test_harmony_and_perceptr_are_two_parts_by_medians(samples, described):
    window = scipy.signal.get_window("hann", 2048)
    stft = np.fft.rfft(frames_of(samples) * window)
    magnitude = np.abs(stft)

    def medians(axis):
        padded = np.pad(magnitude, [(15 * (axis == i),) * 2 for i in (0, 1)], mode="symmetric")
        return np.median(np.lib.stride_tricks.sliding_window_view(padded, 31, axis), -1)

    def overlap_add(frames):
        out = np.zeros(2048 + 512 * (len(frames) - 1))
        for i, frame in enumerate(frames):
            out[512 * i :][:2048] += frame
        return out[1024:-1024]

    harmonic, percussive = medians(0) ** 2, medians(1) ** 2
    weight = overlap_add(np.tile(window**2, (len(stft), 1)))
    for name, part in (("harmony", harmonic), ("perceptr", percussive)):
        frames = np.fft.irfft(stft * part / (harmonic + percussive)) * window
        wanted = np.zeros(len(samples))
        wanted[: len(weight)] = overlap_add(frames) / weight
        assert len(samples) - 512 < len(weight) < len(samples)
        assert described[f"{name}_var"] == pytest.approx(wanted.var(), rel=1e-4)
        assert described[f"{name}_mean"] == pytest.approx(wanted.mean(), abs=1e-7)


@pytest.mark.parametrize("level", [0.0, 1e-20, 1e5])
@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_silence_and_extreme_levels_have_finite_descriptors(level, seconds):
    noise = np.random.default_rng(0).uniform(-1, 1, round(seconds * RATE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(describe((level * noise).astype(np.float32))).all()


def test_slices_begin_every_three_seconds_and_are_whole(samples):
    stride, length = 66150, 66149
    track = np.tile(samples, 4)[: stride + length]
    for size, count in ((length - 1, 0), (stride + length - 1, 1), (len(track), 2)):
        rows = describe_track(Waveform(track[None, :size], RATE))
        assert rows.shape == (1 + count, 58)
        assert rows[:, 0].tolist() == [size] + [length] * count
    np.testing.assert_array_equal(rows[0, 1:], describe(track))
    np.testing.assert_array_equal(rows[2, 1:], describe(track[stride:]))


def test_a_track_is_the_mean_of_its_channels_at_22050_hz(samples):
    both = np.stack([1.5 * samples, 0.5 * samples])
    np.testing.assert_allclose(
        describe_track(Waveform(both, RATE)),
        describe_track(Waveform(samples[None], RATE)),
        rtol=1e-4,
        atol=1e-6,
    )
    (row,) = describe_track(Waveform(samples[None], 2 * RATE))
    assert row[0] == -(-len(samples) // 2)


def test_an_offset_changes_no_descriptor(samples):
    centred = (samples - samples.mean()).astype(np.float32)
    np.testing.assert_allclose(
        describe_track(Waveform(centred[None] + np.float32(0.3), RATE)),
        describe_track(Waveform(centred[None], RATE)),
        rtol=0.02,
        atol=1e-3,
    )


def test_samples_far_above_full_scale_are_refused(samples):
    with pytest.raises(InputError, match="far above full scale"):
        describe_track(Waveform(1e8 * samples[None], RATE))


@pytest.mark.skipif(not GTZAN.is_dir(), reason="the published tracks and rows are not here")
@pytest.mark.parametrize("name", ["blues.00000", "classical.00000", "disco.00000", "metal.00000"])
def test_published_rows_are_reproduced(name):
    published = load_descriptors(GTZAN / "features_30_sec.csv")
    place = published.names.index(f"{name}.wav")
    wanted = dict(zip(FEATURES, published.features[place], strict=True))
    (samples,) = load_waveform(GTZAN / "lossless" / f"{name}.flac").samples
    assert len(samples) == published.lengths[place]
    for feature, value in zip(FEATURES, describe(samples), strict=True):
        if feature.startswith("mfcc") and feature.endswith("mean"):
            tolerance = {"abs": 1e-3}
        elif feature in ("harmony_mean", "perceptr_mean"):
            tolerance = {"abs": 1e-8}
        else:
            tolerance = {"rel": 0 if feature == "tempo" else 1e-5}
        assert value == pytest.approx(wanted[feature], **tolerance), feature
