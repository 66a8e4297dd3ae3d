"""Distribution of features: a sliced Wasserstein distance for each layer."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from research.products import matmul
from research.transfer.quantiles import quantiles, random_projections
from research.transfer.representations import Representations
from research.transfer.terms.base import Context, StyleTerm
from research.transfer.terms.distances import by_layer, mean_squared_error

_NUM_PROJECTIONS = 128
_STREAM = 2  # Of random numbers for the first layer; one more for each other layer.


class FeatureLevels(StyleTerm):
    """Transfers the distribution of the outputs of random filters and classifier layers."""

    name = "feature_levels"
    reads = ("features",)

    def make_constants(self, seed: int, feature_dims: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Random projections of each layer, `[dims, projections]`."""
        return {
            layer: random_projections([seed, _STREAM + i], num_dims, _NUM_PROJECTIONS)
            for i, (layer, num_dims) in enumerate(sorted(feature_dims.items()))
        }

    def observe(self, representations: Representations, context: Context) -> dict[str, jax.Array]:
        """Quantiles over positions of projected features, `[channels, quantiles, projections]`."""
        return {
            layer: quantiles(
                frames.map(lambda values, layer=layer: matmul(values, context.constants[layer]))
            )
            for layer, frames in representations.features.items()
        }

    def describe(self, observed: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """The quantiles themselves."""
        return observed

    def distance(
        self, observed: dict[str, jax.Array], target: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """Mean squared error of each layer."""
        return by_layer(mean_squared_error)(observed, target)

    def energy(self, target: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Mean square of each layer."""
        return by_layer(lambda layer: jnp.mean(jnp.square(layer)))(target)

    def count(self, observed: dict[str, jax.Array]) -> dict[str, float]:
        """1 for each layer, whose distance is a mean."""
        return by_layer(lambda layer: 1.0)(observed)
