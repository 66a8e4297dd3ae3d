"""A network as jax sees it: a structure that is static, and arrays that go in and come out."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from research.errors import InputError
from research.models.mlp import Mlp, MlpConfig
from research.models.multi_channel import MultiChannel, MultiChannelConfig
from research.models.residual import Residual, ResidualConfig
from research.models.single_channel import SingleChannel, SingleChannelConfig

NetworkConfig = MultiChannelConfig | SingleChannelConfig | ResidualConfig | MlpConfig
NETWORKS = {
    kind.name: kind for kind in (MultiChannelConfig, SingleChannelConfig, ResidualConfig, MlpConfig)
}
_NETWORKS = {
    MultiChannelConfig: MultiChannel,
    SingleChannelConfig: SingleChannel,
    ResidualConfig: Residual,
    MlpConfig: Mlp,
}


class Variables(NamedTuple):
    """The arrays of a network, nested dicts by layer.

    Attributes:
      params: what is trained.
      stats: running statistics of batch normalisation, and what standardises the input; empty
        without either.
    """

    params: dict[str, Any]
    stats: dict[str, Any]


def init(
    config: NetworkConfig, shape: tuple[int, int], num_classes: int, seed: int
) -> tuple[nnx.GraphDef, Variables]:
    """Structure and first arrays of a network for segments of `(frames, bins)`.

    Raises:
      InputError: the segments do not fit the network.
    """
    try:
        network = _NETWORKS[type(config)](config, *shape, num_classes, nnx.Rngs(seed))
    except ValueError as error:
        raise InputError(
            f"{error}; raise config.segments.seconds or take another config.model"
        ) from error
    structure, *states = nnx.split(network, nnx.Param, ...)
    return structure, Variables(*map(nnx.to_pure_dict, states))


@functools.lru_cache(maxsize=4)
def init_shapes(
    config: NetworkConfig, shape: tuple[int, int], num_classes: int
) -> tuple[nnx.GraphDef, Variables]:
    """Structure of a network, and shapes and types in the place of its arrays.

    Raises:
      InputError: the segments do not fit the network.
    """
    found = []

    def build() -> Variables:
        structure, variables = init(config, shape, num_classes, seed=0)
        found.append(structure)
        return variables

    variables = jax.eval_shape(build)
    return found[0], variables


def apply(
    structure: nnx.GraphDef, variables: Variables, spectrogram: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Logits and activations as for new music: nothing dropped, running statistics.

    `[batch, frames, bins]` to `[batch, classes]` and a dict of arrays by name.
    """
    network = nnx.merge(structure, *variables, copy=True)
    network = nnx.view(
        network, deterministic=True, use_running_average=True, raise_if_not_found=False
    )
    return network(spectrogram)


def apply_training(
    structure: nnx.GraphDef, variables: Variables, spectrogram: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
    """Logits as in training, units dropped by `key`; those of each head; next running statistics.

    The heads are what is trained, `[heads, batch, classes]`; most networks have one, their logits.
    """
    network = nnx.merge(structure, *variables, copy=True)
    network = nnx.view(
        network, deterministic=False, use_running_average=False, raise_if_not_found=False
    )
    logits, activations = network(spectrogram, nnx.Rngs(dropout=key))
    heads = jnp.stack([activations[name] for name in getattr(network, "heads", ("logits",))])
    return logits, heads, nnx.to_pure_dict(nnx.state(network, nnx.BatchStat))


def num_parameters(variables: Variables) -> int:
    """How many numbers are trained."""
    return sum(leaf.size for leaf in jax.tree.leaves(variables.params))
