"""The arrays of a network in one small file, to use it; training cannot continue from it."""

import pathlib
from typing import Any

import jax
import numpy as np

from research.arrays import load_arrays
from research.errors import InputError
from research.files import atomic_write
from research.models.network import Variables


def save_weights(path: pathlib.Path, variables: Variables) -> None:
    """Write parameters and matrices in half precision, and other statistics in single precision.

    Variances may be too small for half precision.

    Raises:
      InputError: the file cannot be written.
    """
    arrays: dict[str, Any] = {
        name: np.asarray(
            array, np.float32 if name.startswith("stats") and np.ndim(array) < 2 else np.float16
        )
        for name, array in _by_name(variables).items()
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_weights(path: pathlib.Path, like: Variables) -> Variables:
    """The arrays that `save_weights` wrote, in single precision.

    Args:
      path: of the file.
      like: arrays of the same network, or `jax.ShapeDtypeStruct` in their place.

    Raises:
      InputError: the file is missing or damaged, or of another network.
    """
    hint = "get it again from where it came"
    found = load_arrays(path, "weights", hint)
    for name, array in found.items():
        if array.dtype.kind != "f":
            raise InputError(f"{path} has {name} of {array.dtype}, not of floats; {hint}")
    wanted = _by_name(like)
    for name in sorted(wanted.keys() | found.keys()):
        shapes = [
            str(arrays[name].shape) if name in arrays else "none" for arrays in (found, wanted)
        ]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{path} is of another network: {name} is {shapes[0]}, and config.model makes it "
                f"{shapes[1]}"
            )
    return jax.tree.unflatten(
        jax.tree.structure(like), [np.asarray(found[name], np.float32) for name in wanted]
    )


def _by_name(variables: Variables) -> dict[str, Any]:
    """Arrays by names such as `params/head/kernel`, in the order of the tree."""
    leaves, _ = jax.tree.flatten_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
