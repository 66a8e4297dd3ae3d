"""The table and the page of a sweep."""

import itertools
import pathlib
from typing import Any

from research.errors import only_warn
from research.report.page import Pair, longest_excerpt, write_report
from research.tables import save_records
from research.transfer.plan import PlannedTake
from research.transfer.takes import load_pair, load_take
from research.workers import Workers

_JUDGED = (
    "content_kept",
    "style_reached",
    "above_crossfade",
    "score",
    "leak",
    "equaliser",
    "naturalness",
)


def load_pairs(takes: list[PlannedTake]) -> list[Pair]:
    """The pairs of those takes that are done, for a page: of long sounds, excerpts.

    Args:
      takes: of `plan`.

    Raises:
      InputError: a recording cannot be read any more.
    """
    done = [take for take in takes if take.is_done]
    pairs, seconds = [], longest_excerpt(len({take.pair for take in done}), len(done))
    for pair, members in itertools.groupby(done, lambda take: take.pair):
        loaded = [load_take(take.folder, take.name, seconds) for take in members]
        pairs.append(load_pair(*pair, loaded, seconds))
    return pairs


def write_results(
    takes: list[PlannedTake],
    config: dict[str, Any],
    environment: dict[str, Any],
    workdir: pathlib.Path,
    workers: Workers,
) -> None:
    """Write `takes.csv` and `report.html` of a sweep; takes that are not done are left out.

    Args:
      takes: of `plan`.
      config: of all takes, nested.
      environment: of the run, nested.
      workdir: folder of the two files.
      workers: where sounds are analysed.

    Raises:
      InputError: a recording cannot be read any more.
    """
    pairs = load_pairs(takes)
    done = (take for take in takes if take.is_done)
    found = (take for pair in pairs for take in pair.takes)
    records = [
        {"take": take.folder.name, "content": take.content, "style": take.style}
        | take.settings
        | numbers_of(one.metrics)
        for take, one in zip(done, found, strict=True)
    ]
    save_records(workdir / "takes.csv", records)
    if pairs:
        with only_warn(workdir / "report.html"):
            write_report(workdir / "report.html", pairs, config, environment, (), workers)


def numbers_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """The columns of a take in a table, from its `metrics.json`."""
    judge, genres = metrics.get("judge", {}), metrics.get("genres", {})
    record = {name: judge[name] for name in _JUDGED if name in judge}
    record |= {"loss": metrics["loss"]["final"], "rendered_loss": metrics["loss"]["rendered"]}
    record |= {"stopped": metrics["stopped"], "num_evaluations": metrics["num_evaluations"]}
    return record | ({"genre": genres["output"]["genre"]} if "output" in genres else {})
