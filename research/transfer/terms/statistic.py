"""Mean squared errors of statistics, for style terms whose observation has no time axis."""

from typing import Any

import jax.numpy as jnp

from research.transfer.terms.base import StyleTerm, Tree
from research.transfer.terms.distances import mean_squared_error


class Statistic(StyleTerm):
    """Mean squared error of a statistic; the observation is its own description.

    `observe` gives one array without a time axis, of the same shape for any length.
    """

    def describe(self, observed: Tree) -> Tree:
        """The statistic itself."""
        return observed

    def distance(self, observed: Any, target: Any) -> Any:
        """Mean squared error."""
        return mean_squared_error(observed, target)

    def energy(self, target: Any) -> Any:
        """Mean square."""
        return jnp.mean(jnp.square(target))
