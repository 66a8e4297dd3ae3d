"""From the names of pieces and the values of a sweep to takes in folders."""

import dataclasses
import hashlib
import itertools
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from research.audio.waveform import Waveform, load_waveform, save_waveform
from research.errors import InputError, about
from research.report.page import Pair, write_report
from research.tables import save_records
from research.transfer.config import TransferConfig
from research.transfer.optimise import Progress
from research.transfer.side_by_side import transfer_each
from research.transfer.style_source import check_source, load_source, parse_source
from research.transfer.style_transfer import Problem, Transfer
from research.transfer.sweep import (
    Settings,
    combinations,
    in_words,
    prepare_each,
    with_settings,
)
from research.transfer.takes import TAKES, Assessor, load_pair, load_take, row_of
from research.workdir import save_json


@dataclasses.dataclass(frozen=True)
class PlannedTake:
    """One output that a run is to make.

    Attributes:
      folder: of its files.
      content: name of a file.
      style: what `--style` may name.
      settings: swept values.
    """

    folder: pathlib.Path
    content: str
    style: str
    settings: Settings

    @property
    def pair(self) -> tuple[str, str]:
        """Content and style."""
        return self.content, self.style

    @property
    def name(self) -> str:
        """What is special about it among those of its pair."""
        return in_words(self.settings) or "output"

    @property
    def is_done(self) -> bool:
        """Whether all of its files are there."""
        return (self.folder / "metrics.json").exists()


def plan(
    config: TransferConfig, pairs: list[tuple[str, str]], workdir: pathlib.Path
) -> list[PlannedTake]:
    """Every pair with every combination of swept values; a single take is in the workdir itself.

    Raises:
      InputError: a combination that the config does not allow.
    """
    settings = combinations(config.sweep)
    for one in settings:
        with_settings(config, one)
    # Found again from anywhere, and one file under one name.
    distinct = dict.fromkeys(
        tuple(os.path.abspath(name) if os.path.exists(name) else name for name in pair)
        for pair in pairs
    )
    every = [(*pair, one) for pair, one in itertools.product(distinct, settings)]
    if len(every) == 1:
        return [PlannedTake(workdir, *every[0])]
    return [
        PlannedTake(workdir / TAKES / f"{number:03d}", *one) for number, one in enumerate(every)
    ]


def identify(takes: Iterable[PlannedTake]) -> dict[str, Any]:
    """What each take is made of, and digests of the files, as JSON values."""
    takes = list(takes)
    names = dict.fromkeys(name for take in takes for name in take.pair)
    parts = (part.path for name in names for part in parse_source(name))
    files = dict.fromkeys(path for path in parts if path.is_file())
    return {
        "takes": {take.folder.name: [*take.pair, take.settings] for take in takes},
        "files": {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


def check_pieces(takes: Iterable[PlannedTake]) -> None:
    """See that every piece can be read, before time is spent on any.

    Raises:
      InputError: one cannot be.
    """
    for content in dict.fromkeys(take.content for take in takes):
        load_waveform(content)
    for style in dict.fromkeys(take.style for take in takes):
        check_source(style)


@dataclasses.dataclass(frozen=True)
class _Session:
    """A pair while its takes are made."""

    assess: Assessor
    load_seconds: float


def make_takes(
    config: TransferConfig,
    takes: list[PlannedTake],
    num_planned: int,
    on_progress: Callable[[int, list[Progress]], None],
) -> Iterator[tuple[PlannedTake, Transfer | InputError]]:
    """Make takes; each is in its folder before it is given back.

    In the place of a take whose loss was never finite comes the error that says so.

    Args:
      config: of all.
      takes: of `plan`, those of a pair in a row.
      num_planned: number of takes that were planned, done or not: as many are optimised at once as
        if none were, since the same program gives the same takes.
      on_progress: see `transfer_each`.

    Raises:
      InputError: a piece cannot be read or used, or memory does not do for one take.
    """
    ensemble = None
    if config.checkpoint:
        # What is wrong with it is better said now than after the transfer.
        from research.training.predict import load_ensemble

        ensemble = load_ensemble(config.checkpoint)
    sessions: dict[tuple[str, str], _Session] = {}

    def problems() -> Iterator[Problem]:
        for pair, members in itertools.groupby(takes, lambda take: take.pair):
            started = time.perf_counter()
            content, style = load_waveform(pair[0]), load_source(pair[1], config)
            heard = style if isinstance(style, Waveform) else None
            assess = Assessor(content, heard, ensemble)
            sessions[pair] = _Session(assess, time.perf_counter() - started)
            with about(" x ".join(pair)):
                yield from prepare_each(content, style, config, [one.settings for one in members])

    results = transfer_each(problems(), num_planned, config.sweep.memory_gb, on_progress)
    for take, result in zip(takes, results, strict=True):
        # They come in order: those of pairs before are done.
        while next(iter(sessions)) != take.pair:
            del sessions[next(iter(sessions))]
        take.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(result, Transfer):
            _save(take, result, sessions[take.pair])
        yield take, result


def _save(take: PlannedTake, result: Transfer, session: _Session) -> None:
    """`output.wav`, and then `metrics.json`, which says that the take is done."""
    save_waveform(take.folder / "output.wav", result.output)
    recording, minimum = load_waveform(take.folder / "output.wav"), result.minimum
    started = time.perf_counter()
    assessed = session.assess(recording)
    judged = time.perf_counter()
    metrics = {
        "content": take.content,
        "style": take.style,
        "settings": take.settings,
        "loss": {
            "initial": minimum.history[0].loss,
            "final": minimum.loss,
            "rendered": result.rendered_loss(recording),
            "terms": minimum.terms,
        },
        "num_iterations": len(minimum.losses),
        "num_evaluations": minimum.evaluations,
        "stopped": minimum.stopped,
        "losses": minimum.losses,
        "history": [step._asdict() for step in minimum.history],
        "seconds": {"load": session.load_seconds, **result.seconds, "judge": judged - started},
        **assessed,
    }
    save_json(take.folder / "metrics.json", metrics)


def write_results(
    takes: list[PlannedTake],
    config: dict[str, Any],
    environment: dict[str, Any],
    workdir: pathlib.Path,
) -> list[Pair]:
    """Write `report.html`, and of a sweep `takes.csv`; the pairs with what was made of them.

    Args:
      takes: of `plan`; those that are not done are left out.
      config: of all, nested.
      environment: of the run, nested.
      workdir: where to.

    Raises:
      InputError: a piece cannot be read any more.
    """
    done = [take for take in takes if take.is_done]
    pairs = []
    for pair, members in itertools.groupby(done, lambda take: take.pair):
        loaded = [load_take(take.folder, take.name) for take in members]
        pairs.append(load_pair(*pair, loaded))
    if pairs:
        write_report(workdir / "report.html", pairs, config, environment)
    if len(takes) > 1:
        found = (take for pair in pairs for take in pair.takes)
        rows = [
            {"take": take.folder.name, "content": take.content, "style": take.style}
            | take.settings
            | row_of(one.metrics)
            for take, one in zip(done, found, strict=True)
        ]
        save_records(workdir / "takes.csv", rows)
    return pairs
