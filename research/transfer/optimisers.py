"""The optimisers of a transfer, and how they are configured."""

import dataclasses
from collections.abc import Callable

import optax

from research.settings import above, at_least, between, one_of


@dataclasses.dataclass(frozen=True)
class Optimiser:
    """The contract of an optimiser.

    Attributes:
      make: the optax transformation. `update` gets `value`, `grad` and `value_fn` by these names.
      searches_line: True if the transformation ends in an optax line search. Its state then holds
        `value` and `grad` of the current iterate, so that they are not computed again, and
        `num_linesearch_steps`, the evaluations of the last iteration.
    """

    make: Callable[["OptimiserConfig"], optax.GradientTransformationExtraArgs]
    searches_line: bool = False


def _lbfgs(config: "OptimiserConfig") -> optax.GradientTransformationExtraArgs:
    search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=config.max_linesearch_steps, initial_guess_strategy="one"
    )
    return optax.lbfgs(memory_size=config.memory_size, linesearch=search)


def _adam(config: "OptimiserConfig") -> optax.GradientTransformationExtraArgs:
    return optax.with_extra_args_support(optax.adam(config.learning_rate))


OPTIMISERS = {
    "lbfgs": Optimiser(_lbfgs, searches_line=True),
    "adam": Optimiser(_adam),
}


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """How a loss is minimised.

    Attributes:
      name: one of `OPTIMISERS`, such as `lbfgs` with a zoom line search.
      learning_rate: of optimisers without a line search.
      memory_size: pairs of steps and gradient differences that L-BFGS keeps.
      max_linesearch_steps: evaluations that one L-BFGS iteration may take.
      unrolled: True if the iterations of a chunk follow each other in the program, not in a loop.
        It compiles longer, and convolutions on CPU run six times as fast; but not those of a line
        search, which is a loop itself.
      log_every: iterations a chunk. The history has the loss of every iteration, and the terms at
        the end of every chunk.
      patience: iterations without progress after which to stop; 0 never stops early.
      tolerance: relative decrease of the best loss that counts as progress.
    """

    name: str = one_of("lbfgs", OPTIMISERS)
    learning_rate: float = above(0.01, 0)
    memory_size: int = between(12, 1, 1000)
    max_linesearch_steps: int = between(20, 1, 1000)
    unrolled: bool = False
    log_every: int = at_least(10, 1)
    patience: int = at_least(20, 0)
    tolerance: float = at_least(1e-3, 0)
