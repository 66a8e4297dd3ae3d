"""The arrays of a network in one small file, for use and not for going on with training."""

import pathlib
import zipfile
import zlib
from typing import Any

import jax
import numpy as np

from research.errors import InputError
from research.files import written_whole
from research.models.network import Variables

# What numpy and zipfile raise of a file that is something else, or whose bytes are not as written.
_DAMAGED = (
    *(ValueError, TypeError, AttributeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def save_weights(path: pathlib.Path, variables: Variables) -> None:
    """Write the arrays of a network: what was trained in half precision, the rest in single.

    Statistics that normalise may lie far below what half precision can tell from 0.
    """
    kinds = {"params": np.float16, "stats": np.float32}
    arrays = {
        name: np.asarray(array, kinds[name.split("/")[0]])
        for name, array in _by_name(variables).items()
    }
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_weights(path: pathlib.Path, like: Variables) -> Variables:
    """The arrays of a network that `save_weights` wrote, single precision.

    Args:
      path: of the file.
      like: arrays of the network that they are for, or shapes in their place.

    Raises:
      InputError: the file is missing or damaged, or of another network.
    """
    mend = "get it anew from where it came"
    try:
        with path.open("rb") as file, np.load(file) as archive:
            found = {name: archive[name].astype(np.float32) for name in archive.files}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {mend}") from error
    except _DAMAGED as error:
        raise InputError(f"{path} is damaged, or no file of weights ({error}); {mend}") from error
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
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in wanted])


def _by_name(variables: Variables) -> dict[str, Any]:
    """Arrays by names such as `params/head/kernel`, in the order of the tree."""
    leaves, _ = jax.tree.flatten_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
