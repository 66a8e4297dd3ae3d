"""Bases of random directions, and the spectrogram they are of."""

import jax.numpy as jnp
import numpy as np
from scipy.signal import get_window

from research.audio.stft import StftConfig
from research.transfer.variables.base import Basis

STFT = StftConfig(n_fft=64, hop_length=24)


def make_basis(count: int, frames: int = 4, bins: int = 33, seed: int = 7) -> Basis:
    """Random orthonormal directions, and a mean like that of music."""
    random = np.random.default_rng(seed)
    directions, _ = np.linalg.qr(random.normal(size=(frames * bins, count)))
    mean = random.uniform(0.0, 1.0, (frames, bins))
    components = directions.T.reshape(count, frames, bins)
    return Basis(jnp.asarray(mean, jnp.float32), jnp.asarray(components, jnp.float32))


# As many components as a segment has numbers: nothing is lost in it.
COMPLETE = make_basis(132)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal noise of standard deviation 0.3."""
    return np.random.default_rng(seed).normal(0.0, 0.3, shape).astype(np.float32)


def direct_log_magnitude(waveform: np.ndarray) -> np.ndarray:
    """`log(1 + |STFT|)` in float64, `[channels, frames, bins]`."""
    padded = np.pad(waveform.astype(np.float64), [(0, 0), (32, 32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, 64, axis=-1)[:, ::24]
    return np.log1p(np.abs(np.fft.rfft(frames * get_window("hann", 64))))
