"""The folder of a run, and the JSON files that identify the run and its environment."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from research.errors import InputError
from research.files import atomic_write
from research.settings import freeze, to_json, unbound_keys

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "librosa",
    "soundfile",
    "ml_collections",
)


def make_workdir(path: str | os.PathLike) -> pathlib.Path:
    """Make the folder of a run and its parents, if they do not exist.

    Raises:
      InputError: the folder cannot be made, or the path is a file.
    """
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"workdir {path} cannot be made ({error.strerror})") from error
    return path


def claim(
    path: str | os.PathLike, value: dict[str, Any], *, binding: bool, free: Iterable[str] = ()
) -> None:
    """Write the identity of a run to JSON, after checking it against an existing file.

    Args:
      path: the JSON file in the workdir.
      value: nested dicts that identify the run.
      binding: True if an existing file must agree with `value`; else it is overwritten.
      free: dotted keys, or sections, that may differ.

    Raises:
      InputError: the values differ, so the workdir belongs to another run.
    """
    path, value = pathlib.Path(path), json.loads(json.dumps(value))
    if binding and path.exists():
        _check_same(path, load_json(path), value, free)
    save_json(path, value)


def claim_config(path: str | os.PathLike, config: Any, *, binding: bool) -> None:
    """Write the config of a run, after checking it against an existing file.

    Keys that the existing file lacks, because it is older, take their defaults. The fields that
    `research.settings.unbound` marks may differ.

    Args:
      path: the JSON file in the workdir.
      config: a frozen dataclass.
      binding: True if an existing file must agree with the config; else it is overwritten.

    Raises:
      InputError: the values differ, so the workdir belongs to another run; or the file is damaged.
    """
    path, value = pathlib.Path(path), to_json(config)
    if binding and path.exists():
        before = freeze(type(config), load_dict(path), f"{path}: config")
        _check_same(path, to_json(before), value, unbound_keys(type(config)))
    save_json(path, value)


def _check_same(path: pathlib.Path, before: Any, now: dict[str, Any], free: Iterable[str]) -> None:
    first, second = flat(before), flat(now)
    free = tuple(f"{name}." for name in free)
    for key in sorted(first.keys() | second.keys()):
        if first.get(key) != second.get(key) and not f"{key}.".startswith(free):
            raise InputError(
                f"{path.parent} holds another run: {key} is {_short(first.get(key))} in its "
                f"{path.name}, and {_short(second.get(key))} now; give another --workdir"
            )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dicts to one dict with dotted keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    found = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}.{key}" if prefix else key)
    return found


def load_json(path: str | os.PathLike) -> Any:
    """Read a JSON file from a workdir.

    Raises:
      InputError: the file is missing or damaged.
    """
    path = pathlib.Path(path)
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); give the --workdir of a run that was started"
        ) from error


def load_dict(path: str | os.PathLike, kinds: Mapping[str, type] = MappingProxyType({})) -> Any:
    """Read a JSON object from a workdir.

    Args:
      path: the JSON file.
      kinds: types of values by key; these keys must be there and not be empty.

    Raises:
      InputError: the file is missing or damaged.
    """
    value = load_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged (no keys in it); give another --workdir")
    for key, kind in kinds.items():
        if not (isinstance(value.get(key), kind) and value[key]):
            raise InputError(f"{path} is damaged (no {key} in it); give another --workdir")
    return value


def save_json(path: str | os.PathLike, value: Any) -> None:
    """Write JSON atomically.

    Raises:
      InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def environment(seed: int) -> dict[str, Any]:
    """Versions, device, git revision and seed, for `environment.json`."""
    import jax

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": {
            "backend": jax.default_backend(),
            "kind": jax.devices()[0].device_kind,
            "count": jax.device_count(),
        },
        "git_revision": _git_revision(),
        "seed": seed,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """The commit of the code, with "-dirty" if files were changed; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
