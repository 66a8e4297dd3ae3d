"""A multi-layer perceptron on standardised numbers, such as descriptors of a track."""

import dataclasses
import itertools
from typing import ClassVar

import jax
from flax import nnx

from research.models.base import Classifier, NetworkConfig
from research.models.layers import Standardise
from research.settings import between, fraction


@dataclasses.dataclass(frozen=True)
class MlpConfig(NetworkConfig):
    """Architecture of the perceptron.

    Attributes:
      widths: units of each hidden layer.
      dropout: fraction of units dropped after each hidden layer.
    """

    name: ClassVar[str] = "mlp"

    widths: tuple[int, ...] = between((256, 128, 64), 1, 65536)
    dropout: float = fraction(0.0)

    def build(self, num_frames: int, num_bins: int, num_classes: int, rngs: nnx.Rngs) -> "Mlp":
        """The perceptron; segments of any size fit."""
        return Mlp(self, num_frames, num_bins, num_classes, rngs)


class Mlp(Classifier):
    """Dense layers with ReLU and dropout, then a linear one.

    With 57 numbers, ten classes, and 256, 128 and 64 units it has 56 650 parameters.
    """

    def __init__(
        self, config: MlpConfig, num_frames: int, num_bins: int, num_classes: int, rngs: nnx.Rngs
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
        """Logits and the activations `standardised`, `dense1`, `dense2`, ..., `features`, `logits`.

        `features` is the last of the dense layers.
        """
        x = self.standardise(spectrogram)
        activations = {"standardised": x}
        x = x.reshape(x.shape[0], -1)
        for i, layer in enumerate(self.hidden, 1):
            activations[f"dense{i}"] = activations["features"] = jax.nn.relu(layer(x))
            x = self.dropout(activations["features"], rngs=rngs)
        logits = activations["logits"] = self.head(x)
        return logits, activations
