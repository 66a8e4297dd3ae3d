"""`metrics.jsonl`, one object an epoch, and the same for TensorBoard."""

import json
import pathlib
from typing import Any

from research.errors import InputError
from research.files import written_whole


class RunLog:
    """Appends to `metrics.jsonl` in a workdir, and to TensorBoard files if asked to.

    Raises:
      InputError: TensorBoard is asked for and tensorboardX is not installed.
    """

    def __init__(self, workdir: pathlib.Path, tensorboard: bool):
        self._path = workdir / "metrics.jsonl"
        self._folder = workdir / "tensorboard"
        self._writers = {} if tensorboard else None
        if tensorboard:
            try:
                import tensorboardX  # noqa: F401
            except ImportError as error:
                raise InputError(
                    "config.tensorboard needs a package that is not there; pip install tensorboardX"
                ) from error

    def start_again(self, fit: str, history: list[dict[str, Any]]) -> None:
        """Make `history` all that is logged of a fit: what a killed run logged beyond is undone."""
        kept = [entry for entry in self.read() if entry["fit"] != fit] + history
        with written_whole(self._path) as temporary:
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
        if self._writers is not None:
            import tensorboardX

            fit = entry["fit"]
            if fit not in self._writers:
                self._writers[fit] = tensorboardX.SummaryWriter(str(self._folder / fit))
            for name, value in entry.items():
                if isinstance(value, float):
                    self._writers[fit].add_scalar(name, value, entry["step"])
            self._writers[fit].flush()

    def read(self) -> list[dict[str, Any]]:
        """Everything logged; a line that was cut off by a kill is left out."""
        entries = []
        for line in self._path.read_text().splitlines() if self._path.exists() else []:
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
        return entries
