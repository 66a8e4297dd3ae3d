"""The multi-channel network: frequency bins are channels, convolution is over time alone."""

import dataclasses
import itertools

import jax
from flax import nnx

from research.models.layers import GLOROT, Conv, max_pool
from research.settings import at_least, one_of, share


@dataclasses.dataclass(frozen=True)
class MultiChannelConfig:
    """Architecture of the multi-channel network.

    Attributes:
      name: of the network.
      num_filters: of each convolution.
      width: of the filters, in frames.
      dropout: share of the features that is dropped before the last layer.
      batch_norm: whether each convolution is followed by batch normalisation.
    """

    name: str = one_of("multi_channel", ["multi_channel"])
    num_filters: tuple[int, ...] = at_least((32, 32), 1)
    width: int = at_least(9, 1)
    dropout: float = share(0.0)
    batch_norm: bool = False


class MultiChannel(nnx.Module):
    """Convolutions over time with ReLU and pooling by two, then one dense layer.

    Raises:
      ValueError: a segment is too short for the poolings.
    """

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
        self.convs = nnx.List(
            Conv(num_in, num_out, config.width, 1, rngs, use_bias=not config.batch_norm)
            for num_in, num_out in itertools.pairwise(channels)
        )
        self.norms = nnx.List(
            nnx.BatchNorm(num_out, rngs=rngs) for num_out in channels[1:] if config.batch_norm
        )
        self.dropout = nnx.Dropout(config.dropout)
        self.head = nnx.Linear(remaining * channels[-1], num_classes, kernel_init=GLOROT, rngs=rngs)

    def __call__(
        self, spectrogram: jax.Array, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits `[batch, classes]` and all activations by name.

        Args:
          spectrogram: `[batch, frames, bins]`.
          rngs: a stream `dropout`, when dropout is on.
        """
        x, activations = spectrogram, {}
        for i, conv in enumerate(self.convs, 1):
            x = conv(x)
            if self.norms:
                x = self.norms[i - 1](x)
            activations[f"conv{i}"] = jax.nn.relu(x)
            # Pooling first gives the same, and a rectifier a part of the work.
            x = activations[f"pool{i}"] = jax.nn.relu(max_pool(x, (2,)))
        x = activations["features"] = x.reshape(x.shape[0], -1)
        logits = activations["logits"] = self.head(self.dropout(x, rngs=rngs))
        return logits, activations
