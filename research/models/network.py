"""A network as a pytree: its arrays are leaves, its structure is static."""

import dataclasses
import functools
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from flax import nnx

from research.errors import InputError
from research.models.base import NetworkConfig


class Variables(NamedTuple):
    """The arrays of a network, nested dicts by layer.

    Attributes:
      params: trained by gradients.
      stats: running statistics of batch normalisation, and what is measured on the training
        segments before the first step; empty without either.
    """

    params: dict[str, Any]
    stats: dict[str, Any]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Network:
    """A network and its arrays; see `research.models.base` for what a network is.

    Attributes:
      variables: the arrays.
      structure: everything else, hashable and the same for all seeds.
    """

    variables: Variables
    structure: nnx.GraphDef = dataclasses.field(metadata={"static": True})

    @classmethod
    def init(
        cls, config: NetworkConfig, shape: tuple[int, int], num_classes: int, seed: int
    ) -> Self:
        """A network that is not trained, for segments `(num_frames, num_bins)`.

        Raises:
          InputError: the segments are too small for the network.
        """
        try:
            return cls(*_init(config, shape, num_classes, jax.random.key(seed)))
        except ValueError as error:
            raise InputError(
                f"{error}; raise config.segments.seconds or choose another config.model"
            ) from error

    @classmethod
    def shapes(cls, config: NetworkConfig, shape: tuple[int, int], num_classes: int) -> "Network":
        """The network of `init` with a `jax.ShapeDtypeStruct` in place of each array.

        Raises:
          InputError: the segments are too small for the network.
        """
        return _shapes(config, shape, num_classes)

    @property
    def num_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.variables.params))

    def with_variables(self, variables: Variables) -> Self:
        """The same structure with other arrays."""
        return dataclasses.replace(self, variables=variables)

    def with_layer(self, name: str, **arrays: Any) -> Self:
        """The network with the statistics of a layer replaced by `arrays`, all that it has."""
        return self.with_variables(
            self.variables._replace(stats=self.variables.stats | {name: arrays})
        )

    def module(self) -> Any:
        """The module with a copy of the arrays."""
        return nnx.merge(self.structure, *self.variables, copy=True)

    def __call__(self, spectrogram: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Logits and activations as in use: without dropout, with running statistics.

        `[batch, frames, bins]` to `[batch, classes]`, and a dict of arrays by name.
        """
        module = nnx.view(
            self.module(), deterministic=True, use_running_average=True, raise_if_not_found=False
        )
        return module(spectrogram)

    def apply_training(
        self, spectrogram: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
        """Logits as in training: with dropout by `key`, and statistics of the batch.

        Returns:
          Logits `[batch, classes]`, the activations that are trained `[heads, batch, classes]`,
          and the next running statistics.
        """
        module = nnx.view(
            self.module(), deterministic=False, use_running_average=False, raise_if_not_found=False
        )
        logits, activations = module(spectrogram, nnx.Rngs(dropout=key))
        heads = jnp.stack([activations[name] for name in module.heads])
        return logits, heads, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))


# One program for all arrays, and not one for the shape of each.
@functools.partial(jax.jit, static_argnames=("config", "shape", "num_classes"))
def _init(
    config: NetworkConfig, shape: tuple[int, int], num_classes: int, key: jax.Array
) -> tuple[Variables, nnx.GraphDef]:
    module = config.build(*shape, num_classes, nnx.Rngs(key))
    structure, params, stats = nnx.split(module, nnx.Param, ...)
    return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(stats)), structure


@functools.lru_cache(maxsize=4)
def _shapes(config: NetworkConfig, shape: tuple[int, int], num_classes: int) -> Network:
    return jax.eval_shape(lambda: Network.init(config, shape, num_classes, seed=0))
