"""Make the takes of a plan, and save each in its folder."""

import collections
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from research.audio.waveform import Waveform, load_waveform
from research.audio.writing import save_waveform
from research.errors import InputError, about
from research.transfer.assessor import Assessor
from research.transfer.config import TransferConfig
from research.transfer.memory import check_memory
from research.transfer.optimise import Progress
from research.transfer.plan import PlannedTake
from research.transfer.side_by_side import transfer_each
from research.transfer.style_source import load_source
from research.transfer.style_transfer import Problem, Transfer, render
from research.transfer.sweep import prepare_each
from research.workdir import save_json
from research.workers import Workers


@dataclasses.dataclass(frozen=True)
class _Session:
    """A pair while its takes are made."""

    assess: Assessor
    load_seconds: float


class _Waits(NamedTuple):
    """A take whose output is written, and what saves the rest of it."""

    take: PlannedTake
    result: float | InputError
    save: Callable[[], None]


def make_takes(
    config: TransferConfig,
    takes: list[PlannedTake],
    num_planned: int,
    workers: Workers,
    on_progress: Callable[[int, list[Progress]], None],
    documents: Mapping[str, Any] = MappingProxyType({}),
    on_output: Callable[[Waveform], None] = lambda output: None,
    on_preview: Callable[[Waveform], None] | None = None,
) -> Iterator[tuple[PlannedTake, float | InputError]]:
    """Make takes; each is saved before it is yielded.

    While workers judge outputs, others are made.

    Args:
      config: of all takes.
      takes: of `plan`; those of a pair follow each other.
      num_planned: number of takes that were planned, done or not. As many are optimised at once as
        if none were done, since the same program gives the same takes.
      workers: where outputs are judged.
      on_progress: see `transfer_each`.
      documents: JSON values by the name of a file, which is written beside each output.
      on_output: called with each output when it is written and not yet assessed.
      on_preview: called with the start of each take that optimises a waveform, and with the best so
        far at the end of every chunk.

    Yields:
      The takes in order, each with the seconds of its output, or with an error if its loss was
      never finite.

    Raises:
      InputError: a recording cannot be read or used, or one take needs more memory than allowed.
    """
    ensemble = None
    if config.checkpoint:
        # A checkpoint that cannot be read is reported before the transfer, not after it.
        from research.training.predict import load_ensemble

        ensemble = load_ensemble(config.checkpoint)
    sessions: dict[tuple[str, str], _Session] = {}

    def problems() -> Iterator[Problem]:
        for pair, members in itertools.groupby(takes, lambda take: take.pair):
            started = time.perf_counter()
            content, style = load_waveform(pair[0]), load_source(pair[1], config)
            audio = style if isinstance(style, Waveform) else None
            with about(" x ".join(pair)):
                check_memory(config, content, audio)
                assess = Assessor(content, audio, ensemble, workers)
                if not sessions:
                    assess.prepare()
                sessions[pair] = _Session(assess, time.perf_counter() - started)
                yield from prepare_each(content, style, config, [one.settings for one in members])

    def on_iterate(problem: Problem, variable: np.ndarray) -> None:
        if on_preview is not None and config.optimises_waveform:
            on_preview(render(problem, variable))

    results = transfer_each(
        problems(),
        num_planned,
        config.sweep.memory_gb,
        on_progress,
        None if on_preview is None else on_iterate,
    )
    waiting: collections.deque[_Waits] = collections.deque()
    try:
        for take, result in zip(takes, results, strict=True):
            # Takes come in order, so sessions of other pairs before this one are over.
            while next(iter(sessions)) != take.pair:
                del sessions[next(iter(sessions))]
            take.folder.mkdir(parents=True, exist_ok=True)
            if isinstance(result, Transfer):
                _save_output(take, result, documents)
                on_output(result.output)
                save = _assess(take, result, sessions[take.pair])
                waiting.append(_Waits(take, result.output.seconds, save))
            else:
                waiting.append(_Waits(take, result, lambda: None))
            while len(waiting) > workers.count:
                yield _finish(waiting.popleft())
    except InputError:  # Of a later pair: what is made is kept.
        for waits in waiting:
            waits.save()
        raise
    for waits in waiting:
        yield _finish(waits)


def _finish(waits: _Waits) -> tuple[PlannedTake, float | InputError]:
    waits.save()
    return waits.take, waits.result


def _save_output(take: PlannedTake, result: Transfer, documents: Mapping[str, Any]) -> None:
    """Write `output.wav` and documents."""
    # From here on, the files of a take before it do not belong together.
    for name in ("metrics.json", "report.html", "spectrograms.png"):
        (take.folder / name).unlink(missing_ok=True)
    for name, value in documents.items():
        save_json(take.folder / name, value)
    save_waveform(take.folder / "output.wav", result.output)


def _assess(take: PlannedTake, result: Transfer, session: _Session) -> Callable[[], None]:
    """Begin to assess the output; what writes `metrics.json`, which marks the take as done."""
    recording, minimum = load_waveform(take.folder / "output.wav"), result.minimum
    history, rendered_loss = minimum.history, result.rendered_loss
    wait = session.assess(recording)
    metrics = {
        "content": take.content,
        "style": take.style,
        "settings": take.settings,
        "loss": {
            "initial": history[0].loss if history else None,
            "final": minimum.loss,
            "rendered": None if rendered_loss is None else rendered_loss(recording),
            "terms": minimum.terms,
        },
        "num_iterations": len(minimum.losses),
        "num_evaluations": minimum.evaluations,
        "stopped": minimum.stopped,
        "losses": minimum.losses,
        "history": [step._asdict() for step in history],
        "seconds": {"load": session.load_seconds, **result.seconds},
    }

    def save() -> None:
        metrics["seconds"]["judge"], assessed = wait()
        save_json(take.folder / "metrics.json", metrics | assessed)

    return save
