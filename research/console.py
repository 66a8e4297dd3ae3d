"""Standard output and errors of the scripts, whatever the terminal is and names of files hold."""

import os
import sys
from typing import Any, TextIO

# Bar those that break lines. A terminal takes them for commands.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
for _code in map(ord, "\t\n\r"):
    del _CONTROL[_code]


class _Console:
    """A text stream that writes control characters as escapes and outlives its reader.

    After `| head -1` has closed the pipe, what is written is dropped and the work goes on.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text.translate(_CONTROL))
        except BrokenPipeError:
            self._drop()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        with open(os.devnull, "w") as sink:
            os.dup2(sink.fileno(), self._stream.fileno())


def prepare() -> None:
    """Make `sys.stdout` and `sys.stderr` accept any text, also where they are closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Gets the lowest number that is free: this one.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, _Console(stream))


def program() -> str:
    """Name of the script, or of the package that `python -m` runs."""
    folder, name = os.path.split(sys.argv[0])
    return os.path.basename(folder) if name == "__main__.py" else name
