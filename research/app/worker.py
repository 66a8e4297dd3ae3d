"""Makes one transfer after the other for the page. Tasks are JSON lines in, events JSON lines out.

    python -m research.app.worker

It is a process of its own, so that a transfer can be cancelled at any moment, and one that runs out
of memory does not end the page.
"""

import contextlib
import json
import os
import pathlib
import sys
from typing import Any, TextIO

from research import command_line
from research.api import configure
from research.errors import InputError
from research.transfer.plan import plan
from research.transfer.single import make_single
from research.workers import spare_cores, start_server


def main() -> None:
    """Make what is asked for until the input ends."""
    # What libraries print goes to stderr: only events go to who has started this.
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if spare_cores():
        with contextlib.suppress(OSError):  # Then there are no workers.
            start_server("research.report.programs")
    for line in sys.stdin:
        task = json.loads(line)
        try:
            result = _make(task, events)
        except InputError as error:
            _tell(events, "failed", reason=str(error))
        else:
            _tell(events, "done", **result)


def _tell(events: TextIO, event: str, **values: Any) -> None:
    events.write(json.dumps({"event": event, **values}) + "\n")
    events.flush()


def _make(task: dict[str, Any], events: TextIO) -> dict[str, Any]:
    """Make a take; the genre of its output."""
    config = configure(task["preset"], task["changes"])
    folder = pathlib.Path(task["folder"])
    [take] = plan(config, [(task["content"], task["style"])], folder)
    metrics = make_single(
        config,
        take,
        preview=folder / "preview.wav" if config.optimises_waveform else None,
        on_preview=lambda: _tell(events, "preview"),
        on_progress=lambda step: _tell(
            events, "progress", done=step.iteration, total=config.num_iterations
        ),
        on_output=lambda: _tell(events, "output"),
    ).metrics
    genres = metrics.get("genres", {})
    return {"genre": genres["output"]["genre"] if "output" in genres else None}


if __name__ == "__main__":
    command_line.run(main)
