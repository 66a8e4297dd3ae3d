"""The single-channel network: a spectrogram is a picture of one channel."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
from flax import nnx

from research.models.layers import GLOROT, Conv, by_halves, max_pool
from research.settings import at_least, one_of, share

_NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh}


@dataclasses.dataclass(frozen=True)
class SingleChannelConfig:
    """Architecture of the single-channel network.

    Attributes:
      name: of the network.
      num_filters: of each convolution.
      width: of the square filters, in frames and bins.
      num_features: of the last hidden layer.
      nonlinearity: of the last hidden layer.
      dropout: share dropped before each of the two dense layers.
      batch_norm: whether each convolution is followed by batch normalisation.
    """

    name: str = one_of("single_channel", ["single_channel"])
    num_filters: tuple[int, ...] = at_least((16, 16), 1)
    width: int = at_least(5, 1)
    num_features: int = at_least(100, 1)
    nonlinearity: str = one_of("relu", _NONLINEARITIES)
    dropout: float = share(0.5)
    batch_norm: bool = False


class SingleChannel(nnx.Module):
    """Square convolutions with ReLU and pooling by two, then two dense layers.

    On 257 frames by 257 bins and ten classes it has 6 561 542 parameters.

    Raises:
      ValueError: a segment is too short for the poolings.
    """

    def __init__(
        self,
        config: SingleChannelConfig,
        num_frames: int,
        num_bins: int,
        num_classes: int,
        rngs: nnx.Rngs,
    ):
        shrink = 2 ** len(config.num_filters)
        if min(num_frames, num_bins) < shrink:
            raise ValueError(
                f"a segment of {num_frames} frames by {num_bins} bins is too short for "
                f"{len(config.num_filters)} poolings by two"
            )
        channels = (1, *config.num_filters)
        self.convs = nnx.List(
            Conv(num_in, num_out, config.width, 2, rngs, use_bias=not config.batch_norm)
            for num_in, num_out in itertools.pairwise(channels)
        )
        self.norms = nnx.List(
            nnx.BatchNorm(num_out, rngs=rngs) for num_out in channels[1:] if config.batch_norm
        )
        flat = (num_frames // shrink) * (num_bins // shrink) * channels[-1]
        self.dropout = nnx.Dropout(config.dropout)
        self.hidden = nnx.Linear(flat, config.num_features, kernel_init=GLOROT, rngs=rngs)
        self.head = nnx.Linear(config.num_features, num_classes, kernel_init=GLOROT, rngs=rngs)
        self.nonlinearity = config.nonlinearity

    def __call__(
        self, spectrogram: jax.Array, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits `[batch, classes]` and all activations by name.

        Args:
          spectrogram: `[batch, frames, bins]`.
          rngs: a stream `dropout`, when dropout is on.
        """
        # Normalisation is over the whole batch.
        convolve = self._convolve if self.norms else functools.partial(by_halves, self._convolve)
        activations = convolve(spectrogram)
        x = activations[f"pool{len(self.convs)}"]
        x = self.dropout(x.reshape(x.shape[0], -1), rngs=rngs)
        x = activations["features"] = _NONLINEARITIES[self.nonlinearity](self.hidden(x))
        logits = activations["logits"] = self.head(self.dropout(x, rngs=rngs))
        return logits, activations

    def _convolve(self, spectrogram: jax.Array) -> dict[str, jax.Array]:
        x, activations = spectrogram[..., None], {}
        for i, conv in enumerate(self.convs, 1):
            x = conv(x)
            if self.norms:
                x = self.norms[i - 1](x)
            activations[f"conv{i}"] = jax.nn.relu(x)
            # Pooling first gives the same, and a rectifier a quarter of the work.
            x = activations[f"pool{i}"] = jax.nn.relu(max_pool(x, (2, 2)))
        return activations
