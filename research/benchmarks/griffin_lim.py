"""Fast Griffin-Lim: 30 s of audio, 2048/512, 32 iterations from random phase.

    python -m research.benchmarks.griffin_lim

The floor is the Fourier transforms alone: 32 inverse and 32 forward ones of every frame. PyTorch
runs torchaudio's algorithm.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from research import signals
from research.audio.phase import PhaseConfig, recover_phase
from research.audio.stft import StftConfig, magnitude, stft
from research.benchmarks.race import race
from research.programs import load_librosa

SECONDS, SAMPLE_RATE, NUM_ITERATIONS, MOMENTUM = 30, 22050, 32, 0.99
STFT = StftConfig()


def main() -> None:
    """Race them."""
    length = SECONDS * SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(length)
    waveform = (0.1 * noise * np.sin(np.arange(length) / SAMPLE_RATE)).astype(np.float32)
    target = jax.jit(lambda x: magnitude(stft(x, STFT)))(waveform)
    entrants = {
        "project": _project(target, length),
        "librosa": _librosa(np.asarray(target), length),
        "pytorch": _pytorch(np.asarray(target), length),
        "floor": _floor(target.shape[0]),
    }
    title = f"Fast Griffin-Lim, {SECONDS} s at {SAMPLE_RATE} Hz, {NUM_ITERATIONS} iterations"
    race(title, entrants, num_rounds=9)


def _project(target: jax.Array, length: int) -> Callable:
    config = PhaseConfig(start="random", num_iterations=NUM_ITERATIONS, momentum=MOMENTUM)
    run = functools.partial(recover_phase, stft_config=STFT, config=config, length=length)
    return lambda: run(target, jax.random.key(0)).block_until_ready()


def _librosa(target: np.ndarray, length: int) -> Callable | None:
    try:
        librosa = load_librosa()
    except ImportError:
        return None
    return lambda: librosa.griffinlim(
        target.T,
        n_iter=NUM_ITERATIONS,
        hop_length=STFT.hop_length,
        momentum=MOMENTUM,
        length=length,
    )


def _pytorch(target: np.ndarray, length: int) -> Callable | None:
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    goal = torch.tensor(target.T.copy(), device=device)
    window = torch.hann_window(STFT.n_fft, device=device)
    sizes = {"n_fft": STFT.n_fft, "hop_length": STFT.hop_length, "window": window}

    def run() -> "torch.Tensor":
        phase, before = torch.rand(goal.shape, dtype=torch.complex64, device=device), 0.0
        for _ in range(NUM_ITERATIONS):
            inverse = torch.istft(goal * phase, length=length, **sizes)
            rebuilt = torch.stft(inverse, return_complex=True, **sizes)
            phase = rebuilt - before * (MOMENTUM / (1 + MOMENTUM))
            phase = phase / (phase.abs() + 1e-16)
            before = rebuilt
        return torch.istft(goal * phase, length=length, **sizes).cpu()

    return run


def _floor(num_frames: int) -> Callable:
    forward = jax.jit(jnp.fft.rfft)
    inverse = jax.jit(functools.partial(jnp.fft.irfft, n=STFT.n_fft))
    noise = jax.random.normal(jax.random.key(0), (num_frames, STFT.n_fft))

    def run() -> jax.Array:
        frames = noise
        for _ in range(NUM_ITERATIONS):
            frames = inverse(forward(frames))
        return frames.block_until_ready()

    return run


if __name__ == "__main__":
    with signals.unwinding():
        main()
