"""Runs of transfers beside each other: what they came to, and what differs in their configs."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from research.errors import InputError
from research.report.page import Take, write_report
from research.tables import save_records
from research.transfer.sweep import in_words
from research.transfer.takes import find_takes, load_pair, load_take, row_of, short
from research.workdir import flat, load_json

_MOST_IN_NAME = 3  # Settings.


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A take of a run, with its own values in the place of those of a sweep's config."""

    run: str
    name: str
    folder: pathlib.Path
    config: dict[str, Any]
    metrics: dict[str, Any]


def write_comparison(workdir: pathlib.Path, runs: Sequence[pathlib.Path]) -> int:
    """Write `comparison.csv` and `comparison.html`; the number of takes in them.

    A sweep is all of its takes. Columns are the keys of the configs that differ, and the numbers.

    Args:
      workdir: where to.
      runs: workdirs of `run_transfer.py`.

    Raises:
      InputError: a folder is no such workdir, or a piece is not where it was.
    """
    names = _names(runs)
    entries = [entry for run, name in zip(runs, names, strict=True) for entry in _load(run, name)]
    keys = list(dict.fromkeys(key for entry in entries for key in entry.config))
    values = {key: [entry.config.get(key) for entry in entries] for key in keys}
    differing = [key for key, held in values.items() if any(value != held[0] for value in held)]
    columns = ["content", "style", *differing]
    rows = []
    for entry in entries:
        known = entry.metrics | entry.config
        row = {"run": entry.name} | {column: known.get(column) for column in columns}
        rows.append(row | row_of(entry.metrics))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    rows = [{column: row.get(column) for column in columns} for row in rows]
    pairs: dict[tuple[str, str], list[Take]] = {}
    for entry in entries:
        settings = {key: entry.config.get(key) for key in differing}
        colour = {"run": entry.run} if len(runs) > 1 else {}
        metrics = entry.metrics | {"settings": colour | settings}
        name = entry.name
        if 0 < len(settings) <= _MOST_IN_NAME:
            name += f": {in_words(settings)}"
        take = dataclasses.replace(load_take(entry.folder, name), metrics=metrics)
        pairs.setdefault((metrics["content"], metrics["style"]), []).append(take)
    common = {key: held[0] for key, held in values.items() if key not in differing}
    loaded = [load_pair(*pair, takes) for pair, takes in pairs.items()]
    save_records(workdir / "comparison.csv", rows)
    write_report(
        workdir / "comparison.html",
        loaded,
        common,
        {},
        [row | {key: short(row[key]) for key in ("content", "style")} for row in rows],
    )
    return len(entries)


def _names(runs: Sequence[pathlib.Path]) -> list[str]:
    """Names of folders, or whole paths where some are the same."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _load(run: pathlib.Path, name: str) -> list[_Entry]:
    folders = find_takes(run)
    if not folders:
        raise InputError(
            f"--input {run} holds no take; give the --workdir of a run_transfer.py run"
        )
    config = {
        key: str(value) if isinstance(value, list) else value
        for key, value in flat(load_json(run / "config.json")).items()
        if not key.startswith("sweep.")
    }
    entries = []
    for folder in folders:
        metrics = load_json(folder / "metrics.json")
        own = name if folder == run else f"{name}/{folder.name}"
        entries.append(_Entry(name, own, folder, config | metrics.get("settings", {}), metrics))
    return entries
