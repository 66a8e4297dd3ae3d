"""The weighted sum of terms that a transfer minimises, evaluated for several takes at once."""

import functools
from typing import Any, Protocol

import jax
import numpy as np

from research.products import full_precision
from research.transfer.layout import lay_out


class Loss(Protocol):
    """A weighted sum of terms; hashable, since it is a static argument of jitted functions."""

    def terms(self, variable: jax.Array, targets: Any) -> dict[str, jax.Array]:
        """Unweighted terms by name, each a scalar."""
        ...


@functools.partial(jax.jit, static_argnames=("objective", "layout"))
def evaluate_each(variables, targets, weights, *, objective, layout):
    """Loss and terms of takes; arguments as of `minimise_each`."""

    @full_precision
    def evaluate_take(take, targets):
        variable, weights = take
        terms = objective.terms(variable, targets)
        return weighted_sum(terms, weights), terms

    return layout.each(evaluate_take, (variables, weights), targets)


@functools.partial(jax.jit, static_argnames=("objective", "layout"))
def differentiate_each(variables, targets, weights, *, objective, layout):
    """Loss, terms and gradient of takes; arguments as of `minimise_each`."""

    @full_precision
    def differentiate_take(take, targets):
        variable, weights = take

        def loss_of(variable):
            terms = objective.terms(variable, targets)
            return weighted_sum(terms, weights), terms

        (loss, terms), gradient = jax.value_and_grad(loss_of, has_aux=True)(variable)
        return loss, terms, gradient

    return layout.each(differentiate_take, (variables, weights), targets)


def evaluate(
    objective: Loss, variable: jax.Array | np.ndarray, targets: Any, weights: dict[str, float]
) -> tuple[float, dict[str, float]]:
    """Loss and unweighted terms of a variable, in float32 as in `minimise`."""
    loss, terms = evaluate_each(
        variable[None],
        targets,
        to_float32(of_one(weights)),
        objective=objective,
        layout=lay_out(jax.local_devices()[:1], targets, False),
    )
    return by_take(loss, terms)[0]


def weighted_sum(terms: dict[str, Any], weights: dict[str, Any]) -> Any:
    """`sum over terms of weight * term`."""
    return sum(weights[name] * terms[name] for name in terms)


def by_take(loss: jax.Array, terms: dict[str, jax.Array]) -> list[tuple[float, dict[str, float]]]:
    """Losses and terms `[takes]` as numbers of each take."""
    lists = {name: np.asarray(values).tolist() for name, values in terms.items()}
    return [
        (value, {name: values[take] for name, values in lists.items()})
        for take, value in enumerate(np.asarray(loss).tolist())
    ]


def of_one(weights: dict[str, float]) -> dict[str, list[float]]:
    """Weights of a single take as those of several."""
    return {name: [weight] for name, weight in weights.items()}


def to_float32(weights: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights as arrays."""
    with np.errstate(over="ignore"):  # To infinity, which makes the loss infinite.
        return {name: np.asarray(values, np.float32) for name, values in weights.items()}
