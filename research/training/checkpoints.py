"""Checkpoints of one fit: the latest and the best, verified when they are read."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, Self

import jax

from research import processes
from research.errors import InputError
from research.files import atomic_write


class Checkpoints:
    """A folder of Orbax checkpoints by step, each written atomically.

    The latest two are kept, and the one of highest score. The digests of the files of each are in a
    file beside it, so that damage is found before it is read.

    Args:
      folder: made if it does not exist; its parent must.
      read_only: True to leave the unfinished checkpoint of a running training alone.

    Raises:
      InputError: a checkpoint in the folder is damaged.
    """

    def __init__(self, folder: pathlib.Path, read_only: bool = False):
        from orbax.checkpoint import v1 as ocp

        policies = ocp.training.preservation_policies
        self._folder = folder
        best = policies.BestN(get_metric_fn=_score, n=1)
        # The annotations of Orbax do not fit its own policies.
        every: Any = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        kept: Any = policies.AnyPreservationPolicy([policies.LatestN(2), best])
        with self._damage_in_one_line():
            self._checkpointer = ocp.training.Checkpointer(
                str(folder.absolute()),
                save_decision_policy=every,
                preservation_policy=kept,
                cleanup_tmp_directories=not read_only,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        # `close` raises write errors again; they would hide the exception of the block.
        with contextlib.suppress(*([] if kind is None else [Exception])):
            self._checkpointer.close()

    @property
    def latest(self) -> int | None:
        """Step of the latest checkpoint."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    @property
    def best(self) -> int | None:
        """Step of the checkpoint of highest score; of equal scores, the latest.

        Raises:
          InputError: a checkpoint is damaged.
        """
        kept = self._checkpointer.checkpoints
        with self._damage_in_one_line():
            scores = [(_score(checkpoint.metrics), checkpoint.step) for checkpoint in kept]
        return max(scores)[1] if scores else None

    def save(self, step: int, state: Any, score: float, history: list[dict[str, Any]]) -> None:
        """Save a tree of arrays with its score and the metrics of the epochs before it.

        Raises:
          InputError: the checkpoint cannot be written.
        """
        metadata: dict[str, Any] = {"history": history}
        try:
            self._checkpointer.save(
                step, state, metrics={"score": score}, custom_metadata=metadata, force=True
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"a checkpoint cannot be written to {self._folder} ({_first_line(error)})"
            ) from error
        # Orbax has each process write what it holds, and waits for all.
        if not processes.is_first():
            return
        with atomic_write(self._digests(step)) as temporary:
            temporary.write_text(json.dumps(_digests_of(self._folder / str(step))))
        for path in self._folder.glob(".*.json"):
            if not (self._folder / path.stem[1:]).is_dir():
                path.unlink()

    def load(self, step: int, like: Any) -> tuple[Any, list[dict[str, Any]]]:
        """The arrays and the history that were saved.

        Args:
          step: of the checkpoint.
          like: a tree of the same structure, of arrays or `jax.ShapeDtypeStruct` with the shapes,
            types and shardings to load.

        Raises:
          InputError: the checkpoint is damaged, or of another structure.
        """
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        with self._damage_in_one_line(step):
            digests = self._digests(step)
            # A run that was killed before it wrote them leaves it to Orbax to find damage.
            if digests.exists() and json.loads(digests.read_text()) != _digests_of(
                self._folder / str(step)
            ):
                raise ValueError("its files are not as they were written")
            metadata: Any = self._checkpointer.metadata(step).custom_metadata
            return self._checkpointer.load(step, abstract), metadata["history"]

    def _digests(self, step: int) -> pathlib.Path:
        return self._folder / f".{step}.json"

    @contextlib.contextmanager
    def _damage_in_one_line(self, step: int | str = "") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and its storage raise nearly anything at damaged files.
            raise InputError(
                f"a checkpoint in {self._folder / str(step)} is damaged, or of another network or "
                "version of this project; without it, the one before would be used"
            ) from error


def _score(metrics: Any) -> float:
    return metrics["score"]


def _first_line(error: Exception) -> str:
    full = os.strerror(errno.ENOSPC)
    if full in str(error):  # After the name of a file that nobody knows.
        return full
    return " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())[:200]


def _digests_of(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in files
    }
