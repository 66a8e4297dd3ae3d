"""Mean and scale of the input of a network, measured on its training segments."""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from research.data.batches import SegmentReader
from research.models.network import Network

_ROUNDING = 1e-6  # Relative to the largest value of a bin; a bin that varies less is constant.


def standardise_input(
    network: Network, reader: SegmentReader, train: np.ndarray, batch_size: int
) -> Network:
    """The network with its layer `standardise` set from the training segments alone.

    A bin that is constant over them becomes 0. A network without the layer is returned as it is.

    Args:
      network: before its first step.
      reader: of segments.
      train: indices of the training segments.
      batch_size: segments that are read at a time.
    """
    if "standardise" not in network.variables.stats:
        return network
    mean, scale = _moments(reader, train, batch_size)
    return network.with_layer(
        "standardise", mean=jnp.asarray(mean, jnp.float32), scale=jnp.asarray(scale, jnp.float32)
    )


def _moments(
    reader: SegmentReader, indices: np.ndarray, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each bin, and 1 over its standard deviation, `[bins]` float64 each."""

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(indices), batch_size):
            yield reader.read(indices[start : start + batch_size]).spectrogram.astype(np.float64)

    count, zeros = len(indices) * reader.shape[0], np.zeros(reader.shape[1])
    mean = sum((batch.sum((0, 1)) for batch in batches()), zeros) / count
    variance = sum((np.square(batch - mean).sum((0, 1)) for batch in batches()), zeros) / count
    deviation = np.sqrt(variance)
    largest = np.max([np.abs(batch).max((0, 1)) for batch in batches()], axis=0)
    varies = deviation > _ROUNDING * largest
    return mean, np.divide(1.0, deviation, out=np.zeros_like(mean), where=varies)
