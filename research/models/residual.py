"""A residual network and a perceptron on statistics, side by side, for log-mel frames."""

import dataclasses
import functools
import itertools
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from research.models.base import Classifier, NetworkConfig
from research.models.discriminant import Discriminant
from research.models.layers import Standardise
from research.models.texture import MIN_BINS, MIN_FRAMES, texture
from research.settings import between, fraction

_conv = functools.partial(nnx.Conv, use_bias=False, kernel_init=nnx.initializers.he_normal())
_linear = functools.partial(nnx.Linear, use_bias=False, kernel_init=nnx.initializers.he_normal())
# A block starts close to its shortcut.
_FIRST_GAIN = 0.2


@dataclasses.dataclass(frozen=True)
class ResidualConfig(NetworkConfig):
    """Architecture of the two branches.

    Attributes:
      stem: filters of the first convolution, 5 by 5 with a stride of 2 by 2.
      widths: filters of each residual block; each block follows a pooling by two.
      hidden: units of the branch on statistics.
      dropout: fraction dropped of the input of the last layer of the convolutional branch, and of
        the statistics.
      hidden_dropout: fraction of the hidden units dropped.
      centre: True to subtract the mean over time from each bin before the convolutions, which
        makes them invariant to the level and the equalisation of a recording.
      discriminant: weight of a linear discriminant in the logits, where the branches have the rest;
        0 for none.
      atoms: size of the dictionary of the discriminant.
    """

    name: ClassVar[str] = "residual"

    stem: int = between(16, 1, 16384)
    widths: tuple[int, ...] = between((32, 64, 128), 1, 16384)
    hidden: int = between(192, 1, 65536)
    dropout: float = fraction(0.3)
    hidden_dropout: float = fraction(0.5)
    centre: bool = False
    discriminant: float = fraction(0.0)
    atoms: int = between(1200, 1, 65536)

    def build(self, num_frames: int, num_bins: int, num_classes: int, rngs: nnx.Rngs) -> "Residual":
        """The network.

        Raises:
          ValueError: a segment is too small for the poolings or the statistics.
        """
        return Residual(self, num_frames, num_bins, num_classes, rngs)


class Block(nnx.Module):
    """`relu(f(x) + shortcut(x))`, `f` two convolutions 3 by 3 (He et al. 2016)."""

    def __init__(self, num_in: int, num_out: int, rngs: nnx.Rngs):
        self.first = _ConvNorm(num_in, num_out, 3, rngs)
        self.second = _ConvNorm(num_out, num_out, 3, rngs, gain=_FIRST_GAIN)
        self.shortcut = _conv(num_in, num_out, (1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[batch, frames, bins, num_in]` to `[batch, frames, bins, num_out]`."""
        return jax.nn.relu(self.second(jax.nn.relu(self.first(x))) + self.shortcut(x))


class _ConvNorm(nnx.Module):
    """A square convolution and batch normalisation."""

    def __init__(
        self,
        num_in: int,
        num_out: int,
        width: int,
        rngs: nnx.Rngs,
        stride: int = 1,
        gain: float = 1.0,
    ):
        self.conv = _conv(num_in, num_out, (width, width), strides=(stride, stride), rngs=rngs)
        self.norm = _norm(num_out, rngs, gain)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.norm(self.conv(x))


class Residual(Classifier):
    """A residual network, and a perceptron on statistics of the same frames (`texture`).

    Each branch has its own logits and its own loss, so that the one that learns faster does not
    stop the other from learning. The logits are the mean of the branches' log-probabilities,
    or the weighted mean of that and the logits of a `Discriminant`, which is not trained by
    gradients.
    On 128 frames by 128 bins and ten classes it has 512 062 parameters.
    """

    heads: ClassVar[tuple[str, ...]] = ("picture_logits", "texture_logits")

    def __init__(
        self,
        config: ResidualConfig,
        num_frames: int,
        num_bins: int,
        num_classes: int,
        rngs: nnx.Rngs,
    ):
        least = max(2 ** (1 + len(config.widths)), MIN_FRAMES)
        if num_frames < least or num_bins < max(least, MIN_BINS):
            raise ValueError(
                f"a segment of {num_frames} frames by {num_bins} bins is too small; it takes "
                f"{least} by {max(least, MIN_BINS)}"
            )
        self.centre = config.centre
        self.standardise = Standardise(num_bins)
        self.stem = _ConvNorm(1, config.stem, 5, rngs, stride=2)
        sizes = (config.stem, *config.widths)
        self.blocks = nnx.List(Block(*pair, rngs) for pair in itertools.pairwise(sizes))
        self.pooled_norm = _norm(2 * sizes[-1], rngs)
        self.picture_head = nnx.Linear(2 * sizes[-1], num_classes, rngs=rngs)

        segment = jax.ShapeDtypeStruct((1, num_frames, num_bins), jnp.float32)
        num_statistics = jax.eval_shape(texture, segment).shape[1]
        self.texture_norm = _norm(num_statistics, rngs)
        self.hidden = _linear(num_statistics, config.hidden, rngs=rngs)
        self.hidden_norm = _norm(config.hidden, rngs)
        self.texture_head = nnx.Linear(config.hidden, num_classes, rngs=rngs)
        self.discriminant_weight = config.discriminant
        if config.discriminant:
            self.discriminant = Discriminant(num_frames, num_bins, num_classes, config.atoms)
        self.dropout = nnx.Dropout(config.dropout)
        self.hidden_dropout = nnx.Dropout(config.hidden_dropout)

    def __call__(
        self, spectrogram: jax.Array, rngs: nnx.Rngs | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits and the activations `stem`, `block1`, `block2`, ..., `features`, and all logits.

        Stem and blocks are `[batch, frames, bins, filters]`. `picture_logits` and `texture_logits`
        are those of the branches; `features` joins the last hidden layers of both.
        """
        x = self.standardise(spectrogram)
        if self.centre:
            x = x - x.mean(1, keepdims=True)
        x = jax.nn.relu(self.stem(x[..., None]))
        activations = {"stem": x}
        for i, block in enumerate(self.blocks, 1):
            x = activations[f"block{i}"] = block(nnx.avg_pool(x, (2, 2), (2, 2)))
        x = x.mean(2)
        pooled = self.pooled_norm(jnp.concatenate([x.mean(1), x.max(1)], axis=-1))
        picture = self.picture_head(self.dropout(pooled, rngs=rngs))

        statistics = self.texture_norm(texture(spectrogram))
        hidden = self.hidden(self.dropout(statistics, rngs=rngs))
        hidden = jax.nn.relu(self.hidden_norm(hidden))
        texture_logits = self.texture_head(self.hidden_dropout(hidden, rngs=rngs))

        logits = (jax.nn.log_softmax(picture) + jax.nn.log_softmax(texture_logits)) / 2
        if self.discriminant_weight:
            weight = self.discriminant_weight
            logits = (1 - weight) * logits + weight * self.discriminant(spectrogram)
        activations["features"] = jnp.concatenate([pooled, hidden], axis=-1)
        activations |= {"picture_logits": picture, "texture_logits": texture_logits}
        activations["logits"] = logits
        return logits, activations


def _norm(size: int, rngs: nnx.Rngs, gain: float = 1.0) -> nnx.BatchNorm:
    return nnx.BatchNorm(size, momentum=0.9, scale_init=nnx.initializers.constant(gain), rngs=rngs)
