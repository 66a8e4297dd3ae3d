"""The single-channel network: a spectrogram is an image of one channel."""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from research.models.base import Classifier, NetworkConfig
from research.models.layers import GLOROT, apply_convs, by_halves, make_convs
from research.settings import between, fraction, one_of

_NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh}


@dataclasses.dataclass(frozen=True)
class SingleChannelConfig(NetworkConfig):
    """Architecture of the single-channel network.

    Attributes:
      num_filters: filters of each convolution.
      width: frames, and bins, that a filter covers.
      num_features: units of the last hidden layer.
      nonlinearity: activation function of the last hidden layer.
      dropout: fraction dropped before each of the two dense layers.
      batch_norm: True to normalise each convolution over the batch.
    """

    name: ClassVar[str] = "single_channel"

    num_filters: tuple[int, ...] = between((16, 16), 1, 16384)
    width: int = between(5, 1, 1024)
    num_features: int = between(100, 1, 65536)
    nonlinearity: str = one_of("relu", _NONLINEARITIES)
    dropout: float = fraction(0.5)
    batch_norm: bool = False

    def build(
        self, num_frames: int, num_bins: int, num_classes: int, rngs: nnx.Rngs
    ) -> "SingleChannel":
        """The network.

        Raises:
          ValueError: a segment is too small for the poolings.
        """
        return SingleChannel(self, num_frames, num_bins, num_classes, rngs)


class SingleChannel(Classifier):
    """Square convolutions with ReLU and pooling by two, then two dense layers.

    On 257 frames by 257 bins and ten classes it has 6 561 542 parameters.
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
        """Logits and the activations `conv1`, `pool1`, `conv2`, ..., `features`, `logits`.

        Convolutions are `[batch, frames, bins, filters]`; `features` is the first dense layer.
        """
        convolve = functools.partial(apply_convs, self.convs, self.norms)
        image = spectrogram[..., None]
        # Batch normalisation needs the whole batch.
        activations = convolve(image) if self.norms else by_halves(convolve, image)
        x = activations[f"pool{len(self.convs)}"]
        x = self.dropout(x.reshape(x.shape[0], -1), rngs=rngs)
        x = activations["features"] = _NONLINEARITIES[self.nonlinearity](self.hidden(x))
        logits = activations["logits"] = self.head(self.dropout(x, rngs=rngs))
        return logits, activations
