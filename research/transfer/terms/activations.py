"""Squared error of features from their mean over the style, as in multicomp-hackathon (2017)."""

import jax
import jax.numpy as jnp

from research.transfer.frames import Frames
from research.transfer.representations import Representations
from research.transfer.terms.base import Context, StyleTerm
from research.transfer.terms.distances import by_layer, num_values


def _error_everywhere(observed: Frames, target: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(observed.map(lambda values: values - target).values))


class Activations(StyleTerm):
    """Transfers the mean output of random filters and classifier layers, to every position.

    It is zero for the style itself only if a layer has one position, such as a dense layer has for
    one segment.
    """

    name = "activations"
    reads = ("features",)

    def observe(self, representations: Representations, context: Context) -> dict[str, Frames]:
        """The features by layer, `[channels, positions, dims]`."""
        return representations.features

    def describe(self, observed: dict[str, Frames]) -> dict[str, jax.Array]:
        """Mean over positions, `[1, 1, dims]`."""
        return by_layer(Frames.mean)(observed)

    def distance(
        self, observed: dict[str, Frames], target: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """Sum of squared differences."""
        return by_layer(_error_everywhere)(observed, target)

    def energy(self, target: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Sum of squares."""
        return by_layer(lambda layer: jnp.sum(jnp.square(layer)))(target)

    def count(self, observed: dict[str, Frames]) -> dict[str, jax.Array]:
        """Size of each layer."""
        return by_layer(num_values)(observed)
