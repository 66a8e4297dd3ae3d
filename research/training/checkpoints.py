"""Checkpoints of one training: the latest and the best, checked when they are read."""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any, Self

import jax

from research.errors import InputError
from research.files import written_whole


class Checkpoints:
    """A folder of Orbax checkpoints, written whole, one a step.

    The latest two are kept, and the one of highest `score`. Digests of its files lie beside each,
    so that damage is found before it is read.

    Args:
      folder: made if it is not there.
      read_only: leave alone what a training in progress has not finished.

    Raises:
      InputError: a checkpoint in the folder is damaged.
    """

    def __init__(self, folder: pathlib.Path, read_only: bool = False):
        from orbax.checkpoint import v1 as ocp

        policies = ocp.training.preservation_policies
        self._folder = folder
        best = policies.BestN(get_metric_fn=lambda metrics: metrics["score"], n=1)
        with self._damage_in_one_line():
            self._checkpointer = ocp.training.Checkpointer(
                folder.absolute(),
                save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
                preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(2), best]),
                cleanup_tmp_directories=not read_only,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self._checkpointer.close()

    @property
    def latest(self) -> int | None:
        """Step of the latest checkpoint."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    @property
    def best(self) -> int | None:
        """Step of the checkpoint of highest score, the latest of equals.

        Raises:
          InputError: a checkpoint is damaged.
        """
        kept = self._checkpointer.checkpoints
        with self._damage_in_one_line():
            return max((one.metrics["score"], one.step) for one in kept)[1] if kept else None

    def save(self, step: int, state: Any, score: float, history: list[dict[str, Any]]) -> None:
        """Keep a state, how good it is, and what was logged on the way to it.

        Raises:
          InputError: it cannot be written.
        """
        try:
            self._checkpointer.save(
                step,
                state,
                metrics={"score": score},
                custom_metadata={"history": history},
                force=True,
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"a checkpoint cannot be written to {self._folder} ({_first_line(error)})"
            ) from error
        with written_whole(self._digests(step)) as temporary:
            temporary.write_text(json.dumps(_digests_of(self._folder / str(step))))
        for path in self._folder.glob(".*.json"):
            if not (self._folder / path.stem[1:]).is_dir():
                path.unlink()

    def load(self, step: int, like: Any) -> tuple[Any, list[dict[str, Any]]]:
        """A state of the structure, shapes and sharding of `like`, and its history.

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
            history = self._checkpointer.metadata(step).custom_metadata["history"]
            return self._checkpointer.load(step, abstract), history

    def _digests(self, step: int) -> pathlib.Path:
        return self._folder / f".{step}.json"

    @contextlib.contextmanager
    def _damage_in_one_line(self, step: int | str = "") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Whatever Orbax and its storage make of damaged files.
            raise InputError(
                f"a checkpoint in {self._folder / str(step)} is damaged or of another network; "
                "without it, the one before would be used"
            ) from error


def _first_line(error: Exception) -> str:
    return " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())[:200]


def _digests_of(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in files
    }
