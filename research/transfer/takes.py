"""What takes leave in their folders: sound, numbers and what the judges say, and a table."""

import dataclasses
import pathlib
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from research.audio.waveform import Waveform, load_waveform, match_channels, resample
from research.errors import InputError
from research.judge.features import SAMPLE_RATE
from research.judge.verdict import CROSSFADES, Judge
from research.report.page import Pair, Take
from research.workdir import load_json

if TYPE_CHECKING:
    from research.training.predict import Ensemble

TAKES = "takes"
"""Folder of the takes of a sweep, in its workdir."""
_JUDGED = (
    "content_kept",
    "style_reached",
    "above_crossfade",
    "score",
    "leak",
    "equaliser",
    "naturalness",
)


class Assessor:
    """Says of outputs of one pair what the judge and a classifier hear.

    The judge listens to the pair in a thread of its own, while something else is compiled.
    """

    def __init__(self, content: Waveform, style: Waveform | None, ensemble: "Ensemble | None"):
        """Prepare for a pair.

        Args:
          content: any rate, length and channels.
          style: the same; None where it is no audio, and there is nothing for a judge to hear.
          ensemble: of classifiers, if there is one.
        """
        self._ensemble, self._judge, self._genres = ensemble, None, {}
        inputs = {"content": content} | ({} if style is None else {"style": style})
        if style is not None:
            pool = ThreadPoolExecutor(1)
            self._judge = pool.submit(Judge, _mono(content), _mono(style), SAMPLE_RATE)
            pool.shutdown(wait=False)
        if ensemble is not None:
            self._genres = _verdicts(ensemble, inputs)

    def __call__(self, output: Waveform) -> dict[str, Any]:
        """`judge` and `genres` for `metrics.json`, where there are any."""
        found: dict[str, Any] = {}
        if self._ensemble is not None:
            found["genres"] = self._genres | _verdicts(self._ensemble, {"output": output})
        if self._judge is not None:
            try:
                judge = self._judge.result()
                found["judge"] = dataclasses.asdict(judge(_mono(output)))
            except InputError as error:
                warnings.warn(f"not judged: {error}", stacklevel=2)
                return found
            found["judge"]["crossfades"] = [
                {"share": share, **dataclasses.asdict(verdict)}
                for share, verdict in zip(CROSSFADES, judge.crossfades, strict=True)
            ]
        return found


def _verdicts(ensemble: "Ensemble", takes: dict[str, Waveform]) -> dict[str, Any]:
    from research.training.predict import predict_genres

    return predict_genres(ensemble, takes)


def _mono(waveform: Waveform) -> np.ndarray:
    return match_channels(resample(waveform, SAMPLE_RATE).samples, 1)[0]


def find_takes(workdir: pathlib.Path) -> list[pathlib.Path]:
    """Folders of the takes that a run finished: its own workdir, or those of a sweep in it."""
    swept = [file.parent for file in sorted((workdir / TAKES).glob("*/metrics.json"))]
    return swept or ([workdir] if (workdir / "metrics.json").exists() else [])


def load_take(folder: pathlib.Path, name: str) -> Take:
    """A take that was finished.

    Raises:
      InputError: a file is missing or damaged.
    """
    return Take(name, load_waveform(folder / "output.wav"), load_json(folder / "metrics.json"))


def load_pair(content: str, style: str, takes: Sequence[Take]) -> Pair:
    """What was made of two pieces, with the pieces.

    Args:
      content: path of a file.
      style: what `--style` named; its sound is loaded if a judge could hear it.
      takes: at least one.

    Raises:
      InputError: a file cannot be read any more.
    """
    heard = load_waveform(style) if "judge" in takes[0].metrics else None
    return Pair(short(content), short(style), load_waveform(content), heard, tuple(takes))


def short(text: str) -> str:
    """What `--content` or `--style` named, without folders: `a.wav`, or `a.wav:0.7, b.npz:0.3`."""
    if pathlib.Path(text).exists():
        return pathlib.Path(text).name
    return ", ".join(pathlib.Path(part.strip()).name for part in text.split(","))


def row_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a take for a table."""
    judge, genres = metrics.get("judge", {}), metrics.get("genres", {})
    row = {name: judge[name] for name in _JUDGED if name in judge}
    row |= {"loss": metrics["loss"]["final"], "rendered_loss": metrics["loss"]["rendered"]}
    row |= {"stopped": metrics["stopped"], "num_evaluations": metrics["num_evaluations"]}
    return row | ({"genre": genres["output"]["genre"]} if "output" in genres else {})
