"""Choice of the run that a mode of `run_train.py` uses, and checks of changes to its config."""

import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from research.data.front_ends.registry import convert, for_audio
from research.errors import InputError
from research.training.config import TrainConfig, check_applies
from research.training.run import SHIPPED, Run, find_run, was_trained


def _is_of_data(key: str) -> bool:
    """True for the keys of the data, except the folds that networks were trained on."""
    return key.startswith("data.") and key != "data.num_folds"


def check_changes(
    mode: str, changes: Iterable[str], allowed: Callable[[str], bool], named: list[str]
) -> None:
    """Check that a mode may change these keys of a run.

    Args:
      mode: of the script.
      changes: dotted keys.
      allowed: True for a key that may be changed.
      named: keys that a message suggests.

    Raises:
      InputError: a key may not be changed.
    """
    for key in changes:
        if not allowed(key):
            raise InputError(
                f"config.{key} was settled in training and cannot be changed by --mode={mode}; "
                f"{' and '.join(f'config.{name}' for name in named)} can"
            )


def find_networks(
    mode: str,
    config: TrainConfig,
    workdir: pathlib.Path,
    changes: Mapping[str, Any],
    *,
    on_data: bool = True,
) -> Run:
    """The run whose networks are used: that of `config.checkpoint`, of the workdir, or shipped.

    Args:
      mode: of the script.
      config: `checkpoint` says which networks, `spectrogram` the front end of the data.
      workdir: of the mode.
      changes: the keys that were given, by dotted key; they replace those of the run.
      on_data: True if the mode reads the data of `config.data`, which may then be changed.

    Raises:
      InputError: there are no networks, or a key cannot be changed.
    """
    named = ["data.root", "data.split"] if on_data else []
    check_changes(
        mode,
        changes,
        lambda key: key == "checkpoint" or (on_data and _is_of_data(key)),
        [*named, "checkpoint"],
    )
    if config.checkpoint:
        run = find_run(config.checkpoint, changes)
        if run.folder.resolve() == workdir.resolve():
            run = dataclasses.replace(run, folder=workdir)
    elif was_trained(workdir):
        run = Run.load(workdir, changes)
    elif (workdir / "config.json").exists():
        raise InputError(
            f"the training in {workdir} left no checkpoint yet; train on, or use other networks by "
            "--config.checkpoint=shipped"
        )
    else:
        warnings.warn(f"no training in {workdir}: the shipped weights are used", stacklevel=2)
        run = Run.load(SHIPPED, changes)
    check_applies(run.config, changes)
    front_end = run.config.spectrogram
    if run.folder == SHIPPED:
        front_end = for_audio(front_end)
    return run.with_front_end(convert(front_end, config.spectrogram.name))
