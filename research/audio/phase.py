"""Phase recovery: from a magnitude spectrogram back to a waveform.

`recover_phase` is Griffin-Lim (Griffin & Lim 1984) and its fast form (Perraudin, Balazs &
Sondergaard 2013) from one of three starts: random phase, a given phase (that of the content), or
the phase that integrates the gradient known from the log-magnitude (Prusa, Balazs & Sondergaard
2017). All of it is jitted and batched over leading axes.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from research.audio.stft import StftConfig, istft, magnitude, stft, windowed_frames
from research.settings import at_least, one_of

# Time-frequency ratio of the Gaussian nearest to a Hann window: gamma = HANN_GAMMA * n_fft^2.
HANN_GAMMA = 0.25645
STARTS = ("random", "content", "phase_gradient")


@dataclasses.dataclass(frozen=True)
class PhaseConfig:
    """How a phase is found.

    Attributes:
      start: "random" (uniform), "content" (a given phase) or "phase_gradient".
      num_iterations: Griffin-Lim iterations from there; 0 keeps the start.
      momentum: 0 is plain Griffin-Lim, 0.99 its fast form.
    """

    start: str = one_of("phase_gradient", STARTS)
    num_iterations: int = at_least(100, 0)
    momentum: float = at_least(0.99, 0)


def _unit(spectrum: jax.Array) -> jax.Array:
    """`spectrum / |spectrum|`, and 0 at 0: librosa's own guard against silence."""
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
) -> jax.Array:
    """Waveform whose STFT magnitude approaches `target`, by alternating projections.

    One step goes to the nearest consistent spectrogram, `c = stft(istft(target * phase))`, and
    takes the phase of `c - momentum / (1 + momentum) * c_before` (as librosa and torchaudio do; 0
    is the plain form).

    Args:
      target: magnitudes, `[..., frames, bins]`.
      start: unit complex phases of the same shape.
      config: the STFT that made `target`.
      length: samples of the waveform.
      num_iterations: steps.
      momentum: in [0, 1).

    Returns:
      `[..., length]`.

    Raises:
      ValueError: `target` is not of the shape that `length` samples have.
    """
    if target.shape[-2:] != (config.num_frames(length), config.num_bins):
        raise ValueError(
            f"{length} samples have {config.num_frames(length)} frames of {config.num_bins} bins, "
            f"not {target.shape[-2:]}"
        )
    push = momentum / (1.0 + momentum)
    spectrum, before = target * start, None
    # Small programs and no scan: XLA's CPU backend runs a Fourier transform on all cores only where
    # it stands first in a program, and on one core in a compiled loop.
    for _ in range(num_iterations):
        waveform = _istft(spectrum, config, length)
        # The transform is linear: what moves on is the waveform, a quarter of the bytes.
        moved = waveform if before is None else _extrapolate(waveform, before, push)
        spectrum = _impose(target, _rfft(_windowed_frames(moved, config)))
        before = waveform
    return _istft(spectrum, config, length)


_rfft = jax.jit(jnp.fft.rfft)
_windowed_frames = jax.jit(windowed_frames, static_argnums=1)
_istft = jax.jit(istft, static_argnums=(1, 2))


@jax.jit
def _extrapolate(waveform: jax.Array, before: jax.Array, push: float) -> jax.Array:
    return waveform - push * before


@functools.partial(jax.jit, donate_argnames="spectrum")
def _impose(target: jax.Array, spectrum: jax.Array) -> jax.Array:
    """`target` with the phase of `spectrum`."""
    return target * _unit(spectrum)


def random_phase(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Unit complex numbers of uniform angle."""
    angle = jax.random.uniform(key, shape, maxval=2 * jnp.pi)
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


def phase_gradient(target: jax.Array, config: StftConfig) -> tuple[jax.Array, jax.Array]:
    """Phase derivatives that follow from a magnitude, for a Gaussian-like window.

    With `s = log target`, hop `a`, `M = n_fft` and `gamma = 0.25645 M^2` (Prusa et al. 2017,
    eq. 16 and 17; frames begin at their first sample, hence the -pi):
      along time       `a M / (2 gamma) (s[t, k + 1] - s[t, k - 1]) + 2 pi a k / M`
      along frequency  `-gamma / (2 a M) (s[t + 1, k] - s[t - 1, k]) - pi`

    Args:
      target: magnitudes, `[..., frames, bins]`.
      config: the STFT that made `target`.

    Returns:
      Radians a hop and radians a bin, each `[..., frames, bins]`.
    """
    size, hop = config.n_fft, config.hop_length
    gamma = HANN_GAMMA * size**2
    peak = jnp.max(target, axis=(-2, -1), keepdims=True)
    log = jnp.log(jnp.maximum(target, jnp.maximum(1e-7 * peak, 1e-30)))
    edges = [(0, 0)] * (log.ndim - 2)
    over_bins = jnp.pad(log, [*edges, (0, 0), (1, 1)], mode="edge")
    over_frames = jnp.pad(log, [*edges, (1, 1), (0, 0)], mode="edge")
    # Whole turns are dropped, by integer arithmetic: large angles lose their digits in float32.
    turns = (hop * jnp.arange(config.num_bins) % size) / size
    along_time = hop * size / (2 * gamma) * (over_bins[..., 2:] - over_bins[..., :-2])
    along_bins = -gamma / (2 * hop * size) * (over_frames[..., 2:, :] - over_frames[..., :-2, :])
    return along_time + 2 * jnp.pi * turns, along_bins - jnp.pi


def _hook(best: jax.Array, edge: jax.Array, root: jax.Array) -> jax.Array:
    """For every root, the node whose edge leaves its tree loudest, ties by edge number; or -1."""
    num_nodes = root.size
    loudest = jax.ops.segment_max(best, root, num_nodes)
    edge = jnp.where((best == loudest[root]) & (best > -jnp.inf), edge, -1)
    first = jax.ops.segment_max(edge, root, num_nodes)
    node = jnp.where((edge == first[root]) & (edge >= 0), jnp.arange(num_nodes), -1)
    return jax.ops.segment_max(node, root, num_nodes)


def _join(carry):
    """One round of Boruvka's algorithm on forests of nodes whose phases differ by known amounts."""
    root, offset, _, edges = carry
    nodes = jnp.arange(root.size)
    neighbour, weight, number, change = edges
    leaving = jnp.where(root[neighbour] != root, weight, -jnp.inf)
    best = jnp.max(leaving, axis=0)
    # Of equally loud edges the one of the highest number, so that no ring can close.
    side = jnp.argmax(jnp.where(leaving == best, number, -1), axis=0)
    pick = functools.partial(jnp.take_along_axis, indices=side[None], axis=0)
    node = _hook(best, pick(number)[0], root)
    there = pick(neighbour)[0][node]
    joins = (root == nodes) & (node >= 0)
    parent = jnp.where(joins, root[there], nodes)
    shift = jnp.where(joins, offset[there] - pick(change)[0][node] - offset[node], 0.0)
    mutual = joins & (parent[parent] == nodes) & (nodes < parent)
    parent, shift = jnp.where(mutual, nodes, parent), jnp.where(mutual, 0.0, shift)

    def jump(carry):
        parent, shift = carry
        return parent[parent], jnp.mod(shift + shift[parent], 2 * jnp.pi)

    parent, shift = jax.lax.while_loop(
        lambda carry: jnp.any(carry[0] != carry[0][carry[0]]), jump, (parent, shift)
    )
    offset = jnp.mod(offset + shift[root], 2 * jnp.pi)
    return parent[root], offset, jnp.any(joins), edges


def gradient_phase(target: jax.Array, config: StftConfig) -> jax.Array:
    """Phase integrated from its gradient along the loudest paths.

    Phase-gradient heap integration (Prusa et al. 2017) without a heap: the order in which the heap
    visits the bins only serves to reach each along a loud path, so phases are summed along the
    maximum spanning tree of the time-frequency grid. An edge weighs `3 log(quieter) + log(louder)`
    of its two magnitudes: after some Griffin-Lim this is better than either alone. The tree is
    grown by Boruvka's algorithm, all bins at a time, each keeping its root and its phase relative
    to it.

    Args:
      target: magnitudes, `[..., frames, bins]`.
      config: the STFT that made `target`.

    Returns:
      Unit complex numbers, `[..., frames, bins]`.
    """
    along_time, along_bins = phase_gradient(target, config)
    log = jnp.log(jnp.maximum(target, 1e-30))
    nodes = jnp.arange(target.size).reshape(target.shape)
    edges = []
    for axis, slope in ((target.ndim - 2, along_time), (target.ndim - 1, along_bins)):
        last = jnp.arange(target.shape[axis]) == target.shape[axis] - 1
        last = jnp.expand_dims(last, axis=-1) if axis == target.ndim - 2 else last
        after = functools.partial(jnp.roll, shift=-1, axis=axis)
        before = functools.partial(jnp.roll, shift=1, axis=axis)
        quieter, louder = jnp.minimum(log, after(log)), jnp.maximum(log, after(log))
        weight = jnp.where(last, -jnp.inf, 3 * quieter + louder)
        number = 2 * nodes + (axis == target.ndim - 1)
        change = (slope + after(slope)) / 2
        edges.append((after(nodes), weight, number, change))
        edges.append((before(nodes), before(weight), before(number), -before(change)))
    edges = tuple(jnp.stack(values).reshape(4, -1) for values in zip(*edges, strict=True))
    start = (nodes.ravel(), jnp.zeros(target.size), jnp.array(True), edges)
    _, phase, _, _ = jax.lax.while_loop(lambda carry: carry[2], _join, start)
    return jnp.exp(1j * phase.reshape(target.shape))


@functools.partial(jax.jit, static_argnames=("start", "config"))
def _start_phase(target, key, content, *, start, config):
    if start == "random":
        return random_phase(key, target.shape)
    if start == "content":
        return _unit(stft(content, config))
    return gradient_phase(target, config)


def recover_phase(
    target: jax.Array,
    key: jax.Array,
    *,
    stft_config: StftConfig,
    config: PhaseConfig,
    length: int,
    content: jax.Array | None = None,
) -> jax.Array:
    """Waveform for a magnitude spectrogram.

    Args:
      target: magnitudes, `[..., frames, bins]`.
      key: of the random start.
      stft_config: the STFT that made `target`.
      config: start, iterations and momentum.
      length: samples of the waveform.
      content: waveform that lends its phase, `[..., length]`; for `start="content"`.

    Returns:
      `[..., length]`.

    Raises:
      ValueError: `start="content"` without `content`.
    """
    if config.start == "content" and content is None:
        raise ValueError('a phase start from "content" needs the content waveform')
    return griffin_lim(
        target,
        _start_phase(target, key, content, start=config.start, config=stft_config),
        stft_config,
        length=length,
        num_iterations=config.num_iterations,
        momentum=config.momentum,
    )


def spectral_convergence(waveform: jax.Array, target: jax.Array, config: StftConfig) -> jax.Array:
    """`20 log10(||target - |STFT(waveform)||| / ||target||)` in dB, lower is better.

    `waveform` is `[..., samples]`, `target` `[..., frames, bins]`; one number a leading index.
    """
    error = jnp.linalg.norm(target - magnitude(stft(waveform, config)), axis=(-2, -1))
    return 20 * jnp.log10(error / jnp.linalg.norm(target, axis=(-2, -1)))
