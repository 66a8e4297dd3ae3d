"""The folders of takes, with an `output.wav` and a `metrics.json` each.

A take is one output of a run: of one content, one style and one combination of swept values. The
only take of a run is in the workdir itself, those of a sweep are in `takes/000` and so on.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from research.audio.excerpt import LONGEST, in_words, middle
from research.audio.waveform import Waveform, load_waveform
from research.errors import InputError
from research.report.page import Pair, Take
from research.transfer.style_source import parse_source
from research.workdir import load_dict

TAKES = "takes"
"""Folder of the takes of a sweep, in its workdir."""

# Of values in metrics.json.
_KINDS = {"stopped": str, "num_evaluations": int, "losses": list, "history": list}


def find_takes(workdir: pathlib.Path) -> list[pathlib.Path]:
    """Folders of the finished takes of a run; none of a folder that is no workdir."""
    swept = [file.parent for file in sorted((workdir / TAKES).glob("*/metrics.json"))]
    return swept or ([workdir] if (workdir / "metrics.json").exists() else [])


def load_take(folder: pathlib.Path, name: str, longest: float = LONGEST) -> Take:
    """Load a finished take under a name to show; of an output of more seconds, an excerpt.

    Raises:
      InputError: a file is missing or damaged.
    """
    output = middle(load_waveform(folder / "output.wav"), longest)
    return Take(name, output, load_metrics(folder))


def load_metrics(folder: pathlib.Path) -> dict[str, Any]:
    """The `metrics.json` of a finished take.

    Raises:
      InputError: it is missing or damaged.
    """
    path = folder / "metrics.json"
    metrics = load_dict(path, {"content": str, "style": str, "loss": dict})
    judge, genres = metrics.get("judge", {}), metrics.get("genres", {})
    output = genres.get("output", {"genre": ""}) if isinstance(genres, dict) else None
    sound = (
        all(
            isinstance(metrics["loss"].get(key, ""), (float, int, type(None)))
            for key in ("final", "rendered")
        )
        and all(isinstance(metrics.get(key), kind) for key, kind in _KINDS.items())
        and isinstance(metrics.get("settings", {}), dict)
        and isinstance(judge, dict)
        and isinstance(output, dict)
        and "genre" in output
    )
    if not sound:
        raise InputError(f"{path} is damaged; make the take again")
    return metrics


def load_pair(content: str, style: str, takes: Sequence[Take], longest: float = LONGEST) -> Pair:
    """Load the content and the style of takes; of long ones, excerpts, which their names tell.

    Args:
      content: path of a file.
      style: text of `--style`; its audio is loaded if the takes were judged with it.
      takes: at least one.
      longest: seconds of an excerpt.

    Raises:
      InputError: a file cannot be read any more.
    """
    content_name, content_shown = _load_shown(content, longest)
    style_name, style_shown = short_name(style), None
    if "judge" in takes[0].metrics:
        [part] = parse_source(style)  # It may have a weight.
        style_name, style_shown = _load_shown(str(part.path), longest)
    return Pair(content_name, style_name, content_shown, style_shown, tuple(takes))


def _load_shown(path: str, longest: float) -> tuple[str, Waveform]:
    """The name of a recording, and what a page shows of it."""
    recording = load_waveform(path)
    name = short_name(path) + in_words(recording.seconds, longest)
    return name, middle(recording, longest)


def short_name(text: str) -> str:
    """The text of `--content` or `--style` without folders: `a.wav`, or `a.wav:0.7, b.npz:0.3`."""
    if pathlib.Path(text).exists():
        return pathlib.Path(text).name
    return ", ".join(pathlib.Path(part.strip()).name for part in text.split(","))
