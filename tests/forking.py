"""Scripts run in forks of one process that has imported what takes long.

Every run is a process of its own with its own flags, as if a user had started it; only importing
was done before. Programs that jax compiles are not inherited, for jax is imported and not started.
"""

import importlib
import json
import os
import pathlib
import runpy
import select
import subprocess
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from research.programs import load_librosa

ROOT = pathlib.Path(__file__).resolve().parent.parent
_SECONDS = 300  # A run may take.
_IMPORTED = (
    "research.transfer.commands",
    "research.training.commands",
    "research.training.predict",
    "research.transfer.reorchestration.reorchestrate",
    "research.judge.verdict",
    "matplotlib.figure",
    "orbax.checkpoint",
    "scipy.signal",
    "soundfile",
    "soxr",
)


class ScriptServer:
    """The process, which starts with the first run.

    Args:
      folder: of what is printed.
      environment: of all runs.
    """

    def __init__(self, folder: pathlib.Path, environment: dict[str, str]):
        self._folder, self._environment = folder, environment
        self._process: subprocess.Popen | None = None
        self._count = 0

    def run(
        self, script: str, arguments: Sequence[str], cwd: pathlib.Path = ROOT
    ) -> subprocess.CompletedProcess:
        """Run a script, a path in the top folder or the name of a module, to its end."""
        [done] = self.run_together(script, [arguments], cwd)
        return done

    def run_together(
        self, script: str, arguments: Sequence[Sequence[str]], cwd: pathlib.Path = ROOT
    ) -> list[subprocess.CompletedProcess]:
        """Run a script in one process for each of the arguments, all at a time."""
        script = str(ROOT / script) if script.endswith(".py") else script
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=self._environment | {"PYTHONPATH": str(ROOT)},
            )
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None and told is not None
        printed = [self._folder / str(self._count + index) for index in range(len(arguments))]
        self._count += len(arguments)
        runs = list(zip(arguments, map(str, printed), strict=True))
        print(json.dumps([script, str(cwd), runs]), file=asked, flush=True)
        if not select.select([told], [], [], _SECONDS)[0]:
            self.close()
            raise TimeoutError(f"{script} took more than {_SECONDS} s with {arguments}")
        codes = json.loads(told.readline())
        return [
            subprocess.CompletedProcess(
                [sys.executable, script, *given],
                code,
                *(file.with_suffix(suffix).read_text() for suffix in (".out", ".err")),
            )
            for given, file, code in zip(arguments, printed, codes, strict=True)
        ]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _run(script: str) -> int:
    """The exit code of the script with the arguments in `sys.argv`."""
    try:
        if script.endswith(".py"):
            runpy.run_path(script, run_name="__main__")
        else:
            runpy.run_module(script, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _main() -> None:
    if "ROUND_PRODUCTS" in os.environ:
        import rounding  # noqa: F401
    for module in _IMPORTED:
        importlib.import_module(module)
    load_librosa()
    for line in sys.stdin:
        script, cwd, runs = json.loads(line)
        children = [os.fork() or _end(script, cwd, *run) for run in runs]
        statuses = [os.waitpid(child, 0)[1] for child in children]
        print(json.dumps([os.waitstatus_to_exitcode(status) for status in statuses]), flush=True)


def _end(script: str, cwd: str, arguments: list[str], printed: str) -> NoReturn:
    """Run the script in this process, which is a fork, and end it."""
    for stream, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(f"{printed}{suffix}", os.O_CREAT | os.O_WRONLY), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(cwd)
    sys.argv = [script, *arguments]
    code = _run(script)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _main()
