"""What the judge and a classifier say of the outputs for one pair."""

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from research.audio.excerpt import find_middle, middle
from research.audio.waveform import Waveform, match_channels, resample
from research.errors import InputError
from research.judge.features import SAMPLE_RATE
from research.judge.verdict import CROSSFADES, EQUALISED, Judge, Verdict

if TYPE_CHECKING:
    from research.training.predict import Ensemble


class Assessor:
    """Assesses outputs for one pair of recordings, long ones by an excerpt.

    The pair is analysed with the first output, which it would else delay.
    """

    def __init__(self, content: Waveform, style: Waveform | None, ensemble: "Ensemble | None"):
        """Prepare for a pair.

        Args:
          content: of any sample rate, length and channels.
          style: the same; None if it is not one audio file, and then there is no judge.
          ensemble: classifiers, or None.
        """
        self._ensemble = ensemble
        inputs = {"content": content} | ({} if style is None else {"style": style})
        self._inputs = {name: middle(recording) for name, recording in inputs.items()}

    def __call__(self, output: Waveform) -> dict[str, Any]:
        """`judge` and `genres` for `metrics.json`, as far as there are a judge and classifiers.

        `excerpt` are the seconds of the output in which it starts and ends, if it is one.
        """
        span, output = find_middle(output.seconds), middle(output)
        found: dict[str, Any] = {} if span is None else {"excerpt": list(span)}
        if self._ensemble is not None:
            try:
                found["genres"] = self._genres | self._predict({"output": output})
            except InputError as error:
                warnings.warn(f"no genres: {error}", stacklevel=2)
        if "style" in self._inputs:
            try:
                judge = self._judge
                found["judge"] = dataclasses.asdict(judge(_mono(output)))
            except InputError as error:
                warnings.warn(f"not judged: {error}", stacklevel=2)
                return found
            found["judge"]["crossfades"] = _records(CROSSFADES, judge.crossfades)
            found["judge"]["equalised"] = _records(EQUALISED, judge.equalised)
        return found

    @functools.cached_property
    def _judge(self) -> Judge:
        content, style = (_mono(self._inputs[name]) for name in ("content", "style"))
        return Judge(content, style, SAMPLE_RATE)

    @functools.cached_property
    def _genres(self) -> dict[str, Any]:
        """Those of the inputs."""
        return self._predict(self._inputs)

    def _predict(self, waveforms: dict[str, Waveform]) -> dict[str, Any]:
        from research.training.predict import predict_genres

        assert self._ensemble is not None
        return predict_genres(self._ensemble, waveforms)


def _records(shares: Sequence[float], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts with the fraction of style that is mixed in."""
    return [
        {"share": share, **dataclasses.asdict(verdict)}
        for share, verdict in zip(shares, verdicts, strict=True)
    ]


def _mono(waveform: Waveform) -> np.ndarray:
    return match_channels(resample(waveform, SAMPLE_RATE).samples, 1)[0]
