"""Several transfers optimised side by side, on all devices, as many at once as memory allows.

A take is one output of a run.
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.clock import Clock
from research.errors import InputError
from research.transfer.optimise import (
    Minimum,
    Progress,
    bytes_of_take,
    minimise_each,
    not_optimised,
)
from research.transfer.style_transfer import Problem, Transfer, finish

_GB_UNKNOWN = 4.0  # Of all devices, where they do not tell, such as CPUs.
_SHARE = 0.8  # Of the memory that is left to jax; how much takes need is an estimate.


def use_every_core(num_takes: int) -> None:
    """Make each CPU core a device, for takes side by side, unless the environment says how many.

    Cores that this process may not use, by its affinity or its control group, do not count. It does
    nothing where jax has counted its devices already.
    """
    if "JAX_NUM_CPU_DEVICES" in os.environ:
        return
    if "host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    from joblib import cpu_count

    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", max(min(cpu_count(), num_takes), 1))


class _Room(NamedTuple):
    """How many takes are optimised at the same time: the same number on each device."""

    devices: list[Any]
    on_each: int

    @property
    def num_takes(self) -> int:
        return len(self.devices) * self.on_each


def transfer_each(
    problems: Iterable[Problem],
    num_takes: int,
    memory_gb: float | None,
    on_progress: Callable[[int, list[Progress]], None] = lambda done, progress: None,
    on_iterate: Callable[[Problem, np.ndarray], None] | None = None,
) -> Iterator[Transfer | InputError]:
    """Optimise problems side by side on all local devices, as many at once as memory allows.

    Consecutive problems of the same shapes share one compiled program. A last round that is not
    full is padded with copies whose results are dropped.

    Args:
      problems: of one objective; drawn one after the other.
      num_takes: number of problems.
      memory_gb: approximate memory of the takes optimised at the same time, all devices together;
        None for what there is.
      on_progress: called with the number of takes that are done, and the progress of the takes
        that are being optimised.
      on_iterate: called with each problem and its start, and with the best iterate so far at the
        end of every chunk.

    Yields:
      The transfers, in order; an InputError in the place of one whose loss was never finite.

    Raises:
      InputError: one take needs more memory than there is.
    """
    rooms: dict[Any, _Room] = {}
    waiting: list[tuple[Problem, Clock]] = []
    problems, done = iter(problems), 0

    def optimise() -> Iterator[Transfer | InputError]:
        nonlocal done
        room = rooms[_kind(waiting[0][0])]
        yield from _optimise_together(
            waiting, room, lambda progress: on_progress(done, progress), on_iterate
        )
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
    """Structure, shapes and types: problems of one kind share a compiled program."""
    leaves, structure = jax.tree.flatten((problem.start, problem.targets))
    return structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


def _bytes_on_each(devices: Sequence[Any]) -> float | None:
    """Memory for takes on each device; None where a device does not tell.

    What other programs have taken of it is not known.
    """
    told = [device.memory_stats() for device in devices]
    if not all(one and "bytes_limit" in one for one in told):
        return None
    return _SHARE * min(one["bytes_limit"] - one["bytes_in_use"] for one in told)


def _find_room(problem: Problem, num_takes: int, memory_gb: float | None) -> _Room:
    if num_takes == 1 or problem.targets is None:
        return _Room(jax.local_devices()[:1], 1)
    config, devices = problem.config, jax.local_devices()
    needed = bytes_of_take(
        problem.objective, problem.start, problem.targets, problem.weights, config.optimiser
    )
    on_each = _bytes_on_each(devices) if memory_gb is None else None
    if on_each is not None:
        most = len(devices) * int(on_each // needed)
        told, hint = f"{on_each / 1e9:.2g} GB of the device are free", "give a shorter content"
    else:
        memory_gb = _GB_UNKNOWN if memory_gb is None else memory_gb
        most = int(memory_gb * 1e9 // needed)
        told = f"config.sweep.memory_gb is {memory_gb:g}"
        hint = "give more, or a shorter content"
    if not most:
        raise InputError(
            f"{told}, and one take of {problem.content.seconds:.1f} s needs about "
            f"{needed / 1e9:.2g}; {hint}"
        )
    devices = devices[: min(most, num_takes)]
    if devices[0].platform == "cpu":  # Takes on one CPU device take turns, and longer.
        return _Room(devices, 1)
    rounds = math.ceil(num_takes / (most // len(devices) * len(devices)))
    return _Room(devices, math.ceil(num_takes / (rounds * len(devices))))


def _optimise_together(
    waiting: list[tuple[Problem, Clock]],
    room: _Room,
    on_progress: Callable[[list[Progress]], None],
    on_iterate: Callable[[Problem, np.ndarray], None] | None,
) -> Iterator[Transfer | InputError]:
    problems = [problem for problem, _ in waiting]
    config, targets = problems[0].config, problems[0].targets
    if targets is None:
        for problem, clock in waiting:
            clock.seconds["optimise"] = 0.0
            yield _finish(problem, not_optimised(problem.start), clock)
        return
    filled = problems + problems[-1:] * (room.num_takes - len(problems))
    parts = ("content", "style", "scales", "num_samples")
    stacked = {
        part: jax.tree.map(
            lambda *leaves: jnp.stack(leaves), *(getattr(one.targets, part) for one in filled)
        )
        for part in parts
    }

    def on_best(variables: Iterable[np.ndarray]) -> None:
        for problem, variable in zip(problems, variables, strict=False):
            if on_iterate is not None:
                on_iterate(problem, variable)

    on_best(problem.start for problem in problems)
    together = Clock()
    with together.measure("optimise"):
        minima = minimise_each(
            problems[0].objective,
            np.stack([one.start for one in filled]),
            dataclasses.replace(targets, **stacked),
            {name: [one.weights[name] for one in filled] for name in config.weights},
            config=config.optimiser,
            num_iterations=config.num_iterations,
            own=dataclasses.replace(targets, constants=False, **dict.fromkeys(parts, True)),
            devices=room.devices,
            on_progress=lambda progress: on_progress(progress[: len(problems)]),
            on_best=None if on_iterate is None else on_best,
        )
    for (problem, clock), minimum in zip(waiting, minima, strict=False):
        for part, seconds in together.seconds.items():
            clock.seconds[part] = clock.seconds.get(part, 0.0) + seconds / len(waiting)
        yield _finish(problem, minimum, clock)


def _finish(problem: Problem, minimum: Minimum, clock: Clock) -> Transfer | InputError:
    try:
        with clock.measure("phase"):
            return finish(problem, minimum, clock.seconds)
    except InputError as error:
        return error
