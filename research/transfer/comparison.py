"""Several runs in one table and on one page, by what differs in their configs."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from research.errors import InputError, only_warn
from research.report.page import Take, longest_excerpt, write_report
from research.tables import save_records
from research.transfer.results import numbers_of
from research.transfer.sweep import in_words
from research.transfer.takes import find_takes, load_metrics, load_pair, load_take, short_name
from research.workdir import flat, load_json

_MOST_IN_NAME = 3  # Settings.


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A take of a run.

    Attributes:
      run: name of the run.
      name: of the take.
      folder: of the take.
      config: flat; swept keys have the values of the take.
      metrics: its `metrics.json`.
    """

    run: str
    name: str
    folder: pathlib.Path
    config: dict[str, Any]
    metrics: dict[str, Any]


def write_comparison(workdir: pathlib.Path, runs: Sequence[pathlib.Path]) -> int:
    """Write `comparison.csv` and `comparison.html`; returns the number of takes in them.

    There is a row for every take of every run. Columns are the config keys that differ, and the
    results.

    Args:
      workdir: folder of the two files.
      runs: workdirs of `run_transfer.py`.

    Raises:
      InputError: a folder is no such workdir, or a recording cannot be read any more.
    """
    names = _names(runs)
    entries = [entry for run, name in zip(runs, names, strict=True) for entry in _load(run, name)]
    keys = list(dict.fromkeys(key for entry in entries for key in entry.config))
    values = {key: [entry.config.get(key) for entry in entries] for key in keys}
    differing = [key for key, held in values.items() if any(value != held[0] for value in held)]
    records = _records(entries, ["content", "style", *differing])
    pairs: dict[tuple[str, str], list[Take]] = {}
    num_pairs = len({(entry.metrics["content"], entry.metrics["style"]) for entry in entries})
    seconds = longest_excerpt(num_pairs, len(entries))
    for entry in entries:
        settings = {key: entry.config.get(key) for key in differing}
        colour = {"run": entry.run} if len(runs) > 1 else {}
        name = entry.name
        if 0 < len(settings) <= _MOST_IN_NAME:
            name += f": {in_words(settings)}"
        take = load_take(entry.folder, name, seconds)
        take = dataclasses.replace(take, metrics=entry.metrics | {"settings": colour | settings})
        pairs.setdefault((entry.metrics["content"], entry.metrics["style"]), []).append(take)
    common = {key: held[0] for key, held in values.items() if key not in differing}
    loaded = [load_pair(*pair, takes, seconds) for pair, takes in pairs.items()]
    save_records(workdir / "comparison.csv", records)
    shown = [
        record | {key: short_name(record[key]) for key in ("content", "style")}
        for record in records
    ]
    with only_warn(workdir / "comparison.html"):
        write_report(workdir / "comparison.html", loaded, common, {}, shown)
    return len(entries)


def _records(entries: list[_Entry], columns: list[str]) -> list[dict[str, Any]]:
    """A record for each take, all with the same keys in the same order."""
    records = []
    for entry in entries:
        known = entry.metrics | entry.config
        record = {"run": entry.name} | {column: known.get(column) for column in columns}
        records.append(record | numbers_of(entry.metrics))
    keys = list(dict.fromkeys(key for record in records for key in record))
    return [{key: record.get(key) for key in keys} for record in records]


def _names(runs: Sequence[pathlib.Path]) -> list[str]:
    """Names of the folders, or their paths if two names are the same."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _load(run: pathlib.Path, name: str) -> list[_Entry]:
    folders = find_takes(run)
    if not folders:
        raise InputError(
            f"--input {run} holds no take; give the --workdir of a run_transfer.py run"
        )
    # A sweep has one config for all takes, and takes of the page have their own.
    homes = [folder if (folder / "config.json").exists() else run for folder in folders]
    configs = {home: _load_config(home) for home in dict.fromkeys(homes)}
    entries = []
    for folder, home in zip(folders, homes, strict=True):
        config, metrics = configs[home], load_metrics(folder)
        own = name if folder == run else f"{name}/{folder.name}"
        entries.append(_Entry(name, own, folder, config | metrics.get("settings", {}), metrics))
    return entries


def _load_config(folder: pathlib.Path) -> dict[str, Any]:
    """The config in a folder, flat, without what is swept."""
    return {
        key: str(value) if isinstance(value, list) else value
        for key, value in flat(load_json(folder / "config.json")).items()
        if not key.startswith("sweep.")
    }
