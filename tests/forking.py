"""Runs of a script in forks of one process that has imported what takes long.

Every run is a process of its own with its own flags, as if a user had started it.
"""

import importlib
import json
import os
import pathlib
import runpy
import subprocess
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run_forked(
    script: pathlib.Path,
    modules: list[str],
    runs: list[list[str]],
    folder: pathlib.Path,
    environment: dict[str, str],
) -> list[subprocess.CompletedProcess]:
    """Run a script once with each list of arguments.

    Args:
      script: the path.
      modules: to import before.
      runs: arguments of each run.
      folder: of what is printed.
      environment: of all.
    """
    subprocess.run(
        [sys.executable, __file__],
        input=json.dumps([str(script), modules, runs, str(folder)]),
        text=True,
        check=True,
        cwd=script.parent,
        env=environment | {"PYTHONPATH": f"{script.parent}{os.pathsep}{ROOT}"},
        timeout=600,
    )
    return [
        subprocess.CompletedProcess(
            [sys.executable, str(script), *arguments],
            *(int((folder / f"{number}.code").read_text()),),
            *((folder / f"{number}.{stream}").read_text() for stream in ("out", "err")),
        )
        for number, arguments in enumerate(runs)
    ]


def _run(script: str) -> int:
    """The exit code of the script with the arguments in `sys.argv`."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _main() -> None:
    script, modules, runs, folder = json.load(sys.stdin)
    for module in modules:
        importlib.import_module(module)
    for number, arguments in enumerate(runs):
        path = pathlib.Path(folder) / str(number)
        if child := os.fork():
            status = os.waitpid(child, 0)[1]
            path.with_suffix(".code").write_text(str(os.waitstatus_to_exitcode(status)))
            continue
        for stream, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(path.with_suffix(suffix), os.O_CREAT | os.O_WRONLY), stream)
        sys.argv = [script, *arguments]
        code = _run(script)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _main()
