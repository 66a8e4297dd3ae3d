"""The single-channel network: a spectrogram is a picture of one channel."""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from research.models.layers import GLOROT, apply_convs, by_halves, make_convs
from research.settings import at_least, fraction, one_of

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

    name: ClassVar[str] = "single_channel"

    num_filters: tuple[int, ...] = at_least((16, 16), 1)
    width: int = at_least(5, 1)
    num_features: int = at_least(100, 1)
    nonlinearity: str = one_of("relu", _NONLINEARITIES)
    dropout: float = fraction(0.5)
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
        self.convs, self.norms = make_convs(
            channels, config.width, num_axes=2, batch_norm=config.batch_norm, rngs=rngs
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
        convolve = functools.partial(apply_convs, self.convs, self.norms)
        picture = spectrogram[..., None]
        activations = convolve(picture) if self.norms else by_halves(convolve, picture)
        x = activations[f"pool{len(self.convs)}"]
        x = self.dropout(x.reshape(x.shape[0], -1), rngs=rngs)
        x = activations["features"] = _NONLINEARITIES[self.nonlinearity](self.hidden(x))
        logits = activations["logits"] = self.head(self.dropout(x, rngs=rngs))
        return logits, activations
