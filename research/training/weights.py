"""The arrays of a network in one small file, for use and not for going on with training."""

import pathlib
import zipfile
import zlib
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from research.errors import InputError
from research.files import written_whole
from research.models.classifier import Variables

# What numpy and zipfile raise of a file that is something else, or whose bytes are not as written.
_DAMAGED = (
    *(ValueError, TypeError, AttributeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def save_weights(path: pathlib.Path, variables: Variables) -> None:
    """Write the arrays of a network: what was trained in half precision, the rest in single.

    Statistics that normalise may lie far below what half precision can tell from 0.
    """
    params, stats = map(_flat, jax.device_get(variables))
    arrays = {f"params/{name}": array.astype(np.float16) for name, array in params.items()}
    arrays |= {f"stats/{name}": array.astype(np.float32) for name, array in stats.items()}
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
    wanted = {
        f"{kind}/{name}": array.shape
        for kind, arrays in like._asdict().items()
        for name, array in _flat(arrays).items()
    }
    mend = "get it anew from where it came"
    try:
        with path.open("rb") as file, np.load(file) as archive:
            found = {name: archive[name].astype(np.float32) for name in archive.files}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {mend}") from error
    except _DAMAGED as error:
        raise InputError(f"{path} is damaged, or no file of weights ({error}); {mend}") from error
    for name in sorted(wanted.keys() | found.keys()):
        shapes = [str(shapes.get(name, "none")) for shapes in (_shapes(found), wanted)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{path} is of another network: {name} is {shapes[0]}, and config.model makes it "
                f"{shapes[1]}"
            )
    parts: dict[str, dict[tuple, Any]] = {kind: {} for kind in Variables._fields}
    for kind, arrays in like._asdict().items():
        for key in traverse_util.flatten_dict(arrays):
            parts[kind][key] = found[f"{kind}/{_name(key)}"]
    return Variables(**{kind: traverse_util.unflatten_dict(part) for kind, part in parts.items()})


def _flat(arrays: dict[str, Any]) -> dict[str, Any]:
    return {_name(key): array for key, array in traverse_util.flatten_dict(arrays).items()}


def _name(key: tuple) -> str:
    return "/".join(map(str, key))


def _shapes(arrays: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}
