"""The file that keeps the description of a style, without its audio."""

import json
import os
import pathlib
import shlex
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.arrays import load_arrays
from research.errors import InputError
from research.files import atomic_write
from research.transfer.objective import Style

# Of the format; raise it when the arrays or their meaning change.
_VERSION = 1
_SUFFIX = ".npz"
_ABOUT = ("version", "front_end", "origin")
_HINT = "make it anew by run_transfer.py --mode=style"
_NUM_SHOWN = 3  # Settings that differ.


def is_style_file(path: str | os.PathLike) -> bool:
    """Whether a path has the suffix of style files, `.npz`."""
    return pathlib.Path(path).suffix.lower() == _SUFFIX


def check_style_file_name(path: str | os.PathLike) -> None:
    """Check the suffix of a style file to write, by which it is known again.

    Raises:
      InputError: it is not `.npz`.
    """
    if not is_style_file(path):
        raise InputError(f"--output {path}: a style is kept in a {_SUFFIX} file; give such a name")


def save_style(
    path: str | os.PathLike, style: Style, front_end: dict[str, Any], origin: list[str]
) -> None:
    """Write a style atomically; the same style gives the same bytes.

    The `.npz` file holds float32 arrays by their path in `Style`, such as
    `profiles/features/width_11/mean`; `version`; and as JSON `front_end` and `origin`.

    Args:
      path: ends in `.npz`.
      style: the description.
      front_end: the settings that it depends on, from `style_settings`.
      origin: names of the files that it was made from.

    Raises:
      InputError: another suffix, or the file cannot be written.
    """
    check_style_file_name(path)
    entries: dict[str, Any] = {
        "version": _VERSION,
        "front_end": json.dumps(front_end, sort_keys=True),
        "origin": json.dumps(origin),
    }
    for name, array in _flat(style, "/").items():
        entries[name] = np.asarray(array, np.float32)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **entries)


def load_style(path: str | os.PathLike, template: Style, front_end: dict[str, Any]) -> Style:
    """Read a style.

    Args:
      path: of the file. It may hold more arrays than `template`.
      template: the style to read, with a `jax.ShapeDtypeStruct` for each array.
      front_end: settings of this run, from `style_settings`.

    Raises:
      InputError: the file is missing, damaged, no style, of another version or other settings, or
        lacks an array, or has one of another shape or with values that are not finite.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"there is no style in {path}; {_HINT}")
    wanted = _flat(template, "/")
    arrays = load_arrays(path, "a style", _HINT, {*_ABOUT, *wanted})
    if not all(name in arrays for name in _ABOUT):
        raise InputError(f"{path} is no file of a style, or is cut short; {_HINT}")
    version = arrays["version"]
    if version.shape or version != _VERSION:
        raise InputError(
            f"{path} is of version {version.tolist()} of the format, not {_VERSION}; {_HINT}"
        )
    try:
        made_with = dict(json.loads(arrays["front_end"].item()))
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged (its front end cannot be read); {_HINT}") from error
    _check_front_end(path, made_with, json.loads(json.dumps(front_end)))
    leaves = [_fitting(path, arrays, name, shape) for name, shape in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _flat(tree: Any, separator: str, is_leaf: Callable[[Any], bool] | None = None) -> dict:
    """The leaves of a pytree by their paths."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf)
    return {
        jax.tree_util.keystr(path, simple=True, separator=separator): leaf for path, leaf in leaves
    }


def _check_front_end(path: pathlib.Path, made_with: dict, wanted: dict) -> None:
    """Check that a style was made with the settings of this run."""
    saved, ours = (
        _flat(settings, ".", lambda value: not isinstance(value, dict))
        for settings in (made_with, wanted)
    )
    absent = object()
    differing = [
        key for key in sorted({*saved, *ours}) if saved.get(key, absent) != ours.get(key, absent)
    ]
    if not differing:
        return
    shown = differing[:_NUM_SHOWN]
    theirs, mine = (
        ", ".join(_setting(key, settings[key]) if key in settings else f"no {key}" for key in shown)
        for settings in (saved, ours)
    )
    more = f" ({len(differing)} settings differ)" if differing != shown else ""
    hint = _HINT
    if not more and all(key in saved and key in ours for key in shown):
        flags = (shlex.quote(f"--config.{_setting(key, saved[key])}") for key in shown)
        hint += f" or set {' '.join(flags)}"
    raise InputError(f"{path} was made with {theirs}, this run has {mine}{more}; {hint}")


def _setting(key: str, value: Any) -> str:
    """A key and its value on one line, as in a flag."""
    text = f"{key}={tuple(value) if isinstance(value, list) else value}"
    return text if text.isprintable() else ascii(text)


def _fitting(
    path: pathlib.Path, arrays: dict[str, Any], name: str, wanted: jax.ShapeDtypeStruct
) -> jax.Array:
    """One array of a file.

    Raises:
      InputError: it is missing, not float32, of another shape, or not finite.
    """
    array = arrays.get(name)
    if array is None and name.startswith("orchestra/"):
        raise InputError(
            f"{path} has no orchestra, as it was made for another preset; {_HINT}, or give "
            "--config=configs/transfer.py:texture"
        )
    if array is None:
        raise InputError(
            f"{path} lacks the array {name}, as it was made for another preset; {_HINT} and the "
            "--config of this run"
        )
    if array.shape != wanted.shape or array.dtype != np.float32:
        raise InputError(
            f"{path} has {name} of {array.dtype} {array.shape}, not of float32 {wanted.shape}; "
            f"{_HINT}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{path} has {name} that is not finite; {_HINT}")
    return jnp.asarray(array)
