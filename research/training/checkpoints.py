"""Checkpoints of one training: the latest and the best, checked when they are read."""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any, Self

import jax
import numpy as np

from research.errors import InputError


class Checkpoints:
    """A folder of Orbax checkpoints, written whole, one a step.

    The latest two are kept, and the one of highest `score`. Each carries a digest of what was
    saved, so that damage is found and not trained on.

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
        metadata = {"history": history, "score": score}
        metadata["digest"] = _digest(state, metadata)
        try:
            self._checkpointer.save(
                step, state, metrics={"score": score}, custom_metadata=metadata, force=True
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"a checkpoint cannot be written to {self._folder} ({_first_line(error)})"
            ) from error

    def load(self, step: int, like: Any) -> tuple[Any, list[dict[str, Any]]]:
        """A state of the structure, shapes and sharding of `like`, and its history.

        Raises:
          InputError: the checkpoint is damaged, or of another structure.
        """
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), like
        )
        with self._damage_in_one_line(step):
            metadata = dict(self._checkpointer.metadata(step).custom_metadata)
            state = self._checkpointer.load(step, abstract)
            digest = metadata.pop("digest")
            if digest != _digest(state, metadata):
                raise ValueError("its digest is another")
        return state, metadata["history"]

    @contextlib.contextmanager
    def _damage_in_one_line(self, step: int | str = "") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Whatever Orbax and its storage make of damaged files.
            raise InputError(
                f"a checkpoint in {self._folder / str(step)} is damaged or of another network "
                f"({_first_line(error)}); without it, the one before would be used"
            ) from error


def _first_line(error: Exception) -> str:
    return " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())[:200]


def _digest(state: Any, metadata: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(metadata, sort_keys=True).encode(), digest_size=16)
    for path, leaf in jax.tree.leaves_with_path(state):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()
