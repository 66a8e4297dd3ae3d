"""How gradients change the weights: the optimisers, the learning rate, and the moving average.

A new optimiser is one line in `OPTIMISERS`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import optax

from research.models.network import Variables

OPTIMISERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "adamw": optax.scale_by_adam,
    "sgd": functools.partial(optax.trace, decay=0.9, nesterov=True),
}
"""From gradients to the direction of a step, by `config.optimiser`.

Weight decay and the learning rate come after it, in `make_optimiser`.
"""

SCHEDULES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "constant": jnp.ones_like,
    "cosine": lambda left: jnp.square(jnp.sin(jnp.pi / 2 * left)),  # (1 + cos(pi (1 - left))) / 2
}
"""Learning rate after warm-up as a fraction of its maximum, by `config.schedule`.

A function of the fraction of the steps after warm-up that is left: 1 at first, and then towards 0.
"""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LearningRate:
    """An optax schedule: a linear warm-up, then a schedule of `SCHEDULES`.

    Its numbers are traced, so that another rate or training length compiles nothing.

    Attributes:
      maximum: the rate at the end of warm-up.
      num_steps: steps of the training.
      num_warmup_steps: steps of warm-up; the last of them has the maximum.
      schedule: name in `SCHEDULES`.
    """

    maximum: jax.Array
    num_steps: jax.Array
    num_warmup_steps: jax.Array
    schedule: str = dataclasses.field(metadata={"static": True})

    @classmethod
    def of(
        cls, maximum: float, num_steps: int, num_warmup_steps: int = 0, schedule: str = "constant"
    ) -> Self:
        """The learning rate of these numbers."""
        return cls(
            jnp.float32(maximum), jnp.int32(num_steps), jnp.int32(num_warmup_steps), schedule
        )

    def __call__(self, count: jax.typing.ArrayLike) -> jax.Array:
        """The rate of the step that follows `count` steps."""
        count = jnp.asarray(count)
        warmup = (count + 1) / jnp.maximum(self.num_warmup_steps, 1)
        length = jnp.maximum(self.num_steps - self.num_warmup_steps, 1)
        decay = SCHEDULES[self.schedule]((self.num_steps - count) / length)
        return self.maximum * jnp.where(count < self.num_warmup_steps, warmup, decay)


def make_optimiser(
    name: str, learning_rate: optax.Schedule, weight_decay: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """The optimiser of a training.

    A step subtracts `learning_rate(count) * (direction + weight_decay * params)`; only arrays of
    more than one axis decay (AdamW, Loshchilov & Hutter 2019).

    Args:
      name: of the direction, in `OPTIMISERS`.
      learning_rate: of each step, by the number of steps before it.
      weight_decay: of the parameters.

    Returns:
      An optimiser whose state is a dict; `state["direction"]` is that of the member of
      `OPTIMISERS`, and all else in it is known from the number of steps.
    """
    transforms = [("direction", OPTIMISERS[name]())]
    if weight_decay:
        decay = optax.add_decayed_weights(weight_decay, mask=_has_axes)
        transforms.append(("decay", decay))
    transforms.append(("learning_rate", optax.scale_by_learning_rate(learning_rate)))
    return optax.named_chain(*transforms)


def _has_axes(params: Any) -> Any:
    return jax.tree.map(lambda array: array.ndim > 1, params)


def update_average(
    average: Variables, new: Variables, averaging: float, step: jax.Array
) -> Variables:
    """The moving average of variables after one more step.

    It keeps a fraction `min(averaging, (step + 2) / (step + 11))` of itself: the first steps count
    less, because they are the farthest from the last.

    Args:
      average: before the step.
      new: variables after the step.
      averaging: the fraction in the long run.
      step: number of the step, from 0.
    """
    kept = jnp.minimum(averaging, (step + 2) / (step + 11))
    updated: Any = optax.incremental_update(new, average, 1 - kept)
    return updated
