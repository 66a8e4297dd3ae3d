"""Augmentation: what each kind changes, and that it depends on the key alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dct
from scipy.stats import beta, chisquare, kstest

from research.data.front_ends.mel import MelConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.training.augment import AugmentConfig, augment

jitted = jax.jit(
    functools.partial(augment, front_end=SpectrogramConfig()), static_argnames="config"
)


def segments(batch: int = 8, num_frames: int = 12, num_bins: int = 7) -> np.ndarray:
    """Logarithms of one and magnitudes, as large as those of music."""
    magnitude = np.random.default_rng(0).gamma(0.3, 100.0, size=(batch, num_frames, num_bins))
    return np.log1p(magnitude).astype(np.float32)


def targets(batch: int = 8, num_classes: int = 3) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[np.arange(batch) % num_classes]


def test_all_off_is_the_default_and_changes_nothing():
    spectrogram, target = jitted(segments(), targets(), jax.random.key(0), config=AugmentConfig())
    np.testing.assert_array_equal(spectrogram, segments())
    np.testing.assert_array_equal(target, targets())


@pytest.mark.parametrize("gain_db", [0.5, 12.0])
def test_gain_scales_the_magnitudes_of_a_segment_by_one_factor(gain_db):
    x, config = segments(batch=200), AugmentConfig(gain_db=gain_db)
    spectrogram, target = jitted(x, targets(200), jax.random.key(0), config=config)
    before, after = (np.expm1(np.asarray(one, np.float64)) for one in (x, spectrogram))
    loud = before > 1.0  # Below, single precision of the logarithm leaves few digits.
    decibels = 20 * np.log10(np.where(loud, after, 1.0) / np.where(loud, before, 1.0))
    of_segment = np.sum(decibels, (1, 2)) / np.sum(loud, (1, 2))
    np.testing.assert_allclose(decibels, loud * of_segment[:, None, None], atol=1e-3)
    assert np.abs(of_segment).max() < gain_db + 1e-3
    assert kstest(of_segment, "uniform", args=(-gain_db, 2 * gain_db)).pvalue > 0.01
    np.testing.assert_array_equal(target, targets(200))


def test_silence_stays_silent_under_gain():
    config = AugmentConfig(gain_db=20.0)
    spectrogram, _ = jitted(jnp.zeros((3, 4, 5)), targets(3), jax.random.key(0), config=config)
    np.testing.assert_array_equal(spectrogram, np.zeros((3, 4, 5)))


@pytest.mark.parametrize("widest", [1, 4, 1000])
@pytest.mark.parametrize("name", ["time_mask", "frequency_mask"])
def test_a_mask_is_one_run_in_each_segment(name, widest):
    batch, size, across = 400, 9, 3
    x = np.ones((batch, size, across), np.float32)
    x = x if name == "time_mask" else x.swapaxes(1, 2)
    spectrogram, target = jitted(
        x, targets(batch), jax.random.key(0), config=AugmentConfig(**{name: widest})
    )
    np.testing.assert_array_equal(target, targets(batch))
    found = np.asarray(spectrogram if name == "time_mask" else spectrogram.swapaxes(1, 2))
    assert set(np.unique(found)) == {0.0, 1.0}
    np.testing.assert_array_equal(found, np.repeat(found[:, :, :1], across, axis=2))
    masked = found[:, :, 0] == 0.0
    edges = np.abs(np.diff(np.pad(masked, ((0, 0), (1, 1))).astype(int), axis=1)).sum(1)
    assert set(edges) == {0, 2}  # Nothing masked, or one run.
    assert set(masked.sum(1)) == set(range(min(widest, size) + 1))
    starts = masked[masked.sum(1) == 1].argmax(1)
    assert set(starts) == set(range(size))  # Anywhere, both ends included.


def test_what_is_not_masked_is_left_alone():
    x, config = segments(batch=50), AugmentConfig(time_mask=5, frequency_mask=3)
    spectrogram, _ = jitted(x, targets(50), jax.random.key(0), config=config)
    np.testing.assert_array_equal(spectrogram, np.where(spectrogram == 0.0, 0.0, x))


@functools.cache
def mixed(mixup: float, batch: int = 300):
    """Segments that are marked by their number, and targets with as many classes, mixed."""
    eye = np.eye(batch, dtype=np.float32)
    config = AugmentConfig(mixup=mixup)
    spectrogram, target = jitted(eye[:, None], eye, jax.random.key(0), config=config)
    return np.asarray(spectrogram[:, 0]), np.asarray(target)


@pytest.mark.parametrize("mixup", [0.01, 0.5, 1.0])
def test_mixup_mixes_two_segments_and_their_targets_by_the_same_weights(mixup):
    spectrogram, target = mixed(mixup)
    np.testing.assert_array_equal(spectrogram, target)
    np.testing.assert_allclose(target.sum(1), 1.0, atol=1e-6)
    assert np.all(target >= 0.0)
    assert np.count_nonzero(target, axis=1).max() <= 2
    np.testing.assert_array_equal(target.argmax(1), np.arange(len(target)))
    assert np.diagonal(target).min() >= 0.5


@pytest.mark.parametrize("mixup", [0.5, 1.0])
def test_weights_of_mixup_have_the_beta_distribution(mixup):
    _, target = mixed(mixup)
    smaller = target.sum(1) - np.diagonal(target)
    partners = np.where(np.eye(len(target)), 0.0, target).argmax(1)
    smaller = smaller[partners != np.arange(len(target))]
    assert len(smaller) > 250
    smaller = smaller[smaller > 0.0]

    def folded(weight):
        return beta.cdf(weight, mixup, mixup) + beta.sf(1 - weight, mixup, mixup)

    assert kstest(smaller, folded).pvalue > 0.01


def test_an_equaliser_is_one_smooth_curve_a_segment_of_the_standard_deviation_asked_for():
    x, config = segments(batch=400, num_bins=60), AugmentConfig(equaliser_db=5.0)
    spectrogram, target = jitted(x, targets(400), jax.random.key(0), config=config)
    before, after = (np.expm1(np.asarray(one, np.float64)) for one in (x, spectrogram))
    loud = before > 1.0
    decibels = 20 * np.log10(np.where(loud, after, 1.0) / np.where(loud, before, 1.0))
    curves = np.sum(decibels, 1) / np.maximum(np.sum(loud, 1), 1)
    np.testing.assert_allclose(decibels, loud * curves[:, None], atol=2e-3)
    curves = curves[loud.any(1).all(1)]
    assert len(curves) > 300
    # A cubic through six knots has next to nothing of faster cosines.
    fast = dct(curves - curves.mean(1, keepdims=True), norm="ortho")[:, 20:]
    assert np.square(fast).sum() < 1e-3 * np.square(curves).sum()
    assert 4.0 < curves[:, 5].std() < 6.0  # At the first knot.
    assert abs(np.corrcoef(curves[:, 5], curves[:, 55])[0, 1]) < 0.15
    np.testing.assert_array_equal(target, targets(400))


@pytest.mark.parametrize("shift", [1, 3, 1000])
def test_a_shift_moves_all_bins_of_a_segment_and_repeats_its_edge(shift):
    x, config = segments(batch=300), AugmentConfig(shift=shift)
    spectrogram, target = jitted(x, targets(300), jax.random.key(0), config=config)
    most, moved = min(shift, 6), []
    for before, after in zip(x, np.asarray(spectrogram), strict=True):
        padded = np.pad(before, [(0, 0), (most, most)], "edge")
        same = [
            bins
            for bins in range(-most, most + 1)
            if np.array_equal(padded[:, most - bins : most - bins + 7], after)
        ]
        assert len(same) == 1
        moved += same
    counts = np.bincount(np.array(moved) + most, minlength=2 * most + 1)
    assert chisquare(counts).pvalue > 0.01
    np.testing.assert_array_equal(target, targets(300))


@pytest.mark.parametrize("kind", ["gain_db", "equaliser_db"])
def test_log_mel_frames_get_louder_in_their_own_decibels(kind):
    x = np.random.default_rng(0).uniform(0.3, 0.7, (50, 12, 7)).astype(np.float32)
    x[:, 3] = 0.0
    config = AugmentConfig(**{kind: 3.0})
    found, _ = augment(x, targets(50), jax.random.key(0), config, MelConfig())
    assert not np.any(found[:, 3])
    changes = 40 * (np.delete(found, 3, 1) - np.delete(x, 3, 1))
    np.testing.assert_allclose(changes, np.broadcast_to(changes[:, :1], changes.shape), atol=1e-4)
    assert 1.0 < changes.std() < 4.5


ALL = {
    "gain_db": 6.0,
    "equaliser_db": 3.0,
    "shift": 2,
    "time_mask": 4,
    "frequency_mask": 3,
    "mixup": 0.4,
}


@pytest.mark.parametrize("off", [None, "gain_db", "mixup"])
def test_kinds_together_compile_and_give_what_each_gives_alone(off):
    on = {name: value for name, value in ALL.items() if name != off}
    config = AugmentConfig(**on)
    found = jitted(segments(), targets(), jax.random.key(3), config=config)
    assert [one.shape for one in found] == [(8, 12, 7), (8, 3)]
    assert [one.dtype for one in found] == [jnp.float32] * 2
    assert all(np.all(np.isfinite(one)) for one in found)
    step_by_step = segments(), targets()
    for name, value in on.items():
        alone = AugmentConfig(**{name: value})
        step_by_step = jitted(*step_by_step, jax.random.key(3), config=alone)
    for one, other in zip(found, step_by_step, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_the_key_decides(name):
    config = AugmentConfig(**{name: ALL[name]})
    first, again, other = (
        jitted(segments(), targets(), jax.random.key(seed), config=config)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert np.any(first != segments())
