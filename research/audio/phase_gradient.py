"""Phase from the gradient of the phase, which follows from the log magnitude.

Phase-gradient heap integration (Prusa, Balazs & Sondergaard 2017) in parallel, without a heap.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig

# Time-frequency ratios of the Gaussians nearest to windows (LTFAT, `pghi_findgamma`).
_GAMMAS = {"hann": 0.25645, "hamming": 0.29794, "blackman": 0.17954}

# Root of each node `[nodes]`, its phase relative to the root `[nodes]`, whether any tree was joined
# in the last round, and edges from each node to its 4 neighbours: the neighbour, the weight, the
# number of the edge and the phase difference, each `[4, nodes]`.
_Forest = tuple[jax.Array, jax.Array, jax.Array, tuple[jax.Array, ...]]


@functools.cache
def window_gamma(config: StftConfig) -> float:
    """`gamma` of the Gaussian `exp(-pi n^2 / gamma)` nearest to the window, in samples squared.

    It is a constant of the kind of window times the square of its length. Of windows without a
    known constant it is fitted: the least squared difference, with the peak of the window at 1.
    """
    length = config.win_length or config.n_fft
    if config.window in _GAMMAS:
        return _GAMMAS[config.window] * length**2
    window = config.window_values().astype(np.float64)
    window = np.pad(window / window.max(), config.n_fft)
    squared = np.square(np.arange(window.size) - window.size // 2)

    def miss(gamma: float) -> float:
        return float(np.square(window - np.exp(-np.pi * squared / gamma)).sum())

    low, high = 0.01 * length**2, 3.0 * length**2
    for _ in range(4):  # Each round narrows the interval to a sixteenth.
        tried = np.geomspace(low, high, 33)
        best = int(np.argmin([miss(gamma) for gamma in tried]))
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, 32)]
    return float(np.sqrt(low * high))


def phase_gradient(target: jax.Array, config: StftConfig) -> tuple[jax.Array, jax.Array]:
    """Phase derivatives from magnitudes, for a window that is close to a Gaussian.

    With `s = log target`, hop `a`, `M = n_fft` and `gamma` of the window (Prusa et al. 2017, eq. 16
    and 17; frames begin at their first sample, hence the -pi):
      along time       `a M / (2 gamma) (s[t, k + 1] - s[t, k - 1]) + 2 pi a k / M`
      along frequency  `-gamma / (2 a M) (s[t + 1, k] - s[t - 1, k]) - pi`

    Args:
      target: magnitudes, `[..., frames, bins]`.
      config: the STFT of `target`.

    Returns:
      Derivatives in radians per hop and in radians per bin, each `[..., frames, bins]`.
    """
    size, hop = config.n_fft, config.hop_length
    gamma = window_gamma(config)
    peak = jnp.max(target, axis=(-2, -1), keepdims=True)
    log = jnp.log(jnp.maximum(target, jnp.maximum(1e-7 * peak, 1e-30)))
    edges = [(0, 0)] * (log.ndim - 2)
    over_bins = jnp.pad(log, [*edges, (0, 0), (1, 1)], mode="edge")
    over_frames = jnp.pad(log, [*edges, (1, 1), (0, 0)], mode="edge")
    # Integer arithmetic drops whole turns, since large angles lose precision in float32.
    turns = (hop * jnp.arange(config.num_bins) % size) / size
    along_time = hop * size / (2 * gamma) * (over_bins[..., 2:] - over_bins[..., :-2])
    along_bins = -gamma / (2 * hop * size) * (over_frames[..., 2:, :] - over_frames[..., :-2, :])
    return along_time + 2 * jnp.pi * turns, along_bins - jnp.pi


def _hook(best: jax.Array, edge: jax.Array, root: jax.Array) -> jax.Array:
    """For every root, the node with the heaviest edge out of its tree, by edge number; else -1."""
    num_nodes = root.size
    heaviest = jax.ops.segment_max(best, root, num_nodes)
    edge = jnp.where((best == heaviest[root]) & (best > -jnp.inf), edge, -1)
    first = jax.ops.segment_max(edge, root, num_nodes)
    node = jnp.where((edge == first[root]) & (edge >= 0), jnp.arange(num_nodes), -1)
    return jax.ops.segment_max(node, root, num_nodes)


def _join(carry: _Forest) -> _Forest:
    """One round of Boruvka's algorithm: join each tree to another by its heaviest edge."""
    root, offset, _, edges = carry
    nodes = jnp.arange(root.size)
    neighbour, weight, number, change = edges
    leaving = jnp.where(root[neighbour] != root, weight, -jnp.inf)
    best = jnp.max(leaving, axis=0)
    # Of equally heavy edges the one with the highest number, so that no cycle can form.
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


def gradient_phase(
    target: jax.Array, config: StftConfig, num_frames: jax.Array | int | None = None
) -> jax.Array:
    """Phase integrated from its gradient along paths of large magnitudes.

    This is phase-gradient heap integration (Prusa et al. 2017) without a heap. The heap serves to
    reach each bin along a path of large magnitudes. Here, phases are summed along the maximum
    spanning tree of the time-frequency grid. The weight of an edge is `3 log(smaller) +
    log(larger)` of its two magnitudes: after some iterations of Griffin-Lim, this is better than
    either of the two. Boruvka's algorithm grows the tree from all bins in parallel, and each bin
    keeps its root and its phase relative to the root.

    Args:
      target: magnitudes, `[..., frames, bins]`.
      config: the STFT of `target`.
      num_frames: of the recording, if those after them are zeros; traced.

    Returns:
      Complex numbers of magnitude 1, `[..., frames, bins]`.
    """
    last = (target.shape[-2] if num_frames is None else num_frames) - 1
    held = target[..., jnp.minimum(jnp.arange(target.shape[-2]), last), :]
    along_time, along_bins = phase_gradient(held, config)
    log = jnp.log(jnp.maximum(target, 1e-30))
    nodes = jnp.arange(target.size).reshape(target.shape)
    edges = []
    for axis, slope in ((target.ndim - 2, along_time), (target.ndim - 1, along_bins)):
        last = jnp.arange(target.shape[axis]) == target.shape[axis] - 1
        last = jnp.expand_dims(last, axis=-1) if axis == target.ndim - 2 else last
        after = functools.partial(jnp.roll, shift=-1, axis=axis)
        before = functools.partial(jnp.roll, shift=1, axis=axis)
        smaller, larger = jnp.minimum(log, after(log)), jnp.maximum(log, after(log))
        weight = jnp.where(last, -jnp.inf, 3 * smaller + larger)
        number = 2 * nodes + (axis == target.ndim - 1)
        change = (slope + after(slope)) / 2
        edges.append((after(nodes), weight, number, change))
        edges.append((before(nodes), before(weight), before(number), -before(change)))
    edges = tuple(jnp.stack(values).reshape(4, -1) for values in zip(*edges, strict=True))
    start = (nodes.ravel(), jnp.zeros(target.size), jnp.array(True), edges)
    _, phase, _, _ = jax.lax.while_loop(lambda carry: carry[2], _join, start)
    return jnp.exp(1j * phase.reshape(target.shape))
