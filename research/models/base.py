"""The contract of a network: a config that builds it, and a module with named activations.

A new network is one file with both, and one line in `registry.py`.
"""

import abc
from typing import ClassVar

import jax
from flax import nnx


class Classifier(nnx.Module):
    """A network from segments of a spectrogram to genres.

    Two layers are set from the training segments before the first step, where a module has them:
    `standardise`, a `research.models.layers.Standardise`, and `discriminant`, a
    `research.models.discriminant.Discriminant`.

    Attributes:
      heads: names of the activations that are trained, `[batch, classes]` each. The loss is the
        mean of their cross-entropies.
    """

    heads: ClassVar[tuple[str, ...]] = ("logits",)

    @abc.abstractmethod
    def __call__(
        self, spectrogram: jax.Array, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits `[batch, classes]`, and the activations by name, `[batch, ...]` each.

        Among the activations are "logits", and "features" `[batch, features]`, which describe a
        segment whatever the classes are.

        Args:
          spectrogram: segments of any front end, `[batch, frames, bins]` float32.
          rngs: has a stream `dropout`; needed in training if the network has dropout.
        """


class NetworkConfig(abc.ABC):
    """Architecture of a network. Subclasses are frozen dataclasses.

    Attributes:
      name: value of `config.model.name` that chooses the network.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def build(self, num_frames: int, num_bins: int, num_classes: int, rngs: nnx.Rngs) -> Classifier:
        """The network for segments `[num_frames, num_bins]`, its parameters drawn from `rngs`.

        Raises:
          ValueError: the segments are too small. The message is one line with their size.
        """
