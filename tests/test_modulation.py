"""The joint modulation spectrum against its definition, and what ripples it tells apart."""

import itertools

import jax
import numpy as np
import pytest

from research.models.modulation import modulation

WINDOWS, BANDS = 5, 8


def bands(highest: int) -> list[tuple[int, int]]:
    """Whole numbers from 1 to `highest` in eight parts that grow by one ratio."""
    edges = sorted({round(float((highest + 1) ** (i / 8))) for i in range(9)})
    return list(itertools.pairwise(edges))


def by_numpy(frames: np.ndarray) -> np.ndarray:
    """The statistics of one segment in float64, bin by bin of a full transform."""
    num_frames, num_bins = frames.shape
    width = num_bins // 3
    frames = frames - frames.mean(0)
    found = []
    for i in range(WINDOWS):
        start = round(i * (num_bins - width) / (WINDOWS - 1))
        window = frames[:, start : start + width]
        window = window * np.hanning(num_frames)[:, None] * np.hanning(width)
        amplitude = 8 * np.abs(np.fft.fft2(window)) / (num_frames * width)
        for low, high in bands(num_frames // 2):
            row = amplitude[low:high].mean(0)
            found.append(row[0])
            for sign in (1, -1):
                for near, far in bands(width // 2):
                    found.append(np.mean([row[sign * k] for k in range(near, far)]))
    return np.log(np.array(found) + 1e-3)


@pytest.mark.parametrize("shape", [(128, 128), (16, 32), (9, 31)], ids=str)
def test_statistics_equal_numpys(shape):
    x = np.random.default_rng(1).random((2, *shape), np.float32) ** 2
    found = jax.jit(modulation)(x)
    wanted = np.stack([by_numpy(np.float64(segment)) for segment in x])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def amplitudes(frames: np.ndarray) -> np.ndarray:
    """`[windows, rates, scales]` of a segment of 128 by 128."""
    found = np.exp(jax.jit(modulation)(frames[None].astype(np.float32))[0]) - 1e-3
    return found.reshape(WINDOWS, BANDS, -1)


def ripple(rate: int, scale: int, amplitude: float = 0.1) -> np.ndarray:
    """So many periods in 128 frames, and in the 42 bins of a window; falling if one is negative."""
    time, place = np.arange(128)[:, None], np.arange(128)
    return 0.5 + amplitude * np.cos(2 * np.pi * (rate * time / 128 - scale * place / 42))


def test_a_ripple_has_its_amplitude_at_its_rate_and_scale():
    # Bands of rates: 1, 2, 3-4, 5-7 and so on; of scales: 1, 2, 3-4, 5-6, 7-9, 10-14, 15-21.
    found = amplitudes(ripple(2, 2))
    assert (found[:, 1].argmax(1) == 1 + 7 + 1).all()  # Of rising ones.
    np.testing.assert_allclose(found[:, 1].max(1), 0.1, rtol=0.05)
    louder = amplitudes(ripple(2, 2, 0.2))
    np.testing.assert_allclose(louder[:, 1].max(1), 0.2, rtol=0.05)


def test_falling_ripples_come_first_and_rising_ones_are_their_mirror():
    rising, falling = amplitudes(ripple(6, 3)), amplitudes(ripple(6, -3))
    half = rising.shape[2] // 2
    first, second = slice(1, half + 1), slice(half + 1, None)
    np.testing.assert_allclose(rising[..., second], falling[..., first], atol=1e-4)
    np.testing.assert_allclose(rising[..., first], falling[..., second], atol=1e-4)
    assert falling[:, 3, first].max() > 10 * falling[:, 3, second].max()


def test_levels_of_bins_that_stay_do_not_count():
    random = np.random.default_rng(0)
    x = random.random((128, 128))
    np.testing.assert_allclose(amplitudes(x), amplitudes(x + random.random(128)), atol=1e-4)


def test_statistics_of_silence_are_finite():
    assert np.isfinite(jax.jit(modulation)(np.zeros((1, 16, 32), np.float32))).all()
