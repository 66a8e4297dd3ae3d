"""Level matching: levels by rank against a sort, and a phase that is not the content's."""

import librosa
import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from research.audio.stft import mel_filterbank
from research.transfer.level_matching import (
    add_material,
    level_quantiles,
    match_levels,
    match_to_style,
    renew_phase,
)

RATE = 22050


def band_powers(samples: np.ndarray) -> np.ndarray:
    """Power in 64 mel bands by librosa, `[frames, bands]`, as large as that of the code."""
    power = np.abs(librosa.stft(samples, n_fft=2048, hop_length=512, pad_mode="constant")) ** 2
    return (power * (4 / 2048)).T @ mel_filterbank(RATE, 2048, 64)


def log_levels(samples: np.ndarray) -> np.ndarray:
    return np.log(band_powers(samples) + 1e-9)


@pytest.fixture(scope="module")
def style() -> np.ndarray:
    """A second and a half of noise that pulses, darker than white."""
    random = np.random.default_rng(1)
    samples = random.normal(size=(1, 3 * RATE // 2))
    samples += 20 * uniform_filter1d(samples, 50)
    samples *= 0.2 + np.abs(np.sin(2 * np.pi * 2 * np.arange(samples.shape[1]) / RATE))
    return (0.1 * samples / np.sqrt(np.mean(samples**2))).astype(np.float32)


@pytest.fixture(scope="module")
def content(chord) -> np.ndarray:
    return (0.1 * chord / np.sqrt(np.mean(chord**2)))[None]


def quantile_distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Mean distance of log levels between equal ranks, of all bands, in dB."""
    at = (np.arange(100) + 0.5) / 100
    ours, theirs = (
        np.quantile(log_levels(piece[0]), at, axis=0, method="hazen") for piece in (ours, theirs)
    )
    return float(np.abs(ours - theirs).mean() * 10 / np.log(10))


def test_levels_are_the_quantiles_of_log_band_power(style):
    expected = np.quantile(
        log_levels(style[0]), (np.arange(256) + 0.5) / 256, axis=0, method="hazen"
    )
    ours = np.asarray(level_quantiles(style, RATE))
    assert ours.shape == (1, 256, 64)
    np.testing.assert_allclose(ours[0], expected, atol=2e-3)


def test_matching_brings_the_levels_of_the_style(content, style):
    levels = np.asarray(level_quantiles(style, RATE))
    before = quantile_distance(content, style)
    material = add_material(content, RATE, seed=0)
    halfway = match_levels(material, levels, 0.5, RATE)
    matched = match_levels(material, levels, 1.0, RATE)
    assert quantile_distance(matched, style) < 0.25 * before
    assert quantile_distance(matched, style) < 0.6 * quantile_distance(halfway, style) < before


def test_matching_keeps_the_order_of_loud_and_soft(style):
    envelope = 10 ** np.sin(2 * np.pi * 1.5 * np.arange(RATE) / RATE)
    swelling = np.random.default_rng(2).normal(size=(1, RATE)) * envelope
    swelling = (0.1 * swelling / np.sqrt(np.mean(swelling**2))).astype(np.float32)
    matched = match_levels(swelling, np.asarray(level_quantiles(style, RATE)), 1.0, RATE)
    own, new = log_levels(swelling[0]), log_levels(matched[0])
    for band in (10, 20, 30):
        ranks = [np.argsort(np.argsort(levels[:, band])) for levels in (own, new)]
        assert np.corrcoef(*ranks)[0, 1] > 0.8


def test_a_piece_at_its_own_levels_is_itself(style):
    same = match_levels(style, np.asarray(level_quantiles(style, RATE)), 1.0, RATE)
    np.testing.assert_allclose(same[0, 2048:-2048], style[0, 2048:-2048], atol=0.02)


def test_no_amount_of_a_style_is_the_content(content, style):
    levels = np.asarray(level_quantiles(style, RATE))
    same = match_levels(content, levels, 0.0, RATE)
    assert np.linalg.norm(same - content) < 0.02 * np.linalg.norm(content)


def test_material_is_a_trace_where_there_was_none():
    time = np.arange(RATE) / RATE
    tone = (0.1 * np.sqrt(2) * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32)
    richer = add_material(tone, RATE, seed=0)
    assert richer.shape == tone.shape and richer.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(richer[0] * np.hanning(RATE))) / (RATE / 4) / (0.1 * np.sqrt(2))
    assert spectrum[440] == pytest.approx(1, abs=0.05)
    # An octave below at a tenth, the odd overtones of tanh at some thousandths, noise at -75 dB.
    assert 0.02 < spectrum[200:240].max() < 0.15
    assert spectrum[5 * 440] > 3 * spectrum[5 * 440 + 50 : 5 * 440 + 100].max()
    assert 1e-7 < spectrum[9000:10000].mean() < 1e-3
    other = add_material(tone, RATE, seed=1)
    assert not np.array_equal(richer, other)
    np.testing.assert_array_equal(richer, add_material(tone, RATE, seed=0))


def test_silence_gets_noise_to_raise(style):
    start = match_to_style(
        np.zeros((1, RATE), np.float32), np.asarray(level_quantiles(style, RATE)), 1.0, RATE, 0
    )
    assert np.isfinite(start).all()
    assert quantile_distance(start, style) < 20


def test_a_new_phase_has_the_same_magnitudes_and_another_waveform(content, style):
    renewed = renew_phase(style)
    assert renewed.shape == style.shape
    magnitudes = [
        np.abs(librosa.stft(piece[0], n_fft=2048, hop_length=512)) for piece in (renewed, style)
    ]
    error = np.linalg.norm(magnitudes[0] - magnitudes[1]) / np.linalg.norm(magnitudes[1])
    assert error < 0.2
    assert abs(np.corrcoef(renewed[0], style[0])[0, 1]) < 0.3


def test_channels_are_turned_together(style):
    """What lies between the channels, in level and in phase, stays."""
    left = style
    right = 0.5 * np.roll(style, 3, axis=1)
    renewed = renew_phase(np.concatenate([left, right]))
    lag = np.correlate(renewed[1, 2000:20000], renewed[0, 2003:19997], "valid").argmax()
    assert lag - 3 == 3
    ratio = np.sqrt(np.mean(renewed[1] ** 2) / np.mean(renewed[0] ** 2))
    assert ratio == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("right", [1.0, 0.1, 0.0])
def test_what_lies_between_the_channels_stays(content, style, right):
    """Equal channels, a soft one, and a silent one."""
    levels = np.asarray(level_quantiles(style, RATE))
    piece = np.concatenate([content, right * content]) * np.sqrt(2 / (1 + right**2), dtype="f")
    start = match_to_style(piece, levels, 1.0, RATE, seed=0)
    assert np.sqrt(np.mean(start**2)) > 0.03
    np.testing.assert_allclose(start[1], right * start[0], atol=0.02 * np.abs(start).max())


def test_channels_that_cancel_each_other_sound(content, style):
    levels = np.asarray(level_quantiles(style, RATE))
    start = match_to_style(np.concatenate([content, -content]), levels, 1.0, RATE, seed=0)
    left, right = np.sqrt(np.mean(start**2, axis=1))
    assert left == pytest.approx(right, rel=0.1)
    assert left > 0.03
    assert np.corrcoef(start)[0, 1] < -0.3


@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_start_is_reproduced_to_the_bit(content, style, num_channels):
    levels = np.asarray(level_quantiles(style, RATE))
    piece = np.concatenate([content, content[:, ::-1]])[:num_channels]
    first, again = (match_to_style(piece, levels, 1.0, RATE, seed=3) for _ in range(2))
    assert first.shape == piece.shape
    np.testing.assert_array_equal(first, again)
