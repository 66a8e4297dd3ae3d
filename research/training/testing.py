"""A test of trained networks: its data, and what it writes."""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from research.data.tracks import Collection
from research.errors import InputError, only_warn
from research.processes import first_then_others
from research.progress import CountingBar
from research.report.confusion import draw_confusion
from research.settings import unbound_keys
from research.tables import save_table
from research.training import experiment, results
from research.training.config import TrainConfig
from research.training.experiment import Fit
from research.training.run import SHIPPED, Run
from research.workdir import save_json

_UNBOUND = unbound_keys(TrainConfig)


def is_other(changes: Mapping[str, Any]) -> bool:
    """True if a test is on other data or another split than that of the training."""
    return bool(changes.keys() - _UNBOUND)


def load_data(
    mode: str, run: Run, names: Iterable[str], changes: Mapping[str, Any], bar: CountingBar
) -> tuple[Collection, list[Fit]]:
    """The collection to test on, with its genres as in training, and the split of each fit.

    Args:
      mode: of the script.
      run: the networks; its config is that of the test data.
      names: of the fits.
      changes: values by dotted key that replaced those of the run.
      bar: shows the progress.

    Raises:
      InputError: the data do not fit the networks, or are not those of the training and not said to
        be others.
    """
    config = run.config
    if run.folder == SHIPPED and config.data.root is None:
        raise InputError(
            f"--mode={mode} needs --config.data.root for the shipped weights; give a folder that "
            f"has one folder of files a genre, of {', '.join(run.genres)}"
        )
    with first_then_others():
        collection, store = experiment.load_data(config, bar)
    same = config.data.split != "all" and not is_other(changes)
    if same:
        experiment.check_unchanged(collection, run.tracks)
    collection = experiment.match_genres(collection, run.genres)
    fits = experiment.plan_test(config, collection, store, names)
    if same:
        experiment.check_same_split(experiment.manifest(collection, fits)["fits"], run.fits)
    return collection, fits


def test(
    run: Run,
    collection: Collection,
    fits: list[Fit],
    workdir: pathlib.Path,
    bar: CountingBar,
    *,
    of_training: bool,
) -> None:
    """Test the fits, and write results, predictions for tracks, and the confusion matrix.

    Args:
      run: the networks.
      collection: of `load_data`.
      fits: of `load_data`.
      workdir: of the files.
      bar: shows the progress.
      of_training: True if the split is that of the training.

    Raises:
      InputError: a checkpoint is missing or damaged, or a file cannot be written.
    """
    found, tracks = results.score(run, collection, fits, bar)
    save_json(workdir / "results.json", {"of_training": of_training, **found})
    save_table(workdir / "tracks.csv", results.TrackScore._fields, tracks)
    with only_warn(workdir / "confusion.png"):
        draw_confusion(
            workdir / "confusion.png", found["confusion"], found["genres"], found["protocol"]
        )
    bar.say(
        f"{results.in_words(found)}\nWrote {workdir / 'results.json'} and {workdir / 'tracks.csv'}"
    )
