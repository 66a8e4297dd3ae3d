"""Metrics of each epoch in `metrics.jsonl`, one object a line, and for TensorBoard."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

from research.errors import InputError
from research.files import atomic_write

_KEYS = {"fit", "epoch", "step", "loss", "accuracy"}


class RunLog:
    """Appends to `metrics.jsonl` in a workdir, and to TensorBoard files.

    Args:
      workdir: of the run.
      tensorboard: True to write TensorBoard files, too.

    Raises:
      InputError: `tensorboard` is True and tensorboardX is not installed.
    """

    def __init__(self, workdir: pathlib.Path, tensorboard: bool):
        self._path = workdir / "metrics.jsonl"
        self._folder = workdir / "tensorboard"
        self._make_writer = _load_tensorboard() if tensorboard else None
        self._writers = {}

    def start_again(self, fit: str, history: list[dict[str, Any]]) -> None:
        """Replace all entries of a fit by `history`.

        A run that was killed may have logged an epoch that it did not save.
        """
        kept = [entry for entry in self.read() if entry["fit"] != fit] + history
        with atomic_write(self._path) as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept))

    def add(self, entry: dict[str, Any]) -> None:
        """Log one epoch of a fit.

        Raises:
          InputError: it cannot be written.
        """
        try:
            with self._path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise InputError(f"{self._path} cannot be written ({error.strerror})") from error
        if self._make_writer is not None:
            fit = entry["fit"]
            if fit not in self._writers:
                self._writers[fit] = self._make_writer(str(self._folder / fit))
            for name, value in entry.items():
                if isinstance(value, float):
                    self._writers[fit].add_scalar(name, value, entry["step"])
            self._writers[fit].flush()

    def read(self) -> list[dict[str, Any]]:
        """All entries; damaged lines, such as the last one of a killed run, are left out."""
        entries = []
        for line in (
            self._path.read_text(errors="replace").splitlines() if self._path.exists() else []
        ):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and entry.keys() >= _KEYS:
                entries.append(entry)
        return entries


def _load_tensorboard() -> Callable[[str], Any]:
    try:
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            "config.tensorboard needs a package that is not installed; pip install tensorboardX"
        ) from error
    return SummaryWriter
