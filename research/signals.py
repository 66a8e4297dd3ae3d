"""Ctrl-C, SIGTERM and SIGHUP: one line, no traceback, no unfinished file, no worker that goes on.

While a program starts, a signal ends it at once. Inside `unwinding` it raises KeyboardInterrupt, so
that blocks leave things as they should be. What is raised can be lost in a callback of a library,
and is not raised at all while compiled code runs. So a thread waits for signals, too: it ends the
process after a moment, and at once at the second signal.
"""

import contextlib
import glob
import os
import pathlib
import select
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import ClassVar

from research import console

_GRACE_SECONDS = 3.0
# Exit codes and words. The code is that of a shell for a process that the signal killed, but for
# an interrupt, which is an error like others.
_SIGNALS = {
    signal.SIGINT: (1, "interrupted"),
    signal.SIGTERM: (143, "ended by SIGTERM"),
    signal.SIGHUP: (129, "ended by SIGHUP"),
}


class _State:
    """Of this process.

    Attributes:
      is_prepared: whether signals are handled.
      unwinds: whether KeyboardInterrupt is raised.
      received: the first signal; 0 before.
      stderr: a descriptor of its own, since decoding turns the common one off.
      unfinished: files to remove.
    """

    is_prepared = False
    unwinds = False
    received = 0
    stderr = 2
    unfinished: ClassVar[set[str]] = set()


def is_program() -> bool:
    """Whether Python was started with a script or module of this project."""
    if sys.argv[:1] == ["-m"]:  # Until Python has found the module that it is to run.
        return any(word.partition(".")[0] == "research" for word in sys.orig_argv[1:])
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return path is not None and os.path.dirname(os.path.abspath(path)) == root


def prepare() -> None:
    """Handle signals, bar those that whoever started the process ignores or handles."""
    if _State.is_prepared or threading.current_thread() is not threading.main_thread():
        return
    _State.is_prepared = True
    with contextlib.suppress(OSError):  # It is closed.
        _State.stderr = os.dup(2)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    for number in _SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _handle)


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Have signals unwind the block, and end the process after it if one has come."""
    prepare()
    _State.unwinds = True
    try:
        yield
    finally:
        _State.unwinds = False
        if _State.received:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            _end(_State.received, start="\n" if os.isatty(_State.stderr) else "")


@contextlib.contextmanager
def removed_at_the_end(path: str | os.PathLike) -> Iterator[None]:
    """Have a file removed if a signal ends the process inside the block."""
    name = os.fspath(path)
    _State.unfinished.add(name)
    try:
        yield
    finally:
        _State.unfinished.discard(name)


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.received or not _State.unwinds or _imports(frame):
        _end(number)
    _State.received = number
    # What is raised can be lost in a callback, which tells it, or become another error.
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None
    raise KeyboardInterrupt


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported; some libraries abort then."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _watch(reader: int) -> None:
    number = _read(reader)
    try:  # Until then, the main thread may end by itself.
        select.select([reader], [], [], _GRACE_SECONDS)
    finally:
        _end(number)


def _read(reader: int) -> int:
    while True:
        for number in os.read(reader, 64):
            if number in _SIGNALS and signal.getsignal(number) is _handle:
                return number


def _end(number: int, start: str = "\n") -> None:
    """End the process at once; `start` ends the line of a bar, or of the "^C" of a terminal."""
    code, words = _SIGNALS[signal.Signals(number)]
    try:
        kill_children(os.getpid())
        for name in list(_State.unfinished):
            with contextlib.suppress(OSError):
                os.unlink(name)
        with contextlib.suppress(OSError):
            os.write(_State.stderr, f"{start}{console.program()}: {words}\n".encode())
    finally:  # Also where there is no memory left.
        os._exit(code)


def kill_children(process: int) -> None:
    """Kill all descendants of a process, by its id; /proc must list them."""
    for path in glob.glob(f"/proc/{process}/task/*/children"):
        with contextlib.suppress(OSError, ValueError):
            for child in map(int, pathlib.Path(path).read_text().split()):
                command = pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
                # It removes what the others shared, and ends then.
                if b"multiprocessing.resource_tracker" not in command:
                    kill_children(child)
                    os.kill(child, signal.SIGKILL)
