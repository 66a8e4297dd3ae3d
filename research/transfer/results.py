"""The table of a sweep, and the page of a run."""

import itertools
import pathlib
from typing import Any

from research.errors import only_warn
from research.report.page import Pair, longest_excerpt, write_report
from research.tables import save_records
from research.transfer.plan import PlannedTake
from research.transfer.takes import load_pair, load_take

_JUDGED = (
    "content_kept",
    "style_reached",
    "above_crossfade",
    "score",
    "leak",
    "equaliser",
    "naturalness",
)


def write_results(
    takes: list[PlannedTake],
    config: dict[str, Any],
    environment: dict[str, Any],
    workdir: pathlib.Path,
) -> list[Pair]:
    """Write `takes.csv` if there are several takes, and `report.html`.

    Args:
      takes: of `plan`; takes that are not done are left out.
      config: of all takes, nested.
      environment: of the run, nested.
      workdir: folder of the two files.

    Returns:
      The pairs, with their takes.

    Raises:
      InputError: a recording cannot be read any more.
    """
    done = [take for take in takes if take.is_done]
    pairs, seconds = [], longest_excerpt(len({take.pair for take in done}), len(done))
    for pair, members in itertools.groupby(done, lambda take: take.pair):
        loaded = [load_take(take.folder, take.name, seconds) for take in members]
        pairs.append(load_pair(*pair, loaded, seconds))
    if len(takes) > 1:
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
            write_report(workdir / "report.html", pairs, config, environment)
    return pairs


def numbers_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """The columns of a take in a table, from its `metrics.json`."""
    judge, genres = metrics.get("judge", {}), metrics.get("genres", {})
    record = {name: judge[name] for name in _JUDGED if name in judge}
    record |= {"loss": metrics["loss"]["final"], "rendered_loss": metrics["loss"]["rendered"]}
    record |= {"stopped": metrics["stopped"], "num_evaluations": metrics["num_evaluations"]}
    return record | ({"genre": genres["output"]["genre"]} if "output" in genres else {})
