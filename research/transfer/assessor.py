"""What the judge and a classifier say of the outputs for one pair.

Worker processes import this module, so nothing in it may import JAX.
"""

import contextlib
import dataclasses
import functools
import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from research.audio.excerpt import find_middle, middle
from research.audio.waveform import Waveform, match_channels, resample
from research.errors import InputError
from research.judge.features import SAMPLE_RATE
from research.judge.verdict import CROSSFADES, EQUALISED, Judge, Verdict
from research.workers import HERE, Workers

if TYPE_CHECKING:
    from research.training.predict import Ensemble


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """Content and style as the judge takes them, `[samples]`, equal if their digests are."""

    digest: str
    content: np.ndarray = dataclasses.field(compare=False)
    style: np.ndarray = dataclasses.field(compare=False)


class Assessor:
    """Assesses outputs for one pair of recordings, long ones by an excerpt."""

    def __init__(
        self,
        content: Waveform,
        style: Waveform | None,
        ensemble: "Ensemble | None",
        workers: Workers = HERE,
    ):
        """Prepare for a pair.

        Args:
          content: of any sample rate, length and channels.
          style: the same; None if it is not one audio file, and then there is no judge.
          ensemble: classifiers, or None.
          workers: where the judge is.
        """
        self._ensemble, self._workers = ensemble, workers
        inputs = {"content": content} | ({} if style is None else {"style": style})
        self._recordings = {name: middle(recording) for name, recording in inputs.items()}

    @functools.cached_property
    def _inputs(self) -> _Inputs:
        content, style = (_mono(self._recordings[name]) for name in ("content", "style"))
        digests = (hashlib.sha256(samples.tobytes()).hexdigest() for samples in (content, style))
        return _Inputs(" ".join(digests), content, style)

    def prepare(self) -> None:
        """Start the analysis of the pair in a worker, so that the first verdict is ready sooner."""
        if "style" in self._recordings:
            self._workers.prepare(_prepare, self._inputs)

    def __call__(self, output: Waveform) -> Callable[[], tuple[float, dict[str, Any]]]:
        """Begin to assess an output.

        Returns:
          A function that waits and returns the wall time in seconds, and entries of `metrics.json`:
          `judge` and `genres` if there are a judge and classifiers, and `excerpt`, its start and
          end in the output in seconds, if only an excerpt was assessed.
        """
        started = time.perf_counter()
        span, output = find_middle(output.seconds), middle(output)
        found: dict[str, Any] = {} if span is None else {"excerpt": list(span)}
        verdict = None
        if "style" in self._recordings:
            verdict = self._workers.submit(_judge, self._inputs, _mono(output))
        if self._ensemble is not None:
            with _told("no genres"):
                found["genres"] = self._genres | self._predict({"output": output})

        own = time.perf_counter() - started

        def wait() -> tuple[float, dict[str, Any]]:
            seconds = 0.0
            if verdict is not None:
                with _told("not judged"):
                    seconds, found["judge"] = verdict.result()
            return own + seconds, found

        return wait

    @functools.cached_property
    def _genres(self) -> dict[str, Any]:
        """Predicted genres of the content and the style."""
        return self._predict(self._recordings)

    def _predict(self, waveforms: dict[str, Waveform]) -> dict[str, Any]:
        from research.training.predict import predict_genres

        assert self._ensemble is not None
        return predict_genres(self._ensemble, waveforms)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn an InputError inside the block into a warning, since the output is written already."""
    try:
        yield
    except InputError as error:
        warnings.warn(f"{what}: {error}", stacklevel=3)


@functools.lru_cache(maxsize=1)
def _find_judge(inputs: _Inputs) -> Judge:
    """The judge of the last pair stays, for outputs of a pair follow each other."""
    return Judge(inputs.content, inputs.style, SAMPLE_RATE)


def _prepare(inputs: _Inputs) -> None:
    _find_judge(inputs)


def _judge(inputs: _Inputs, output: np.ndarray) -> tuple[float, dict[str, Any]]:
    """The seconds that it took, and `judge` of `metrics.json`."""
    started = time.perf_counter()
    judge = _find_judge(inputs)
    record = {
        **dataclasses.asdict(judge(output)),
        "crossfades": _records(CROSSFADES, judge.crossfades),
        "equalised": _records(EQUALISED, judge.equalised),
    }
    return time.perf_counter() - started, record


def _records(shares: Sequence[float], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts with the fraction of style that is mixed in."""
    return [
        {"share": share, **dataclasses.asdict(verdict)}
        for share, verdict in zip(shares, verdicts, strict=True)
    ]


def _mono(waveform: Waveform) -> np.ndarray:
    return match_channels(resample(waveform, SAMPLE_RATE).samples, 1)[0]
