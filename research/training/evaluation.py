"""Predictions of a network for segments and tracks, and scores with intervals."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.data.batches import SegmentReader, read_ahead
from research.models.network import Network
from research.training.sharding import gather, mesh_of, shard


@jax.jit
def log_probabilities(network: Network, spectrogram: jax.Array) -> jax.Array:
    """Log-probabilities of `[batch, frames, bins]`, `[batch, classes]`."""
    logits, _ = network(spectrogram.astype(jnp.float32))
    return jax.nn.log_softmax(logits)


def classify(
    network: Network, reader: SegmentReader, indices: np.ndarray, batch_size: int
) -> np.ndarray:
    """Log-probabilities of the segments of these indices, `[segments, classes]`."""
    return in_batches(
        log_probabilities, network, lambda i: reader.read(i).spectrogram, indices, batch_size
    )


def in_batches(
    function: Callable[[Network, jax.Array], Any],
    network: Network,
    read: Callable[[np.ndarray], np.ndarray],
    indices: np.ndarray,
    batch_size: int,
) -> Any:
    """The result of a function for any number of segments, computed batch by batch.

    Each batch is spread over the devices of the network. The last batch is padded with copies of
    its last segment, whose results are dropped.

    Args:
      function: of the network and a batch `[batch, frames, bins]`; returns a tree of arrays
        `[batch, ...]`.
      network: its arrays are on one device, or copied to several.
      read: returns the segments of an array of indices.
      indices: of the segments, `[segments]`.
      batch_size: segments in a batch; more, if the devices do not divide it evenly.

    Returns:
      The tree of `function`, with NumPy arrays `[segments, ...]`.
    """
    mesh = mesh_of(network)
    batch_size += -batch_size % mesh.size
    padded = np.pad(indices, (0, -len(indices) % batch_size), "edge").reshape(-1, batch_size)
    results = [
        # Fetched at once, so that the device holds few batches in memory.
        gather(function(network, shard(batch, mesh)), mesh)
        for batch in read_ahead(lambda i: read(padded[i]), range(len(padded)))
    ]
    return jax.tree.map(lambda *batches: np.concatenate(batches)[: len(indices)], *results)


def by_track(values: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of `[segments, values]`, such as log-probabilities, over the segments of each track.

    Args:
      values: of the segments, `[segments, values]`.
      track: index of the track of each segment, `[segments]`.

    Returns:
      Means `[tracks, values]` float64, and the indices of the tracks, sorted, `[tracks]`.
    """
    tracks, group = np.unique(track, return_inverse=True)
    total = np.zeros((len(tracks), values.shape[1]))
    np.add.at(total, group, values)
    return total / np.bincount(group)[:, None], tracks


def normalise(log_probs: np.ndarray) -> np.ndarray:
    """Log-probabilities `[..., classes]`, shifted so that the probabilities sum to 1."""
    return log_probs - np.logaddexp.reduce(log_probs, axis=-1, keepdims=True)


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts `[true class, predicted class]`."""
    pairs = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def effective_number(counts: np.ndarray) -> float:
    """Number of independent tries in a mean over repeats, `(sum c)^2 / sum c^2` (Kish 1965).

    Args:
      counts: how often each track was tested, `[tracks]`.
    """
    return float(np.sum(counts) ** 2 / np.sum(np.square(counts)))


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927): `correct` of `total` independent tries.

    Both may be fractional, as they are for a mean over repeats.
    """
    z = 1.959963984540054
    proportion, unit = correct / total, z**2 / total
    centre = (proportion + unit / 2) / (1 + unit)
    half = np.sqrt(proportion * (1 - proportion) * unit + unit**2 / 4) / (1 + unit)
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def summarise(confusion: np.ndarray, genres: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, macro F1 and the scores of each genre, from counts `[true, predicted]`.

    F1 of a genre is `2 correct / (tested + predicted)`. Macro F1 is its mean over the genres that
    occur or are predicted. A score that is undefined is None.
    """
    correct, tested, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    defined = (tested + predicted) > 0
    f1 = 2 * correct / np.maximum(tested + predicted, 1)
    return {
        "accuracy": float(correct.sum() / confusion.sum()),
        "macro_f1": float(f1[defined].mean()),
        "per_genre": {
            genre: {
                "recall": float(correct[i] / tested[i]) if tested[i] else None,
                "precision": float(correct[i] / predicted[i]) if predicted[i] else None,
                "f1": float(f1[i]) if defined[i] else None,
                "num_tested": int(tested[i]),
            }
            for i, genre in enumerate(genres)
        },
    }
