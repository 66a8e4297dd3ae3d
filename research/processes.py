"""One run computed by several processes, on one machine or on many, by `jax.distributed`.

All of them run the same command. The first one writes what belongs to the whole run, and prints.
They share a file system.
"""

import contextlib
import itertools
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar

from research.errors import InputError

_LONGEST_WAIT = 7 * 24 * 3600  # Seconds. A process that dies ends the others before that.
_SHORTEST_WAIT = 5  # Seconds, of a process that failed.

T = TypeVar("T")

_numbers = itertools.count()


def join(place: str) -> None:
    """Join the other processes of the run, before jax uses a device.

    Args:
      place: `auto`, on SLURM, Open MPI, Kubernetes and TPU pods; else `ADDRESS:PORT,COUNT,INDEX`:
        where the first process listens, how many there are, and which one this is, from 0.

    Raises:
      InputError: the place is no such text, or the processes do not find each other.
    """
    import jax

    try:
        if place == "auto":
            jax.distributed.initialize()
        else:
            address, number, index = place.split(",")
            if ":" not in address:
                raise ValueError(f"{address} has no port")
            jax.distributed.initialize(address, int(number), int(index))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"--distributed={place}: the processes cannot be joined ({reason}); give auto on "
            "SLURM, Open MPI, Kubernetes or a TPU pod, else ADDRESS:PORT,COUNT,INDEX"
        ) from error
    if not is_first():
        # The first one shows the same.
        os.environ["TQDM_DISABLE"] = "1"
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def count() -> int:
    """Number of the processes of the run."""
    return _state().num_processes


def index() -> int:
    """Which one of them this process is, from 0."""
    return _state().process_id


def is_first() -> bool:
    """True for one of the processes, and in a run of one process."""
    return index() == 0


def wait_for_all() -> None:
    """Wait until every process is here."""
    if count() > 1:
        _state().client.wait_at_barrier(f"here_{next(_numbers)}", 1000 * _LONGEST_WAIT)


def end_together() -> None:
    """Wait for all processes, then disconnect.

    The first one holds the connections; if it ended earlier, the others would abort.
    """
    if count() > 1:
        import jax

        wait_for_all()
        jax.distributed.shutdown()


def leave() -> NoReturn:
    """End this process after an error, at once if all of them have one."""
    with contextlib.suppress(Exception):
        _state().client.wait_at_barrier("failed", 1000 * _SHORTEST_WAIT)
    os._exit(1)  # Others that go on would be waited for at the end.


@contextlib.contextmanager
def first_then_others() -> Iterator[None]:
    """Have the first process do something, such as filling a cache, and then the others."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


@contextlib.contextmanager
def written_by_first(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folder in the first process, and a temporary one in others, which write the same."""
    if is_first():
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield pathlib.Path(temporary)


def own_part(items: Sequence[T]) -> list[T]:
    """The items of this process: one of `count()` consecutive slices of about equal length."""
    first, last = (len(items) * place // count() for place in (index(), index() + 1))
    return list(items[first:last])


def check_one(what: str) -> None:
    """Check that a run is of one process.

    Args:
      what: the task that takes one process, for the message.

    Raises:
      InputError: it is not.
    """
    if count() > 1:
        raise InputError(
            f"--distributed is for training, testing and sweeps; {what} takes one process"
        )


def _state() -> Any:
    # jax.process_index() would start the devices, before a sweep says how many there are.
    from jax._src.distributed import global_state

    return global_state
