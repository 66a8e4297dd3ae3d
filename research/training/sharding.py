"""Data parallelism: weights on every device, each batch spread over them.

The devices are those of this process, or of all processes of a run, see `research.processes`.
"""

import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from research.errors import InputError

T = TypeVar("T")

_AXIS = "batch"


def make_mesh(batch_size: int, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh of devices: as many as divide the batch size evenly, the same number of each process.

    Args:
      batch_size: segments in a batch.
      devices: of jax; those of this process by default.

    Raises:
      InputError: the batch does not divide among the processes.
    """
    devices = jax.local_devices() if devices is None else devices
    own: dict[int, list[Any]] = {}
    for device in devices:
        own.setdefault(device.process_index, []).append(device)
    if batch_size % len(own):
        raise InputError(
            f"config.batch_size {batch_size} does not divide among {len(own)} processes; give a "
            f"multiple of {len(own)}"
        )
    each = min(map(len, own.values()))
    used = max(n for n in range(1, each + 1) if batch_size % (n * len(own)) == 0)
    return _mesh([device for group in own.values() for device in group[:used]])


def mesh_of(tree: Any) -> Mesh:
    """A mesh of the devices that hold a tree, such as a network; of the default one for NumPy."""
    devices = jnp.asarray(jax.tree.leaves(tree)[0]).devices()
    return _mesh(sorted(devices, key=lambda device: device.id))


def _mesh(devices: Sequence[Any]) -> Mesh:
    return jax.make_mesh((len(devices),), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicate(tree: T, mesh: Mesh) -> T:
    """A copy of all arrays on every device."""
    return _put(tree, NamedSharding(mesh, PartitionSpec()))


def replicated_shapes(tree: T, mesh: Mesh) -> T:
    """The shapes and types of arrays, with the sharding of `replicate`."""
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def shard(tree: Any, mesh: Mesh) -> Any:
    """Arrays split along their first axis, over all devices."""
    return _put(tree, NamedSharding(mesh, PartitionSpec(_AXIS)))


def gather(tree: Any, mesh: Mesh) -> Any:
    """The opposite of `shard`, as NumPy arrays, in every process."""
    if mesh.is_multi_process:
        tree = _copy_to_all(NamedSharding(mesh, PartitionSpec()))(tree)
    return jax.device_get(tree)


@functools.cache
def _copy_to_all(sharding: NamedSharding) -> Any:
    return jax.jit(lambda tree: tree, out_shardings=sharding)


def _put(tree: Any, sharding: NamedSharding) -> Any:
    """Arrays that every process holds as a whole, of which each device gets what it needs."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def put(leaf: jax.Array | np.ndarray) -> jax.Array:
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    return jax.tree.map(put, tree)
