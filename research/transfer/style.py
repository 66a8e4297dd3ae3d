"""What is taken from a style: terms that compare an output with what is known of it.

What is known of a style is its description: a pytree of arrays without time, so that it may be
saved, averaged with others, and met by an output of any length.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.transfer import statistics
from research.transfer.content import by_layer, mean_squared, squared_error
from research.transfer.statistics import Projections
from research.transfer.views import Views

Observation = Any  # A pytree of arrays.


class StyleTerm(NamedTuple):
    """One thing that is asked of an output for the style's sake.

    Distances are scalars, or one a layer of features.

    Attributes:
      observe: what is compared, from what is seen.
      describe: what is kept of a style's observation.
      distance: of an observation and a description; zero for a piece and its own.
      energy: of a description: its distance from nothing.
      count: squared errors that a distance adds up; 1 where it is a mean.
    """

    observe: Callable[[Views, Projections], Observation]
    describe: Callable[[Observation], Observation]
    distance: Callable[[Observation, Observation], Observation]
    energy: Callable[[Observation], Observation]
    count: Callable[[Observation], Observation]


def _of_statistic(statistic: Callable[[Views, Projections], jax.Array]) -> StyleTerm:
    """Mean squared error of a statistic."""
    return StyleTerm(
        observe=statistic,
        describe=lambda observed: observed,
        distance=mean_squared,
        energy=lambda described: jnp.mean(jnp.square(described)),
        count=lambda observed: 1.0,
    )


GRAM_DIVISORS = ("frames", "frames_filters", "input_frames")


def gram(features: jax.Array) -> jax.Array:
    """`F^T F` of each channel, `[channels, frames, filters]` to `[channels, filters, filters]`."""
    return jnp.einsum("ctf,ctg->cfg", features, features)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GramFrames:
    """The frames that a Gram matrix comes from, which are the cheaper way to it where they are few.

    Attributes:
      frames: `[channels, frames, filters]`.
      squared_norms: row sums of `(F F^T)^2`, `[channels, frames]`.
    """

    frames: jax.Array
    squared_norms: jax.Array


Gram = GramFrames | jax.Array


def cheapest_gram(features: jax.Array, num_frames: int) -> Gram:
    """The form to compare features `[channels, num_frames, filters]` with."""
    if num_frames + features.shape[1] < features.shape[2]:
        return GramFrames(features, jnp.square(_products(features, features)).sum(axis=2))
    return gram(features)


def _products(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.einsum("ctf,csf->cts", left, right)


def gram_distance(features: jax.Array, target: Gram) -> jax.Array:
    """`||X^T X - S^T S||^2`, over all channels.

    With fewer frames than filters it is cheaper as `||X X^T||^2 - 2 ||X S^T||^2 + ||S S^T||^2`.
    """
    if not isinstance(target, GramFrames):
        return jnp.sum(jnp.square(gram(features) - target))
    frames = jnp.broadcast_to(target.frames, (features.shape[0], *target.frames.shape[1:]))
    own = jnp.square(_products(features, features)).sum(axis=2)
    shared = jnp.square(_products(features, frames))
    # The difference is small beside the norms: taken frame by frame, it keeps its digits.
    return jnp.sum(own - shared.sum(axis=2)) + jnp.sum(target.squared_norms - shared.sum(axis=1))


def _gram_energy(target: Gram) -> jax.Array:
    if isinstance(target, GramFrames):
        return jnp.sum(target.squared_norms)
    return jnp.sum(jnp.square(target))


def gram_divisor(kind: str, features: jax.Array, num_frames: int) -> float:
    """`d` in `G(F) = F^T F / d`, for `[channels, feature_frames, filters]`.

    "frames" counts feature frames, "input_frames" those of the spectrogram, "frames_filters"
    multiplies feature frames by filters.
    """
    divisors = {
        "frames": features.shape[1],
        "input_frames": num_frames,
        "frames_filters": features.shape[1] * features.shape[2],
    }
    return float(divisors[kind])


def _gram_term(divisor: str) -> StyleTerm:
    """Squared error of Gram matrices of features, `sum_l ||G(F_l) - G(S_l)||^2`.

    `G(F) = F^T F / d` (Gatys et al. 2016).
    """

    def observe(views: Views, projections: Projections) -> dict[str, jax.Array]:
        num_frames = views.log_magnitude.shape[1]
        return {
            name: values / gram_divisor(divisor, values, num_frames) ** 0.5
            for name, values in views.features.items()
        }

    return StyleTerm(
        observe=observe,
        describe=by_layer(gram),
        distance=by_layer(gram_distance),
        energy=by_layer(_gram_energy),
        count=by_layer(lambda observed: float(observed.shape[0] * observed.shape[2] ** 2)),
    )


_STATISTICS = {
    "bands": statistics.band_levels,
    "spectrum": statistics.spectrum,
    "patches": statistics.patch_levels,
    "fast_patches": statistics.fast_patch_levels,
    "correlation": statistics.band_correlation,
}
# Of the features: their mean, as the first system had it with one position, and their distribution.
_ACTIVATIONS = StyleTerm(
    observe=lambda views, projections: views.features,
    describe=by_layer(lambda observed: observed.mean(axis=1, keepdims=True)),
    distance=by_layer(squared_error),
    energy=by_layer(lambda described: jnp.sum(jnp.square(described))),
    count=by_layer(lambda observed: float(observed.size)),
)
_FEATURE_LEVELS = StyleTerm(
    observe=statistics.feature_levels,
    describe=lambda observed: observed,
    distance=by_layer(mean_squared),
    energy=by_layer(lambda described: jnp.mean(jnp.square(described))),
    count=by_layer(lambda observed: 1.0),
)


def style_terms(gram_divisor: str) -> dict[str, StyleTerm]:
    """All style terms by name; "gram" with the given divisor."""
    return {
        "gram": _gram_term(gram_divisor),
        "activations": _ACTIVATIONS,
        "feature_levels": _FEATURE_LEVELS,
        **{name: _of_statistic(statistic) for name, statistic in _STATISTICS.items()},
    }
