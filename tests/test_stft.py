"""The STFT, its inverse, mel filters and gradients against librosa and numpy."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from research.audio.stft import (
    StftConfig,
    istft,
    log_magnitude,
    magnitude,
    mel_filterbank,
    overlap_add,
    split_frames,
    stft,
    window_sum,
)

CONFIGS = [
    StftConfig(),
    StftConfig(512, 258),
    StftConfig(512, 128, "hamming"),
    StftConfig(1024, 200, "blackman", win_length=600),
    StftConfig(512, 128, win_length=301),
    StftConfig(511, 100),
    StftConfig(511, 100, center=False),
    StftConfig(512, 128, "hamming", center=False),
]
# Compiled whole: faster than one operation at a time.
split_jit = jax.jit(split_frames, static_argnums=(1, 2))
every_config = pytest.mark.parametrize("config", CONFIGS, ids=str)


def in_librosa(config):
    """The same settings, as librosa names them."""
    return {
        "n_fft": config.n_fft,
        "hop_length": config.hop_length,
        "win_length": config.win_length or None,
        "window": config.window,
        "center": config.center,
    }


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@every_config
@pytest.mark.parametrize("shape", [(4096,), (2, 3, 5001)], ids=str)
def test_stft_equals_librosa_transposed(config, shape):
    x = noise(*shape)
    expected = librosa.stft(x.astype(np.float64), pad_mode="constant", **in_librosa(config))
    expected = np.swapaxes(expected, -1, -2)
    result = stft(x, config)
    assert result.shape[-2:] == (config.num_frames(shape[-1]), config.num_bins)
    assert result.dtype == jnp.complex64
    np.testing.assert_allclose(result, expected, atol=2e-5 * np.abs(expected).max())


@every_config
@pytest.mark.parametrize("length", [3001, 4096, 6000])
def test_istft_of_any_spectrum_equals_librosa(config, length):
    # Not the STFT of anything; `length` may be less or more than the frames cover.
    shape = (2, config.num_frames(4096), config.num_bins)
    spectrum = noise(*shape) + 1j * noise(*shape, seed=1)
    transposed = np.swapaxes(spectrum, -1, -2).astype(np.complex128)
    expected = librosa.istft(transposed, length=length, dtype=np.float64, **in_librosa(config))
    result = istft(spectrum, config, length)
    assert result.shape == (2, length)
    # Frames end in small window values, by which what is there is divided.
    np.testing.assert_allclose(result, expected, rtol=2e-3, atol=2e-5)


@hypothesis.settings(max_examples=12)
@hypothesis.given(length=st.integers(1, 2500), hop=st.integers(8, 85), seed=st.integers(0, 9))
def test_istft_inverts_stft_for_any_length_and_hop(length, hop, seed):
    config = StftConfig(256, hop)
    x = noise(length, seed=seed)
    result = jax.jit(lambda x: istft(stft(x, config), config, length))(x)
    np.testing.assert_allclose(result, x, atol=1e-5)


@every_config
def test_window_sum_equals_librosa(config):
    expected = librosa.filters.window_sumsquare(
        window=config.window,
        n_frames=9,
        hop_length=config.hop_length,
        win_length=config.win_length or None,
        n_fft=config.n_fft,
        dtype=np.float64,
    )
    np.testing.assert_allclose(window_sum(config, 9), expected, atol=1e-6)


@pytest.mark.parametrize("config", CONFIGS[:3], ids=str)
def test_jit_changes_nothing(config):
    x = noise(3, 4001)

    def there_and_back(x):
        spectrum = stft(x, config)
        return spectrum, istft(spectrum, config, 4001)

    for result, expected in zip(jax.jit(there_and_back)(x), there_and_back(x), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("config", "length"),
    [(StftConfig(512, 128, center=False), 511), (StftConfig(511, 128), 0)],
    ids=["not centred", "odd and empty"],
)
def test_less_than_one_frame_is_an_error(config, length):
    with pytest.raises(ValueError, match=f"{length} samples .* {config.n_fft}"):
        stft(np.zeros(length, np.float32), config)


@pytest.mark.parametrize(
    "wrong", [{"hop_length": 513}, {"win_length": 513}, {"window": "bay"}], ids=str
)
def test_settings_that_define_no_stft_are_an_error(wrong):
    with pytest.raises(ValueError, match=r"n_fft|window"):
        StftConfig(**{"n_fft": 512, "hop_length": 128} | wrong)


@hypothesis.given(
    frame_length=st.integers(1, 24),
    hop=st.integers(1, 30),
    num_frames=st.integers(1, 6),
    rest=st.integers(0, 29),
)
def test_frames_are_slices_and_overlap_add_is_their_adjoint(frame_length, hop, num_frames, rest):
    rng = np.random.default_rng(rest)
    x = rng.integers(-9, 10, (2, frame_length + (num_frames - 1) * hop + min(rest, hop - 1)))
    frames = np.asarray(split_jit(x, frame_length, hop))
    slices = np.lib.stride_tricks.sliding_window_view(x, frame_length, axis=-1)[:, ::hop]
    np.testing.assert_array_equal(frames, slices)
    others = rng.integers(-9, 10, frames.shape)
    added = np.asarray(overlap_add(others, hop))
    shared = min(x.shape[-1], added.shape[-1])
    assert np.sum(frames * others) == np.sum(x[:, :shared] * added[:, :shared])
    assert not added[:, shared:].any()


def test_magnitude_has_gradient_zero_at_silence():
    x = np.concatenate([np.zeros(4000), noise(96)]).astype(np.float32)
    config = StftConfig(512, 128)
    gradient = jax.grad(lambda x: magnitude(stft(x, config)).sum())(x)
    assert np.isfinite(gradient).all()
    assert not gradient[:3500].any()
    assert gradient[-96:].any()
    assert not magnitude(stft(0 * x, config)).any()


def test_magnitude_is_finite_with_its_gradient_near_silence():
    values = np.array([1e-18, 1e-22, 1e-30, 1e-42], np.float32) * (3 + 4j)
    gradient = jax.grad(lambda scale: magnitude(scale * values).sum())(np.float32(1))
    assert np.isfinite(gradient)
    np.testing.assert_allclose(magnitude(values), 5 * np.abs(values.real) / 3, atol=1e-17)


@pytest.mark.parametrize("config", [StftConfig(512, 128), StftConfig(256, 100, win_length=200)])
def test_gradient_of_log_magnitude_equals_differences_in_float64(config):
    x, direction = noise(2000) * 0.1, noise(2000, seed=1)
    weight = noise(config.num_frames(2000), config.num_bins, seed=2)

    def by_librosa(x):
        spectrum = librosa.stft(x, pad_mode="constant", **in_librosa(config)).T
        return np.sum(weight * np.log1p(np.abs(spectrum)))

    step = 1e-6 * direction.astype(np.float64)
    expected = (by_librosa(x + step) - by_librosa(x - step)) / 2e-6
    gradient = jax.grad(lambda x: (weight * log_magnitude(x, config)).sum())(x)
    np.testing.assert_allclose(np.vdot(gradient, direction), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "num_mels", "fmin", "fmax"),
    [
        (22050, 2048, 128, 0.0, None),
        (22050, 1024, 64, 0.0, 8000.0),
        (16000, 512, 40, 20.0, 7600.0),
        (44100, 4096, 80, 50.0, 16000.0),
        (8000, 511, 20, 1500.0, None),
    ],
)
def test_mel_filterbank_equals_librosa_transposed(sample_rate, n_fft, num_mels, fmin, fmax):
    expected = librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=num_mels, fmin=fmin, fmax=fmax, dtype=np.float64
    ).T
    result = mel_filterbank(sample_rate, n_fft, num_mels, fmin, fmax)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-6 * expected.max())
