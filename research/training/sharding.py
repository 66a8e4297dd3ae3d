"""One copy of the weights and a part of the batch on each local device."""

from typing import TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

T = TypeVar("T")


def make_mesh(batch_size: int) -> Mesh:
    """Local devices in a row: all, or as many as a batch divides among without a rest."""
    devices = jax.local_devices()
    used = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return jax.make_mesh((used,), ("batch",), axis_types=(AxisType.Auto,), devices=devices[:used])


def replicate(tree: T, mesh: Mesh) -> T:
    """The whole tree on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def replicated_shapes(tree: T, mesh: Mesh) -> T:
    """Shapes and types of a tree, to be filled on every device."""
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def shard(tree: T, mesh: Mesh) -> T:
    """Each array split along its first axis."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("batch")))
