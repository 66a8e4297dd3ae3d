"""Where takes are computed: spread over devices, and side by side on each of them.

A take is one output of a run; here it is one variable with the weights and targets of its loss.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class Layout:
    """Hashable, so that it can be a static argument of a jitted function.

    Attributes:
      mesh: the devices along one axis, "takes".
      own: for each leaf of the targets, True if it is stacked, one for each take; False if all
        takes share it.
    """

    mesh: jax.sharding.Mesh
    own: tuple[bool, ...]

    def each(self, function: Callable, takes: Any, targets: Any) -> Any:
        """Map `function(take, targets)` over takes; each device goes on by itself.

        Args:
          function: of one take, without the leading dimension.
          takes: a pytree of `[takes, ...]`.
          targets: a pytree; leaves that are `own` are `[takes, ...]`.
        """
        leaves, structure = jax.tree.flatten(targets)

        def with_targets(take, own, shared):
            own, shared = iter(own), iter(shared)
            merged = [next(own if is_own else shared) for is_own in self.own]
            return function(take, jax.tree.unflatten(structure, merged))

        def on_device(takes, own, shared):
            if len(jax.tree.leaves(takes)[0]) > 1:
                return jax.vmap(with_targets, in_axes=(0, 0, None))(takes, own, shared)
            # Without a dimension for the takes, loops and branches stay what they are.
            take, own = jax.tree.map(lambda x: x[0], (takes, own))
            return jax.tree.map(lambda x: x[None], with_targets(take, own, shared))

        by_kind = [
            [leaf for leaf, is_own in zip(leaves, self.own, strict=True) if is_own == kind]
            for kind in (True, False)
        ]
        spread, whole = self.spread.spec, jax.sharding.PartitionSpec()
        return jax.shard_map(
            on_device,
            mesh=self.mesh,
            in_specs=(spread, spread, whole),
            out_specs=spread,
            check_vma=False,
        )(takes, *by_kind)

    @property
    def spread(self) -> jax.sharding.NamedSharding:
        """Sharding of arrays `[takes, ...]`."""
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec("takes"))


def lay_out(devices: Sequence[Any], targets: Any, own: Any) -> Layout:
    """The layout over jax devices; `own` is a prefix of the pytree `targets`, see `Layout.own`."""
    mesh = jax.sharding.Mesh(np.array(devices), ("takes",))
    return Layout(mesh, tuple(jax.tree.leaves(jax.tree.broadcast(own, targets))))
