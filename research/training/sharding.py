"""Data parallelism: weights on every local device, each batch spread over them."""

from typing import Any, TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

T = TypeVar("T")


def make_mesh(batch_size: int) -> Mesh:
    """A mesh of local devices: as many as divide the batch size evenly."""
    devices = jax.local_devices()
    used = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return jax.make_mesh((used,), ("batch",), axis_types=(AxisType.Auto,), devices=devices[:used])


def replicate(tree: T, mesh: Mesh) -> T:
    """A copy of all arrays on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def replicated_shapes(tree: T, mesh: Mesh) -> T:
    """The shapes and types of arrays, with the sharding of `replicate`."""
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def shard(tree: Any, mesh: Mesh) -> Any:
    """Arrays split along their first axis, over all devices."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("batch")))
