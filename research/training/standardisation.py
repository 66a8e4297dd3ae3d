"""What a network is told of its training part before the first step."""

import jax.numpy as jnp
import numpy as np

from research.data.batches import SegmentReader
from research.models.network import Variables

_ROUNDING = 1e-6  # Of the largest value of a bin: what varies less is constant.


def standardised(
    variables: Variables, reader: SegmentReader, train: np.ndarray, batch_size: int
) -> Variables:
    """The variables of a network, its `Standardise` layer set by the training segments alone.

    A bin that is constant over them is taken for 0 ever after. A network that has no such layer
    stays as it is.

    Args:
      variables: of the network.
      reader: of segments.
      train: indices of the training segments.
      batch_size: segments that are read at a time.
    """
    if "standardise" not in variables.stats:
        return variables
    mean, scale = _moments(reader, train, batch_size)
    layer = {"mean": jnp.asarray(mean, jnp.float32), "scale": jnp.asarray(scale, jnp.float32)}
    return variables._replace(stats=variables.stats | {"standardise": layer})


def _moments(
    reader: SegmentReader, indices: np.ndarray, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each bin and the reciprocal of its deviation, `[bins]` float64 each."""

    def batches():
        for start in range(0, len(indices), batch_size):
            yield reader.read(indices[start : start + batch_size]).spectrogram.astype(np.float64)

    count = len(indices) * reader.shape[0]
    mean = sum(batch.sum((0, 1)) for batch in batches()) / count
    deviation = np.sqrt(sum(np.square(batch - mean).sum((0, 1)) for batch in batches()) / count)
    largest = np.max([np.abs(batch).max((0, 1)) for batch in batches()], axis=0)
    varies = deviation > _ROUNDING * largest
    return mean, np.divide(1.0, deviation, out=np.zeros_like(mean), where=varies)
