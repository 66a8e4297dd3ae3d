"""Features of the judge, by librosa, SciPy and by hand."""

import librosa
import numpy as np
import pytest
from scipy import fft, stats

from research.judge import features
from research.judge.features import (
    SAMPLE_RATE,
    Features,
    analyse,
    band_statistics,
    compute_features,
    make_patches,
    random_filters,
)

MEAN, STD = -6.5, 2.5  # Of log-mel bands, about.


def test_bands_of_a_tone_by_hand():
    rate, amplitude = SAMPLE_RATE, 0.1
    time = np.arange(2 * rate) / rate
    spectra = analyse((amplitude * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
    statistics = band_statistics(spectra.power[:, 4:-4])
    mean, deviation, step = statistics.reshape(3, 8)
    assert mean[4] == pytest.approx(10 * np.log10(amplitude**2 / 2), abs=0.05)  # 689 to 1378 Hz.
    assert mean.argmax() == 4 and np.all(np.delete(mean, 4) < -70)
    assert deviation[4] < 0.05 and step[4] < 0.05


def test_bands_count_steps_in_time():
    power = np.zeros((1025, 6), np.float32)
    power[600] = [1e6, 1e7, 1e6, 1e7, 1e6, 1e7]  # The last octave, 10 dB up and down.
    mean, deviation, step = band_statistics(power).reshape(3, 8)
    level = 10 * np.log10(1e6 * 2 / (0.375 * 2048**2))
    np.testing.assert_allclose(mean, [-80] * 7 + [level + 5], atol=1e-3)
    np.testing.assert_allclose(deviation, [0] * 7 + [5], atol=1e-3)
    np.testing.assert_allclose(step, [0] * 7 + [10], atol=1e-3)


def test_patches_are_runs_of_frames():
    frames = np.arange(96 * 9, dtype=np.float32).reshape(96, 9)
    patches = make_patches(frames)
    assert patches.shape == (3, 7 * 96)
    np.testing.assert_array_equal(patches[2], frames[:, 2:9].T.ravel())


def log_mel(samples):
    """`[frames, 96]`, by librosa from the waveform."""
    take = 0.1 * samples / samples.std()
    mel = librosa.feature.melspectrogram(y=take, sr=SAMPLE_RATE, n_fft=2048, n_mels=96)
    return np.log(mel + 1e-5).T


def runs(samples):
    logs = (log_mel(samples) - MEAN) / STD
    return np.stack([logs[i : i + 7].ravel() for i in range(len(logs) - 6)])


@pytest.fixture(scope="module")
def content_features(content) -> Features:
    return compute_features(analyse(content), MEAN, STD)


@pytest.fixture(scope="module")
def style_features(style) -> Features:
    return compute_features(analyse(style), MEAN, STD)


def test_patch_distance_is_the_wasserstein_distance_of_projections(
    content, style, content_features, style_features
):
    directions = random_filters(features._PROJECTION_SEED, 128)
    one, other = (runs(samples) @ directions for samples in (content, style))
    expected = [stats.wasserstein_distance(one[:, k], other[:, k]) for k in range(128)]
    found = np.abs(content_features.patches - style_features.patches).mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.03, atol=2e-3)


def test_correlations_of_rectified_filters(content, content_features):
    responses = runs(content) @ random_filters(features._FILTER_SEED, 512)
    responses = np.where(responses > 0, responses, 0)
    expected = np.mean([np.outer(frame[:9], frame[:9]) for frame in responses], axis=0)
    np.testing.assert_allclose(content_features.gram[:9, :9], expected, rtol=1e-3, atol=1e-5)


def test_cepstra_are_without_the_level(style, style_features):
    cepstra = fft.dct(10 / np.log(10) * log_mel(style), axis=1, norm="ortho")[:, 1:20]
    expected = np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)])
    np.testing.assert_allclose(style_features.mfcc, expected, rtol=1e-3, atol=0.02)
