"""A style without its audio: the file that keeps it, and several styles as one.

What is known of a style has no time in it, so it is all that a transfer needs, and the mean of
several is a style again.
"""

import json
import math
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
from research.files import written_whole
from research.transfer.objective import Style

# Of the file; raise it when its arrays or their meaning change.
_VERSION = 1
_SUFFIX = ".npz"
_ABOUT = ("version", "front_end", "origin")
_MEND = "make it anew by run_transfer.py --mode=style"
_GIVE = "give an audio file, a folder of them or a .npz of --mode=style"
_FORM = "give them as in --style=a.wav:0.7,b.wav:0.3"
_NUM_SHOWN = 3  # Settings that differ.
_TOLERANCE = 0.001  # Of the sum of weights: three thirds may be 0.333 each.


def is_bank(path: str | os.PathLike) -> bool:
    """Whether the name of a file says that it keeps a style."""
    return pathlib.Path(path).suffix.lower() == _SUFFIX


def check_bank_name(path: str | os.PathLike) -> None:
    """See that a style would be found again in a file of that name.

    Raises:
      InputError: it ends in something else than .npz.
    """
    if not is_bank(path):
        raise InputError(f"--output {path}: a style is kept in a {_SUFFIX} file; give such a name")


def save_style(
    path: str | os.PathLike, style: Style, front_end: dict[str, Any], origin: list[str]
) -> None:
    """Write a style, whole or not at all; the same style gives the same bytes.

    The `.npz` file holds float32 arrays by where they are in the style, such as
    `profiles/features/width_11/mean`, and `version`, and as JSON `front_end` and `origin`.

    Args:
      path: ends in `.npz`.
      style: of `Objective.describe`, or of `mix_styles`.
      front_end: what it was seen through: JSON values by the keys of the config, nested as there.
      origin: names of the pieces that it is of.

    Raises:
      InputError: another suffix, or it cannot be written.
    """
    check_bank_name(path)
    arrays = {name: np.asarray(array, np.float32) for name, array in _flat(style, "/").items()}
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            version=_VERSION,
            front_end=json.dumps(front_end, sort_keys=True),
            origin=json.dumps(origin),
            **arrays,
        )


def load_style(path: str | os.PathLike, template: Style, front_end: dict[str, Any]) -> Style:
    """A style that was saved; of its arrays, those that are asked for.

    Args:
      path: of the file.
      template: the style that is asked for, with a `jax.ShapeDtypeStruct` for each array.
      front_end: of this run, which must be that of the file.

    Raises:
      InputError: there is no such file, or it is none of a style, damaged, of another version or
        another front end, lacks an array, or holds one that does not fit or is not finite.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"there is no style in {path}; {_MEND}")
    arrays = load_arrays(path, "a style", _MEND)
    if not all(isinstance(arrays.get(name), np.ndarray) for name in _ABOUT):
        raise InputError(f"{path} is no file of a style, or is cut short; {_MEND}")
    version = arrays["version"]
    if version.shape or version != _VERSION:
        raise InputError(
            f"{path} is of version {version.tolist()} of the format, not {_VERSION}; {_MEND}"
        )
    try:
        made_with = dict(json.loads(arrays["front_end"].item()))
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged (its front end cannot be read); {_MEND}") from error
    _check_front_end(path, made_with, json.loads(json.dumps(front_end)))
    leaves = [_fitting(path, arrays, *wanted) for wanted in _flat(template, "/").items()]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _flat(tree: Any, separator: str, is_leaf: Callable[[Any], bool] | None = None) -> dict:
    """The leaves of a pytree by where they are."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf)
    return {
        jax.tree_util.keystr(path, simple=True, separator=separator): leaf for path, leaf in leaves
    }


def _check_front_end(path: pathlib.Path, made_with: dict, wanted: dict) -> None:
    """Refuse a style that was seen through something else than this run has."""
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
    mend = _MEND
    if not more and all(key in saved and key in ours for key in shown):
        flags = (shlex.quote(f"--config.{_setting(key, saved[key])}") for key in shown)
        mend += f" or set {' '.join(flags)}"
    raise InputError(f"{path} was made with {theirs}, this run has {mine}{more}; {mend}")


def _setting(key: str, value: Any) -> str:
    """A key and its value, as flags take it, on one line."""
    text = f"{key}={tuple(value) if isinstance(value, list) else value}"
    return text if text.isprintable() else ascii(text)


def _fitting(
    path: pathlib.Path, arrays: dict[str, Any], name: str, wanted: jax.ShapeDtypeStruct
) -> jax.Array:
    """One array of a file, if it is what is asked for.

    Raises:
      InputError: it is not there, not of float32, of another shape, or not finite.
    """
    array = arrays.get(name)
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} lacks the array {name}; {_MEND}")
    if array.shape != wanted.shape or array.dtype != np.float32:
        raise InputError(
            f"{path} has {name} of {array.dtype} {array.shape}, not of float32 {wanted.shape}; "
            f"{_MEND}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{path} has {name} that is not finite; {_MEND}")
    return jnp.asarray(array)


def is_mix(text: str) -> bool:
    """Whether the flag --style gives weights to what it names."""
    if os.path.exists(os.path.expanduser(text)):
        return False
    for part in text.split(","):
        before, colon, after = part.strip().rpartition(":")
        named = os.path.exists(os.path.expanduser(part.strip()))
        known = _number(after) is not None or os.path.exists(os.path.expanduser(before))
        if colon and known and not named:
            return True
    return False


def parse_mix(text: str) -> list[tuple[pathlib.Path, float]]:
    """What the flag --style asks for, with weights that sum to 1.

    `a.wav`, `a.wav,b.wav` in equal shares, or `a.wav:0.7,b.npz:0.3`. A text that is the name of
    something is that, commas and colons included; so is a part of it, colons included.

    Raises:
      InputError: an empty part, something that is not there, or weights that are not all given,
        not numbers above zero, or not of sum 1.
    """
    # Not the methods of a path, which raise of a name that is too long or of an unknown user.
    whole = os.path.expanduser(text)
    if os.path.exists(whole):
        return [(pathlib.Path(whole), 1.0)]
    parts = [_parse_part(part.strip(), text) for part in text.split(",")]
    paths = [path for path, _ in parts]
    weights = [weight for _, weight in parts if weight is not None]
    if not weights:
        return [(path, 1 / len(paths)) for path in paths]
    if len(weights) < len(parts):
        bare = next(path for path, weight in parts if weight is None)
        raise InputError(f"--style gives weights, but none to {bare}; give one to all or to none")
    total = sum(weights)
    # Rounded, for what is given in decimals is compared with a decimal.
    if round(abs(total - 1), 9) > _TOLERANCE:
        raise InputError(f"the weights of --style sum to {total:.6g}, not to 1; {_FORM}")
    return [(path, weight / total) for path, weight in zip(paths, weights, strict=True)]


def _parse_part(part: str, text: str) -> tuple[pathlib.Path, float | None]:
    """One path and its weight, if it has one."""
    if not part:
        raise InputError(f"--style {text!r} has an empty part; {_GIVE}")
    name = os.path.expanduser(part)
    if os.path.exists(name):
        return pathlib.Path(name), None
    before, colon, after = part.rpartition(":")
    name = os.path.expanduser(before.rstrip())
    if colon and not name:
        raise InputError(f"--style has the weight {after!r} of nothing; {_GIVE}")
    weight = _number(after)
    if not os.path.exists(name):
        missing = before if colon and weight is not None else part
        raise InputError(f"--style {missing} does not exist; {_GIVE}")
    if weight is None or not (math.isfinite(weight) and weight > 0):
        raise InputError(
            f"--style gives {before} the weight {after!r}, which is no number above 0; {_FORM}"
        )
    return pathlib.Path(name), weight


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def mix_styles(styles: list[Style], weights: list[float]) -> Style:
    """The mean of styles that were seen through the same, by weights that sum to 1.

    Gram matrices become those of the pieces put together. Quantiles become those of the
    Wasserstein barycentre in each direction: halfway between a quiet and a loud style lies one of
    middle loudness, not one that is quiet half of the time. A single style is as it was.
    """
    if len(styles) == 1:
        return styles[0]

    def mean(*arrays: jax.Array) -> jax.Array:
        parts = zip(weights, arrays, strict=True)
        total = sum(weight * np.asarray(array, np.float64) for weight, array in parts)
        return jnp.asarray(total, jnp.float32)

    return jax.tree.map(mean, *styles)
