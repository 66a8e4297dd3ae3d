"""The folder of a run, and the JSON files that identify the run and its environment."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import types
from collections.abc import Iterable, Mapping
from typing import Any

from research.errors import InputError
from research.files import written_whole

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
    path: str | os.PathLike,
    value: dict[str, Any],
    *,
    binding: bool,
    free: Iterable[str] = (),
    since: Mapping[str, Any] = types.MappingProxyType({}),
) -> None:
    """Write the identity of a run to JSON, after checking it against an existing file.

    Args:
      path: the JSON file in the workdir.
      value: nested dicts that identify the run.
      binding: True if an existing file must agree with `value`; else it is overwritten.
      free: dotted keys that may differ.
      since: values of dotted keys that are missing in the files of older runs.

    Raises:
      InputError: the values differ, so the workdir belongs to another run.
    """
    path, value = pathlib.Path(path), json.loads(json.dumps(value))
    if binding and path.exists():
        before, now = {**since, **flat(load_json(path))}, flat(value)
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key) and key not in free:
                raise InputError(
                    f"{path.parent} holds another run: {key} is {_short(before.get(key))} in its "
                    f"{path.name}, and {_short(now.get(key))} now; give another --workdir"
                )
    save_json(path, value)


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
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); give the --workdir of a run that was started"
        ) from error


def save_json(path: str | os.PathLike, value: Any) -> None:
    """Write JSON atomically.

    Raises:
      InputError: the file cannot be written.
    """
    with written_whole(path) as temporary:
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
