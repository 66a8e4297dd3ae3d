"""How well a classifier does: exact counts by segment and by track, with intervals."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from research.data.batches import SegmentReader, read_ahead
from research.models import network as classifier
from research.models.network import Variables
from research.training.sharding import shard

T = TypeVar("T")


@jax.jit(static_argnames="structure")
def log_probabilities(
    variables: Variables, spectrogram: jax.Array, *, structure: nnx.GraphDef
) -> jax.Array:
    """`[batch, frames, bins]` to `[batch, classes]`."""
    logits, _ = classifier.apply(structure, variables, spectrogram.astype(jnp.float32))
    return jax.nn.log_softmax(logits)


def classify(
    structure: nnx.GraphDef,
    variables: Variables,
    reader: SegmentReader,
    indices: np.ndarray,
    batch_size: int,
    mesh: Mesh,
) -> np.ndarray:
    """Log-probabilities of segments, `[segments, classes]`."""
    function = functools.partial(log_probabilities, variables, structure=structure)
    return in_batches(function, lambda i: reader.read(i).spectrogram, indices, batch_size, mesh)


def in_batches(
    function: Callable[[jax.Array], T],
    read: Callable[[np.ndarray], np.ndarray],
    indices: np.ndarray,
    batch_size: int,
    mesh: Mesh,
) -> T:
    """What a function gives for segments, a batch after the other.

    The last batch is filled up with its last segment, which is not counted again.

    Args:
      function: of a batch `[batch, frames, bins]`; gives arrays `[batch, ...]`, one or a tree.
      read: gives the segments of some indices.
      indices: of the segments, `[segments]`.
      batch_size: segments a batch.
      mesh: devices that a batch is spread over.

    Returns:
      arrays `[segments, ...]`.
    """
    padded = np.pad(indices, (0, -len(indices) % batch_size), "edge").reshape(-1, batch_size)
    results = [
        # Fetched at once: else all batches would wait in memory for the device.
        jax.device_get(function(shard(batch, mesh)))
        for batch in read_ahead(lambda i: read(padded[i]), range(len(padded)))
    ]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(indices)], *results)


def by_track(values: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over each track's segments, of their log-probabilities or of anything else.

    `[segments, values]` and the index of each segment's track to `[tracks, values]` and the index
    of each track, sorted.
    """
    tracks, group = np.unique(track, return_inverse=True)
    total = np.zeros((len(tracks), values.shape[1]))
    np.add.at(total, group, values)
    return total / np.bincount(group)[:, None], tracks


def normalised(log_probs: np.ndarray) -> np.ndarray:
    """Log-probabilities `[..., classes]` such that the probabilities sum to 1."""
    return log_probs - np.logaddexp.reduce(log_probs, axis=-1, keepdims=True)


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts `[true class, predicted class]`."""
    pairs = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def effective_number(counts: np.ndarray) -> float:
    """Independent tries that a mean over repeats is worth (Kish 1965), `(sum c)^2 / sum c^2`.

    Args:
      counts: how often each track was tested.
    """
    return float(np.sum(counts) ** 2 / np.sum(np.square(counts)))


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), `correct` of `total` independent tries.

    Neither need be whole, as they are not for a mean over repeats.
    """
    z = 1.959963984540054
    share, unit = correct / total, z**2 / total
    centre = (share + unit / 2) / (1 + unit)
    half = np.sqrt(share * (1 - share) * unit + unit**2 / 4) / (1 + unit)
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def summarise(confusion: np.ndarray, genres: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, macro F1 and the figures of each genre, from counts `[true, predicted]`.

    F1 of a genre is `2 right / (there + predicted)`; the macro mean is over the genres that are
    there or predicted.
    """
    right, there, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    some = (there + predicted) > 0
    f1 = 2 * right / np.maximum(there + predicted, 1)
    return {
        "accuracy": float(right.sum() / confusion.sum()),
        "macro_f1": float(f1[some].mean()),
        "per_genre": {
            genre: {
                "recall": float(right[i] / there[i]) if there[i] else None,
                "precision": float(right[i] / predicted[i]) if predicted[i] else None,
                "f1": float(f1[i]) if some[i] else None,
                "num_tested": int(there[i]),
            }
            for i, genre in enumerate(genres)
        },
    }
