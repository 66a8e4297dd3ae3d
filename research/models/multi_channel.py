"""The multi-channel network: frequency bins are channels, convolution is over time alone."""

import dataclasses
from typing import ClassVar

import jax
from flax import nnx

from research.models.base import Classifier, NetworkConfig
from research.models.layers import GLOROT, apply_convs, make_convs
from research.settings import between, fraction


@dataclasses.dataclass(frozen=True)
class MultiChannelConfig(NetworkConfig):
    """Architecture of the multi-channel network.

    Attributes:
      num_filters: filters of each convolution.
      width: frames that a filter covers.
      dropout: fraction of the features dropped before the last layer.
      batch_norm: True to normalise each convolution over the batch.
    """

    name: ClassVar[str] = "multi_channel"

    num_filters: tuple[int, ...] = between((32, 32), 1, 16384)
    width: int = between(9, 1, 1024)
    dropout: float = fraction(0.0)
    batch_norm: bool = False

    def build(
        self, num_frames: int, num_bins: int, num_classes: int, rngs: nnx.Rngs
    ) -> "MultiChannel":
        """The network.

        Raises:
          ValueError: a segment is too short for the poolings.
        """
        return MultiChannel(self, num_frames, num_bins, num_classes, rngs)


class MultiChannel(Classifier):
    """Convolutions over time with ReLU and pooling by two, then one dense layer."""

    def __init__(
        self,
        config: MultiChannelConfig,
        num_frames: int,
        num_bins: int,
        num_classes: int,
        rngs: nnx.Rngs,
    ):
        remaining = num_frames // 2 ** len(config.num_filters)
        if remaining == 0:
            raise ValueError(
                f"a segment of {num_frames} frames is too short for {len(config.num_filters)} "
                "poolings by two"
            )
        channels = (num_bins, *config.num_filters)
        self.convs, self.norms = make_convs(
            channels, config.width, num_axes=1, batch_norm=config.batch_norm, rngs=rngs
        )
        self.dropout = nnx.Dropout(config.dropout)
        self.head = nnx.Linear(remaining * channels[-1], num_classes, kernel_init=GLOROT, rngs=rngs)

    def __call__(
        self, spectrogram: jax.Array, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits and the activations `conv1`, `pool1`, `conv2`, ..., `features`, `logits`.

        Convolutions are `[batch, frames, filters]`; `features` is the last pooling, flattened.
        """
        activations = apply_convs(self.convs, self.norms, spectrogram)
        x = activations[f"pool{len(self.convs)}"]
        x = activations["features"] = x.reshape(x.shape[0], -1)
        logits = activations["logits"] = self.head(self.dropout(x, rngs=rngs))
        return logits, activations
