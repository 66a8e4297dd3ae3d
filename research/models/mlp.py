"""A multi-layer perceptron on standardised numbers, such as descriptors of a track."""

import dataclasses
import itertools
from typing import ClassVar

import jax
from flax import nnx

from research.models.layers import Standardise
from research.settings import at_least, fraction


@dataclasses.dataclass(frozen=True)
class MlpConfig:
    """Architecture of the perceptron.

    Attributes:
      name: of the network.
      widths: of each hidden layer.
      dropout: share dropped after each hidden layer.
    """

    name: ClassVar[str] = "mlp"

    widths: tuple[int, ...] = at_least((256, 128, 64), 1)
    dropout: float = fraction(0.0)


class Mlp(nnx.Module):
    """Dense layers with ReLU and dropout, then one without.

    On 57 numbers and ten classes, 256, 128 and 64 units make 56 650 parameters.
    """

    def __init__(
        self,
        config: MlpConfig,
        num_frames: int,
        num_bins: int,
        num_classes: int,
        rngs: nnx.Rngs,
    ):
        sizes = (num_frames * num_bins, *config.widths)
        init = nnx.initializers.he_normal()
        self.standardise = Standardise(num_bins)
        self.hidden = nnx.List(
            nnx.Linear(num_in, num_out, kernel_init=init, rngs=rngs)
            for num_in, num_out in itertools.pairwise(sizes)
        )
        self.dropout = nnx.Dropout(config.dropout)
        self.head = nnx.Linear(sizes[-1], num_classes, rngs=rngs)

    def __call__(
        self, spectrogram: jax.Array, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits `[batch, classes]` and all activations by name.

        Args:
          spectrogram: `[batch, frames, bins]`.
          rngs: a stream `dropout`, when dropout is on.
        """
        x = self.standardise(spectrogram)
        activations = {"standardised": x}
        x = x.reshape(x.shape[0], -1)
        for i, layer in enumerate(self.hidden, 1):
            activations[f"dense{i}"] = activations["features"] = jax.nn.relu(layer(x))
            x = self.dropout(activations["features"], rngs=rngs)
        logits = activations["logits"] = self.head(x)
        return logits, activations
