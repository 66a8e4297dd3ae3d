"""The linear discriminant of a network, fitted to its training segments in closed form."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from research.data.batches import SegmentReader
from research.data.front_ends.base import FrontEnd
from research.models.discriminant import patches
from research.models.network import Network
from research.training.augment import AugmentConfig, augment
from research.training.evaluation import by_track, in_batches, normalise

_SHRINKAGE = 0.2
_NUM_PATCHES = 20_000
_BATCHES_AT_ONCE = 32
_NUM_ROUNDS = 10  # Of k-means.
_FLOOR = 1e-3  # Added to the variances that are whitened, relative to the largest.
_ROUNDING = 1e-10  # Relative to the square of a statistic; a smaller variance is none.
_HELD_OUT = 5  # One track in so many of each class.
_FACTORS = 0.001, 1.0  # Least and largest.
_NEVER = -100.0  # Bias of a class without a training segment.

OnBatch = Callable[[int, int], None]
"""Called with the number of batches done and their total."""


class Dictionary(NamedTuple):
    """Arrays of the first layers of a `Discriminant`; see there."""

    patch_mean: np.ndarray
    basis: np.ndarray
    basis_scale: np.ndarray
    atoms: np.ndarray


class Solution(NamedTuple):
    """Arrays of the last layer of a `Discriminant`; see there."""

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, statistics: np.ndarray) -> np.ndarray:
        """Logits, `[batch, statistics]` to `[batch, classes]`."""
        return (statistics - self.mean) * self.scale @ self.weight + self.bias


class Moments(NamedTuple):
    """Sums over segments.

    Attributes:
      count: segments of each class, `[classes]`.
      total: sums of the statistics of each class, `[statistics, classes]`.
      square: sum of outer products of the statistics, `[statistics, statistics]`.
      shift: subtracted from all statistics first, so that little is cancelled, `[statistics]`.
    """

    count: np.ndarray
    total: np.ndarray
    square: np.ndarray
    shift: np.ndarray

    @classmethod
    def none(cls, num_statistics: int, num_classes: int) -> Self:
        """The sums over no segments."""
        total = np.zeros((num_statistics, num_classes))
        square = np.zeros((num_statistics, num_statistics))
        return cls(np.zeros(num_classes), total, square, np.zeros(num_statistics))

    def add(self, statistics: np.ndarray, label: np.ndarray) -> Self:
        """The sums with more segments, `[batch, statistics]` and `[batch]`. Arrays are reused."""
        shift = self.shift if self.count.any() else statistics.mean(0, dtype=np.float64)
        values, targets = statistics - shift, np.eye(len(self.count))[label]
        self.count[...] += targets.sum(0)
        self.total[...] += values.T @ targets
        self.square[...] += values.T @ values
        return self._replace(shift=shift)

    def of(self, group: slice) -> Self:
        """The sums of some of the statistics."""
        parts = self.total[group], self.square[group, group], self.shift[group]
        return type(self)(self.count, *parts)


def fit_discriminant(
    network: Network,
    reader: SegmentReader,
    train: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    augmentation: AugmentConfig,
    front_end: FrontEnd,
    on_batch: OnBatch = lambda done, total: None,
) -> Network:
    """The network with its layer `discriminant` fitted; one without the layer as it is.

    The dictionary is learned from patches of the training segments, without labels. The
    discriminant is fitted to all of them twice: as they are, and cropped and varied in level and
    equalisation as in training. Each group of statistics is fitted on its own, as if it were
    independent of the others, and the logits are added. A fifth of the tracks is held out at first
    to calibrate a factor for each group: the statistics are not normal, so the likelihoods are not
    calibrated.

    Args:
      network: its other arrays are not used.
      reader: of segments.
      train: indices of the training segments.
      batch_size: segments that are read at a time.
      seed: of the patches, the atoms at the start of k-means, crops and variations.
      augmentation: of the training; masks and mixup are left out.
      front_end: of the segments.
      on_batch: called after each batch.
    """
    if "discriminant" not in network.variables.stats:
        return network
    random = np.random.default_rng([seed, 0xD15C])
    layer = network.variables.stats["discriminant"]
    num_components, num_atoms = layer["atoms"].shape
    sampled = _sample_patches(reader, train, batch_size, random)
    dictionary = learn_dictionary(sampled, num_components, num_atoms, random)
    network = network.with_layer("discriminant", **layer | dictionary._asdict())

    varied = dataclasses.replace(augmentation, time_mask=0, frequency_mask=0, mixup=0.0)
    variations = dict.fromkeys([AugmentConfig(), varied])
    held_out = _hold_out(reader, train)
    counts = np.bincount(held_out, minlength=2).tolist()
    num_batches = len(variations) * sum(-(-count // batch_size) for count in counts)
    steps = itertools.count()

    def vary(variation: AugmentConfig, network: Network, spectrogram: jax.Array) -> jax.Array:
        step = next(steps)
        key = jax.random.fold_in(jax.random.key(seed), step)
        statistics = _statistics(network, spectrogram, key, variation, front_end)
        on_batch(step + 1, num_batches)
        return statistics

    def observe(indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Statistics of segments and of their variations, their classes and tracks."""
        # One product of many rows is much faster than many of few.
        many = _BATCHES_AT_ONCE * batch_size
        places = np.arange(len(indices))
        for variation in variations:
            starts = reader.segments.start[indices]
            if variation.crop and len(indices):
                starts = reader.random_starts(indices, random)

            def read(i: np.ndarray, starts: np.ndarray = starts) -> np.ndarray:
                return reader.read(indices[i], starts[i]).spectrogram

            function = functools.partial(vary, variation)
            for start in range(0, len(places), many):
                chosen = places[start : start + many]
                statistics = in_batches(function, network, read, chosen, batch_size)
                of_chosen = indices[chosen]
                yield statistics, reader.labels(of_chosen), reader.segments.track[of_chosen]

    moments = Moments.none(*layer["weight"].shape)
    for statistics, label, _ in observe(train[~held_out]):
        moments = moments.add(statistics, label)
    sizes = network.module().discriminant.sizes
    groups = [slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes), strict=True)]
    first, logits = [solve(moments.of(group)) for group in groups], []
    for statistics, label, track in observe(train[held_out]):
        found = [one(statistics[:, group]) for one, group in zip(first, groups, strict=True)]
        logits.append((np.stack(found, axis=1), label, track))
        moments = moments.add(statistics, label)
    solutions = [solve(moments.of(group)) for group in groups]
    factors = np.ones(len(groups), np.float32)
    if logits:
        factors = calibrate(*map(np.concatenate, zip(*logits, strict=True)))
    solution = join(solutions, factors)
    return network.with_layer("discriminant", **dictionary._asdict() | solution._asdict())


def calibrate(logits: np.ndarray, label: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Factors on the mean logits of tracks, 0.001 to 1, whose sum has the least cross-entropy.

    Args:
      logits: of segments that no group was fitted to, `[segments, groups, classes]`.
      label: class of each segment, `[segments]`.
      track: index of the track of each segment, `[segments]`.

    Returns:
      `[groups]`.
    """
    import scipy.optimize

    num_groups, num_classes = logits.shape[1:]
    means, _ = by_track(logits.reshape(len(logits), -1), track)
    means = means.reshape(-1, num_groups, num_classes)
    right = label[np.unique(track, return_index=True)[1]]

    def cross_entropy(factors: np.ndarray) -> tuple[float, np.ndarray]:
        """And its gradient; it is convex."""
        log_probs = normalise(np.einsum("tgc,g->tc", means, factors))
        excess = np.exp(log_probs) - np.eye(num_classes)[right]
        loss = -log_probs[np.arange(len(right)), right].mean()
        return loss, np.einsum("tgc,tc->g", means, excess) / len(right)

    found = scipy.optimize.minimize(
        cross_entropy,
        np.full(num_groups, 0.1),
        jac=True,
        bounds=[_FACTORS] * num_groups,
        method="L-BFGS-B",
        options={"ftol": 1e-12},
    )
    return found.x.astype(np.float32)


def join(solutions: Sequence[Solution], factors: np.ndarray) -> Solution:
    """The solution whose logits are the sum of those of groups of statistics, times factors."""
    return Solution(
        mean=np.concatenate([one.mean for one in solutions]),
        scale=np.concatenate([one.scale for one in solutions]),
        weight=np.concatenate([k * one.weight for k, one in zip(factors, solutions, strict=True)]),
        bias=np.sum([k * one.bias for k, one in zip(factors, solutions, strict=True)], axis=0),
    )


def learn_dictionary(
    sampled: np.ndarray, num_components: int, num_atoms: int, random: np.random.Generator
) -> Dictionary:
    """Principal components of patches, whitened, and the centres of spherical k-means.

    It is written here because scikit-learn's is not the same to the bit with any number of threads.

    Args:
      sampled: `[patches, values]`.
      num_components: columns of the whitening.
      num_atoms: number of centres, of length 1 each. Where they are more than the patches, some
        are the same.
      random: chooses the patches that centres start from.
    """
    mean = sampled.mean(0, dtype=np.float64)
    centred = sampled - mean
    variance, basis = np.linalg.eigh(centred.T @ centred / len(centred))
    largest = slice(None, -num_components - 1, -1)
    variance, basis = variance[largest], basis[:, largest]
    floor = _FLOOR * variance[0] + np.finfo(np.float32).tiny
    scale = 1 / np.sqrt(np.maximum(variance, 0) + floor)
    points = _unit(((centred @ basis) * scale).astype(np.float32))
    atoms = points[random.choice(len(points), num_atoms, replace=num_atoms > len(points))]
    for _ in range(_NUM_ROUNDS):
        sums = np.zeros_like(atoms)
        np.add.at(sums, np.argmax(points @ atoms.T, axis=1), points)
        # A centre that no patch is nearest to stays where it is.
        atoms = _unit(np.where(sums.any(1, keepdims=True), sums, atoms))
    return Dictionary(*(a.astype(np.float32) for a in (mean, basis, scale, atoms.T)))


def solve(moments: Moments) -> Solution:
    """The linear discriminant of standardised statistics.

    Four fifths of the covariance within the classes are mixed with a fifth of the identity, which
    is scaled to the same trace (Friedman 1989). All classes are as likely.
    """
    import scipy.linalg

    count, total, square, shift = moments
    means = total / np.maximum(count, 1)
    mean = total.sum(1) / count.sum()
    variance = square.diagonal() / count.sum() - mean**2
    # A statistic that does not vary says nothing.
    varies = variance > _ROUNDING * (mean + shift) ** 2
    scale = np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    within = (square - (means * count) @ means.T) / count.sum() * scale[:, None] * scale
    diagonal = np.diag_indices(len(within))
    average = max(within[diagonal].mean(), np.finfo(np.float32).tiny)
    within *= 1 - _SHRINKAGE
    within[diagonal] += _SHRINKAGE * average
    centred = (means - mean[:, None]) * scale[:, None]
    factor = scipy.linalg.cho_factor(within, overwrite_a=True, check_finite=False)
    weight = scipy.linalg.cho_solve(factor, centred, check_finite=False) * (count > 0)
    bias = np.where(count > 0, -0.5 * (centred * weight).sum(0), _NEVER)
    arrays = mean + shift, scale, weight, bias
    return Solution(*(array.astype(np.float32) for array in arrays))


@jax.jit(static_argnames=("config", "front_end"))
def _statistics(
    network: Network,
    spectrogram: jax.Array,
    key: jax.Array,
    config: AugmentConfig,
    front_end: FrontEnd,
) -> jax.Array:
    """Statistics of a varied batch, `[batch, frames, bins]` to `[batch, statistics]`."""
    spectrogram = spectrogram.astype(jnp.float32)
    no_target = jnp.zeros((len(spectrogram), 1))
    varied, _ = augment(spectrogram, no_target, key, config, front_end)
    return network.module().discriminant.statistics(varied)


_patches = jax.jit(patches)


def _sample_patches(
    reader: SegmentReader, train: np.ndarray, batch_size: int, random: np.random.Generator
) -> np.ndarray:
    """Patches at random places of the training segments, `[patches, values]` float32."""
    train = random.permutation(train)[:_NUM_PATCHES]
    each, sampled = -(-_NUM_PATCHES // len(train)), []
    for chosen in np.split(train, range(batch_size, len(train), batch_size)):
        segments = reader.read(chosen).spectrogram.astype(np.float32)
        found = np.asarray(_patches(np.resize(segments, (batch_size, *reader.shape))))
        place = random.integers(found.shape[1], size=(len(chosen), each))
        sampled.append(np.take_along_axis(found[: len(chosen)], place[:, :, None], axis=1))
    return np.concatenate(sampled).reshape(-1, sampled[0].shape[-1])[:_NUM_PATCHES]


def _hold_out(reader: SegmentReader, train: np.ndarray) -> np.ndarray:
    """True for the segments of the last fifth of the tracks of each class, `[train]`.

    Tracks are in the order of their names, so recordings of an artist are mostly together. A class
    of one track has none.
    """
    tracks, first = np.unique(reader.segments.track[train], return_index=True)
    classes, held = reader.labels(train[first]), []
    for genre in np.unique(classes):
        members = tracks[classes == genre]
        if len(members) > 1:
            held.extend(members[-max(len(members) // _HELD_OUT, 1) :])
    return np.isin(reader.segments.track[train], held)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
