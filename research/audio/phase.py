"""Phase recovery: a waveform for a magnitude spectrogram.

`recover_phase` is the Griffin-Lim algorithm (Griffin & Lim 1984) or its fast form (Perraudin,
Balazs & Sondergaard 2013). It starts from random phases, from the phase of the content, or from the
integral of the phase gradient, which follows from the log magnitude (Prusa, Balazs & Sondergaard
2017). All functions are jitted and batched over leading axes.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.padding import pad_to, pad_waveform, padded_length
from research.audio.phase_gradient import gradient_phase
from research.audio.stft import StftConfig, istft, magnitude, stft, windowed_frames
from research.settings import at_least, one_of

LEAST_COVERAGE = 0.01
"""The `window_coverage` under which a waveform that is rendered is mostly error."""
STARTS = ("random", "content", "phase_gradient")


@dataclasses.dataclass(frozen=True)
class PhaseConfig:
    """Parameters of phase recovery.

    Attributes:
      start: initial phase: "random" (uniform), "content" (that of the content) or
        "phase_gradient".
      num_iterations: iterations of Griffin-Lim; 0 keeps the initial phase.
      momentum: of fast Griffin-Lim; 0 is the plain algorithm.
    """

    start: str = one_of("phase_gradient", STARTS)
    num_iterations: int = at_least(100, 0)
    momentum: float = at_least(0.99, 0)


def window_coverage(config: StftConfig) -> float:
    """Smallest sum of squared windows over a sample, as a fraction of the largest; 0 to 1.

    An inverse STFT divides by this sum, and so multiplies errors of magnitude and phase.
    """
    squared = np.square(config.window_values(), dtype=np.float64)
    padded = np.pad(squared, (0, -squared.size % config.hop_length))
    total = padded.reshape(-1, config.hop_length).sum(axis=0)
    return float(total.min() / total.max())


def _unit(spectrum: jax.Array) -> jax.Array:
    """`spectrum / |spectrum|`, 0 where the spectrum is 0, as librosa does."""
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return spectrum * jax.lax.rsqrt(jnp.maximum(power, 1e-30))


def griffin_lim(
    target: jax.Array,
    start: jax.Array,
    config: StftConfig,
    *,
    length: int,
    num_iterations: int,
    momentum: float,
    num_samples: int | None = None,
) -> jax.Array:
    """Waveform whose STFT magnitude approaches `target`, by alternating projections.

    An iteration computes the nearest consistent spectrogram, `c = stft(istft(target * phase))`. The
    new phase is that of `c - momentum / (1 + momentum) * c_before`, as in librosa and torchaudio.

    Args:
      target: magnitudes, `[..., frames, bins]`.
      start: initial phases as complex numbers of magnitude 1, of the same shape.
      config: the STFT of `target`.
      length: samples of the waveform.
      num_iterations: number of iterations.
      momentum: from 0, the plain algorithm, to 1, exclusive.
      num_samples: of the waveform, if those after them are padding; see `istft`.

    Returns:
      The waveform, `[..., length]`.

    Raises:
      ValueError: `target` has another shape than the STFT of `length` samples.
    """
    _check_shape(target, config, length)
    push = momentum / (1.0 + momentum)
    if jax.default_backend() != "cpu":
        return _in_one_program(
            target, start, push, num_samples, config, length=length, num_iterations=num_iterations
        )
    spectrum, before = target * start, None
    # Small programs instead of a loop: XLA's CPU backend runs a Fourier transform on all cores only
    # if it is the first operation of a program, and on one core in a compiled loop.
    for _ in range(num_iterations):
        waveform = istft(spectrum, config, length, num_samples)
        # The STFT is linear, so the momentum can act on the waveform, a quarter of the bytes.
        moved = waveform if before is None else _extrapolate(waveform, before, push)
        spectrum = impose_phase(target, _rfft(windowed_frames(moved, config)))
        before = waveform
    return istft(spectrum, config, length, num_samples)


@functools.partial(jax.jit, static_argnames=("config", "length", "num_iterations"))
def _in_one_program(
    target: jax.Array,
    start: jax.Array,
    push: float,
    num_samples: int | None,
    config: StftConfig,
    *,
    length: int,
    num_iterations: int,
) -> jax.Array:
    """The same on an accelerator: Python does not start every iteration.

    Their number is static, so that the device need not ask whether to go on.
    """

    def iterate(_: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        spectrum, before = carry
        waveform = istft(spectrum, config, length, num_samples)
        moved = waveform - push * before  # At first, of silence.
        return target * _unit(stft(moved, config)), waveform

    silence = jnp.zeros((*target.shape[:-2], length), jnp.float32)
    spectrum, _ = jax.lax.fori_loop(0, num_iterations, iterate, (target * start, silence))
    return istft(spectrum, config, length, num_samples)


def _check_shape(target: jax.Array | np.ndarray, config: StftConfig, length: int) -> None:
    if target.shape[-2:] != (config.num_frames(length), config.num_bins):
        raise ValueError(
            f"{length} samples have {config.num_frames(length)} frames of {config.num_bins} bins, "
            f"not {target.shape[-2:]}"
        )


_rfft = jax.jit(jnp.fft.rfft)


@jax.jit
def _extrapolate(waveform: jax.Array, before: jax.Array, push: float) -> jax.Array:
    return waveform - push * before


@functools.partial(jax.jit, donate_argnames="spectrum")
def impose_phase(target: jax.Array, spectrum: jax.Array) -> jax.Array:
    """`target` with the phase of `spectrum`."""
    return target * _unit(spectrum)


def random_phase(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Complex numbers of magnitude 1 with uniformly distributed angles."""
    angle = jax.random.uniform(key, shape, maxval=2 * jnp.pi)
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


@functools.partial(jax.jit, static_argnames=("start", "config"))
def _start_phase(
    target: jax.Array,
    num_frames: int,
    key: jax.Array,
    content: jax.typing.ArrayLike | None,
    *,
    start: str,
    config: StftConfig,
) -> jax.Array:
    if start == "random":
        return random_phase(key, target.shape)
    if start == "content":
        if content is None:
            raise ValueError('a phase start from "content" needs the content waveform')
        return _unit(stft(jnp.asarray(content), config))
    return gradient_phase(target, config, num_frames)


def recover_phase(
    target: jax.Array | np.ndarray,
    key: jax.Array,
    *,
    stft_config: StftConfig,
    config: PhaseConfig,
    length: int,
    content: jax.typing.ArrayLike | None = None,
) -> jax.Array:
    """Waveform for a magnitude spectrogram; other lengths share programs.

    Args:
      target: magnitudes, `[..., frames, bins]`.
      key: random key, for `start="random"`.
      stft_config: the STFT of `target`.
      config: parameters.
      length: samples of the waveform.
      content: waveform with the initial phase, `[..., length]`, for `start="content"`.

    Returns:
      The waveform, `[..., length]`.

    Raises:
      ValueError: `start="content"` without `content`, or `target` has another shape than the STFT
        of `length` samples.
    """
    _check_shape(target, stft_config, length)
    *batch, num_frames, num_bins = target.shape
    most = padded_length(length)
    padded = pad_to(target, (*batch, stft_config.num_frames(most), num_bins))
    if content is not None:
        content = pad_waveform(content)
    phase = _start_phase(padded, num_frames, key, content, start=config.start, config=stft_config)
    waveform = griffin_lim(
        jnp.asarray(padded),
        phase,
        stft_config,
        length=most,
        num_iterations=config.num_iterations,
        momentum=config.momentum,
        num_samples=length,
    )
    return jax.device_put(np.asarray(waveform)[..., :length])


def spectral_convergence(waveform: jax.Array, target: jax.Array, config: StftConfig) -> jax.Array:
    """Spectral convergence, `20 log10(||target - |STFT(waveform)||| / ||target||)` in dB.

    Lower is better.

    Args:
      waveform: `[..., samples]`.
      target: magnitudes, `[..., frames, bins]`.
      config: the STFT of `target`.

    Returns:
      Decibels, `[...]`.
    """
    error = jnp.linalg.norm(target - magnitude(stft(waveform, config)), axis=(-2, -1))
    return 20 * jnp.log10(error / jnp.linalg.norm(target, axis=(-2, -1)))
