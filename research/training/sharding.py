"""Data parallelism: weights on every local device, each batch spread over them."""

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

T = TypeVar("T")

_AXIS = "batch"


def make_mesh(batch_size: int) -> Mesh:
    """A mesh of local devices: as many as divide the batch size evenly."""
    devices = jax.local_devices()
    used = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    return _mesh(devices[:used])


def mesh_of(tree: Any) -> Mesh:
    """A mesh of the devices that hold a tree, such as a network; of the default one for NumPy."""
    devices = jnp.asarray(jax.tree.leaves(tree)[0]).devices()
    return _mesh(sorted(devices, key=lambda device: device.id))


def _mesh(devices: Sequence[Any]) -> Mesh:
    return jax.make_mesh((len(devices),), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices)


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
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(_AXIS)))
