"""Worker processes: they compute beside this one, which holds a single lock of Python.

Workers are forked from a server, which has none of the threads that jax starts, and which imports
libraries once for all of them. Nothing that they import may start jax.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, resource_tracker
from typing import Any

from research import signals
from research.errors import InputError

_submitting = threading.Lock()
_preloaded: dict[str, None] = {}  # Modules that the server imports, also when it starts again.


class Workers(Executor):
    """Computes what is submitted to it, in other processes if there are any.

    Attributes:
      count: number of processes. If it is 0, a call is computed in this process, when its result is
        asked for.
    """

    def __init__(self, pool: ProcessPoolExecutor | None = None, count: int = 0):
        self._pool, self.count = pool, count if pool else 0
        self._preparing: threading.Thread | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """A future of `fn(*args, **kwargs)`; all of it must be picklable."""
        if self._pool is None:
            return _Deferred(functools.partial(fn, *args, **kwargs))
        with _submitting, _without_main():
            try:
                return self._pool.submit(fn, *args, **kwargs)
            except (EOFError, OSError) as error:  # The server cannot fork, or was killed.
                raise BrokenProcessPool(str(error)) from error

    def prepare(self, fn: Callable[..., Any], /, *args: Any) -> None:
        """Have a worker call a function for what it keeps; do not wait until workers have started.

        Without workers, nothing is done.
        """
        if self._pool is not None:
            self._preparing = threading.Thread(target=self._prepare, args=(fn, *args), daemon=True)
            self._preparing.start()

    def _prepare(self, *call: Any) -> None:
        with contextlib.suppress(Exception):  # It is told where the function is needed.
            self.submit(*call)

    def abandon(self) -> None:
        """End the processes; do not wait for what they are at."""
        if self._preparing is not None and self._preparing.is_alive():
            end_server()  # A thread waits for it, and the pool for the thread.
        self.shutdown(wait=False, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when they have done what they are at, or all that was submitted."""
        if self._pool is not None:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)


class _Deferred(Future):
    """Computed when its result is asked for."""

    def __init__(self, call: Callable[[], Any]):
        super().__init__()
        self._call = call

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            try:
                self.set_result(self._call())
            except Exception as error:
                self.set_exception(error)
        return super().result(timeout)


HERE = Workers()
"""Without processes."""


def spare_cores() -> int:
    """Cores that this process may use, by its affinity or its control group, besides one."""
    from joblib import cpu_count

    return cpu_count() - 1


def start_server(*modules: str) -> None:
    """Start the server, which imports modules while this process goes on.

    If it runs already, nothing happens. Without a call, `start_workers` starts it.

    Raises:
      OSError: processes cannot be started.
    """
    _preloaded.update(dict.fromkeys([__name__, *modules]))
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(_preloaded))
    # It warns of what it cleans up after an interrupt. Neither is to import what happens to lie in
    # the current folder.
    with _environment(PYTHONWARNINGS="ignore", PYTHONSAFEPATH="1"):
        resource_tracker.ensure_running()  # It unblocks interrupts.
    # They are left to the parent process, for all of the life of the server and its workers. The
    # server ignores them by itself, but not while it starts.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    chosen = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONSAFEPATH": "1",
        "MPLBACKEND": "agg",  # A notebook names one that workers need not have.
        # With a process a core, more threads slow each other down.
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"),
    }
    try:
        with _environment(**chosen):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_server() -> None:
    """End the server and its workers at once, where this process has started it."""
    process = getattr(forkserver, "_forkserver")._forkserver_pid  # noqa: B009
    if process is not None:
        signals.kill_children(process)
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables of the environment inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def start_workers(count: int) -> Iterator[Workers]:
    """Start worker processes, which end with the block, and with this process however it ends.

    Where processes cannot be started, as without semaphores or room for a socket, there are none.

    Args:
      count: number of processes; none if it is not positive.

    Raises:
      InputError: a worker was killed inside the block.
    """
    pool = None
    if count > 0 and not multiprocessing.current_process().daemon:  # Those may start none.
        with contextlib.suppress(OSError, NotImplementedError):
            start_server()
            context = multiprocessing.get_context("forkserver")
            pool = ProcessPoolExecutor(count, context, _start)
    workers = Workers(pool, count)
    try:
        yield workers
        workers.shutdown()
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process was killed, perhaps since memory was short; free memory and start "
            "again, what is done is kept"
        ) from error
    finally:
        workers.abandon()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Have workers that are started inside the block not run the script of this process again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start() -> None:
    """End with the parent process, however it ends, and warn in a line, as scripts do."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
