"""Many transfers as one: every combination of swept values, optimised side by side."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.audio.waveform import Waveform
from research.clock import Clock
from research.errors import InputError
from research.transfer.config import SweepConfig, TransferConfig
from research.transfer.constants import make_constants
from research.transfer.objective import Style
from research.transfer.optimise import Progress, bytes_of_take, minimise_each
from research.transfer.style_transfer import (
    Problem,
    Transfer,
    finish,
    prepare,
)

Settings = dict[str, float]
"""Swept values by key of the config, without `config.`."""


def combinations(sweep: SweepConfig) -> list[Settings]:
    """Every combination of the swept values, the last key the fastest; one, empty, without any."""
    lists = {}
    for key, values in dataclasses.asdict(sweep).items():
        if isinstance(values, dict):
            lists |= {f"{key}.{term}": inner for term, inner in values.items()}
        elif key != "memory_gb":
            lists[key] = values
    lists = {key: dict.fromkeys(values) for key, values in lists.items() if values is not None}
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def with_settings(config: TransferConfig, settings: Settings) -> TransferConfig:
    """The config of one combination.

    Raises:
      InputError: values that the config does not allow.
    """
    changes: dict[str, Any] = {"content": config.content, "style": config.style}
    for key, value in settings.items():
        group, _, term = key.partition(".")
        changes[group] = dataclasses.replace(changes[group], **{term: value}) if term else value
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:
        raise InputError(f"config.sweep: {error}") from error


def in_words(settings: dict[str, Any]) -> str:
    """Settings as a name."""
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, int | float) else f"{key}={value}"
        for key, value in settings.items()
    )


def prepare_each(
    content: Waveform, style: Waveform | Style, config: TransferConfig, takes: list[Settings]
) -> Iterator[Problem]:
    """The problems of several settings of one pair, all with the terms that any take weighs.

    Raises:
      InputError: see `prepare`.
    """
    every = _with_every_term(config)
    constants = make_constants(every, content.sample_rate)
    prepared = {}
    for own in (with_settings(config, settings) for settings in takes):
        kind = own.seed, own.style_amount
        if kind not in prepared:
            heard = dataclasses.replace(every, seed=own.seed, style_amount=own.style_amount)
            prepared[kind] = prepare(content, style, heard, constants)
        weights = dict.fromkeys(every.weights, 0.0) | own.weights
        yield dataclasses.replace(prepared[kind], weights=weights)


def _with_every_term(config: TransferConfig) -> TransferConfig:
    """A config with the largest weight that each term has in any combination."""
    configs = [with_settings(config, settings) for settings in combinations(config.sweep)]

    def largest(group: str) -> Any:
        weights = [dataclasses.asdict(getattr(one, group)) for one in configs]
        terms = {term: max(one[term] for one in weights) for term in weights[0]}
        return type(getattr(config, group))(**terms)

    return dataclasses.replace(config, content=largest("content"), style=largest("style"))


class _Room(NamedTuple):
    """How many takes are optimised at the same time: as many on each device."""

    devices: list[jax.Device]
    on_each: int

    @property
    def num_takes(self) -> int:
        return len(self.devices) * self.on_each


def transfer_each(
    problems: Iterable[Problem],
    num_takes: int,
    memory_gb: float,
    on_progress: Callable[[int, list[Progress]], None] = lambda done, progress: None,
) -> Iterator[Transfer | InputError]:
    """Optimise problems side by side on all local devices, as many at once as memory allows.

    Those that follow each other and are alike, all but in numbers, share one compiled program,
    however many they are; a last round that is not full is filled up with what is thrown away.

    Args:
      problems: of one objective; taken one after the other.
      num_takes: how many there are.
      memory_gb: for those optimised at the same time, about.
      on_progress: called with the number of takes done, and the progress of those at work.

    Yields:
      the transfers, in order; an error in the place of one whose loss was never finite.

    Raises:
      InputError: memory does not do for one take.
    """
    rooms: dict[Any, _Room] = {}
    waiting: list[tuple[Problem, Clock]] = []
    problems, done = iter(problems), 0

    def optimise() -> Iterator[Transfer | InputError]:
        nonlocal done
        room = rooms[_kind(waiting[0][0])]
        yield from _optimise_together(waiting, room, lambda progress: on_progress(done, progress))
        done += len(waiting)
        waiting.clear()

    while True:
        clock = Clock()
        with clock.measure("start"):
            problem = next(problems, None)
        kind = None if problem is None else _kind(problem)
        if waiting and kind != _kind(waiting[0][0]):
            yield from optimise()
        if problem is None:
            return
        if kind not in rooms:
            rooms[kind] = _find_room(problem, num_takes, memory_gb)
        waiting.append((problem, clock))
        if len(waiting) == rooms[kind].num_takes:
            yield from optimise()


def _kind(problem: Problem) -> Any:
    """What a program is compiled for."""
    leaves, structure = jax.tree.flatten((problem.start, problem.targets))
    return structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


def _find_room(problem: Problem, num_takes: int, memory_gb: float) -> _Room:
    if num_takes == 1:
        return _Room(jax.local_devices()[:1], 1)
    config = problem.config
    needed = bytes_of_take(
        problem.objective, problem.start, problem.targets, problem.weights, config.optimiser
    )
    most = int(memory_gb * 1e9 // needed)
    if not most:
        raise InputError(
            f"config.sweep.memory_gb is {memory_gb:g}, and one take of "
            f"{problem.content.seconds:.1f} s needs about {needed / 1e9:.2g}; give more, or a "
            "shorter content"
        )
    devices = jax.local_devices()[: min(most, num_takes)]
    if devices[0].platform == "cpu":  # Where takes on one device take turns, and longer.
        return _Room(devices, 1)
    rounds = math.ceil(num_takes / (most // len(devices) * len(devices)))
    return _Room(devices, math.ceil(num_takes / (rounds * len(devices))))


def _optimise_together(
    waiting: list[tuple[Problem, Clock]],
    room: _Room,
    on_progress: Callable[[list[Progress]], None],
) -> Iterator[Transfer | InputError]:
    problems = [problem for problem, _ in waiting]
    config, targets = problems[0].config, problems[0].targets
    filled = problems + problems[-1:] * (room.num_takes - len(problems))
    parts = ("content", "style", "scales")
    stacked = {
        part: jax.tree.map(
            lambda *leaves: jnp.stack(leaves), *(getattr(one.targets, part) for one in filled)
        )
        for part in parts
    }
    together = Clock()
    with together.measure("optimise"):
        minima = minimise_each(
            problems[0].objective,
            jnp.stack([jnp.asarray(one.start) for one in filled]),
            dataclasses.replace(targets, **stacked),
            {name: [one.weights[name] for one in filled] for name in config.weights},
            config=config.optimiser,
            num_iterations=config.num_iterations,
            own=dataclasses.replace(targets, constants=False, **dict.fromkeys(parts, True)),
            devices=room.devices,
            on_progress=lambda progress: on_progress(progress[: len(problems)]),
        )
    for (problem, clock), minimum in zip(waiting, minima, strict=False):
        for part, seconds in together.seconds.items():
            clock.seconds[part] = clock.seconds.get(part, 0.0) + seconds / len(waiting)
        try:
            with clock.measure("phase"):
                result = finish(problem, minimum, clock.seconds)
        except InputError as error:
            yield error
        else:
            yield result
