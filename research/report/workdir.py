"""The files that every run leaves in its workdir."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
from typing import Any

from research.errors import InputError
from research.files import written_whole

_PACKAGES = ("jax", "jaxlib", "optax", "numpy", "librosa", "soundfile", "ml_collections")


def make_workdir(path: str | os.PathLike) -> pathlib.Path:
    """The folder of a run, made if it is not there.

    Raises:
      InputError: it cannot be made, or a file is in its place.
    """
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"workdir {path} cannot be made ({error.strerror})") from error
    return path


def save_json(path: str | os.PathLike, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def environment(seed: int) -> dict[str, Any]:
    """Versions, device, git revision and seed: what it takes to run the same again."""
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
    """The commit of the code, with "-dirty" where files differ from it; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
