"""Gram matrices of features, `G(F) = F^T F / d` (Gatys et al. 2016)."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from research.products import einsum
from research.transfer.frames import Frames
from research.transfer.representations import Representations
from research.transfer.terms.base import Context, StyleTerm
from research.transfer.terms.distances import by_layer

DIVISORS: dict[str, Callable[[Frames, jax.Array | int], jax.Array | int]] = {
    "frames": lambda features, num_frames: features.count,
    "frames_filters": lambda features, num_frames: features.count * features.values.shape[2],
    "input_frames": lambda features, num_frames: num_frames,
}
"""The divisor `d` of features `[channels, feature_frames, filters]` of `num_frames` STFT frames."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GramFrames:
    """The frames that a Gram matrix is computed from, cheaper to compare with if there are few.

    Attributes:
      frames: `[channels, frames, filters]`.
      squared_norms: row sums of `(F F^T)^2`, `[channels, frames]`.
    """

    frames: jax.Array
    squared_norms: jax.Array


GramTarget = jax.Array | GramFrames


def gram(features: jax.Array) -> jax.Array:
    """`F^T F` of each channel, `[channels, frames, filters]` to `[channels, filters, filters]`."""
    return einsum("ctf,ctg->cfg", features, features)


def cheapest_gram(features: jax.Array, num_frames: int) -> GramTarget:
    """The cheaper form to compare features `[channels, num_frames, filters]` with."""
    if num_frames + features.shape[1] < features.shape[2]:
        return GramFrames(features, jnp.square(_products(features, features)).sum(axis=2))
    return gram(features)


def _products(left: jax.Array, right: jax.Array) -> jax.Array:
    return einsum("ctf,csf->cts", left, right)


def gram_distance(features: jax.Array, target: GramTarget) -> jax.Array:
    """`||X^T X - S^T S||^2`, summed over channels.

    With fewer frames than filters it is cheaper as `||X X^T||^2 - 2 ||X S^T||^2 + ||S S^T||^2`.
    """
    if not isinstance(target, GramFrames):
        return jnp.sum(jnp.square(gram(features) - target))
    frames = jnp.broadcast_to(target.frames, (features.shape[0], *target.frames.shape[1:]))
    own = jnp.square(_products(features, features)).sum(axis=2)
    shared = jnp.square(_products(features, frames))
    # The difference is small beside the norms. Taken frame by frame, it keeps its digits.
    return jnp.sum(own - shared.sum(axis=2)) + jnp.sum(target.squared_norms - shared.sum(axis=1))


def gram_energy(target: GramTarget) -> jax.Array:
    """`||S^T S||^2`, summed over channels."""
    if isinstance(target, GramFrames):
        return jnp.sum(target.squared_norms)
    return jnp.sum(jnp.square(target))


class Gram(StyleTerm):
    """Transfers the Gram matrices of random filters and classifier layers.

    `sum over layers ||G(F) - G(S)||^2`; the key `config.gram_divisor` chooses the divisor `d`.
    """

    name = "gram"
    reads = ("features", "log_magnitude")

    def observe(self, representations: Representations, context: Context) -> dict[str, jax.Array]:
        """`F / sqrt(d)` by layer, `[channels, positions, filters]`."""
        num_frames = representations.log_magnitude.count
        divisor = DIVISORS[context.gram_divisor]
        return {
            layer: features.values / jnp.sqrt(jnp.float32(divisor(features, num_frames)))
            for layer, features in representations.features.items()
        }

    def describe(self, observed: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Gram matrices by layer, `[1, filters, filters]`."""
        return by_layer(gram)(observed)

    def describe_for_length(
        self, observed: dict[str, jax.Array], num_frames: int
    ) -> dict[str, GramTarget]:
        """Gram matrices, or the frames that they are computed from if that is cheaper."""
        return by_layer(lambda layer: cheapest_gram(layer, num_frames))(observed)

    def distance(
        self, observed: dict[str, jax.Array], target: dict[str, GramTarget]
    ) -> dict[str, jax.Array]:
        """Squared error of Gram matrices."""
        return by_layer(gram_distance)(observed, target)

    def energy(self, target: dict[str, GramTarget]) -> dict[str, jax.Array]:
        """Squared norm of Gram matrices."""
        return by_layer(gram_energy)(target)

    def count(self, observed: dict[str, jax.Array]) -> dict[str, float]:
        """Entries of the Gram matrices."""
        return by_layer(lambda layer: float(layer.shape[0] * layer.shape[2] ** 2))(observed)
