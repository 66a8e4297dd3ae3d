"""Processes beside this one: what they compute, and how they end."""

import math
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from waiting import wait_until

from research import workers
from research.errors import InputError
from research.workdir import load_dict
from research.workers import HERE, start_workers

SCRIPT = """
import os, sys
from research.workers import start_workers

print("run")
with start_workers(1) as workers:
    print(workers.submit(os.getpid).result(), flush=True)
    workers.submit(sum, [1, 2]).result()
    sys.stdin.read()
"""


def test_without_processes_a_call_is_computed_once_when_its_result_is_asked_for():
    calls = []
    future = HERE.submit(calls.append, 1)
    assert (HERE.count, calls) == (0, [])
    assert (future.result(), future.result(), calls) == (None, None, [1])
    HERE.prepare(calls.append, 2)
    assert list(HERE.map(math.sqrt, [4, 9])) == [2.0, 3.0]
    assert calls == [1]
    with pytest.raises(ValueError, match="math domain"):
        HERE.submit(math.sqrt, -1).result()


def test_processes_compute_and_tell_errors():
    with start_workers(2) as processes:
        assert processes.count == 2
        assert processes.submit(os.getpid).result() != os.getpid()
        assert list(processes.map(math.sqrt, [4, 9])) == [2.0, 3.0]
        with pytest.raises(ValueError, match="math domain"):
            processes.submit(math.sqrt, -1).result()
        with pytest.raises(InputError, match="nowhere"):
            processes.submit(load_dict, pathlib.Path("nowhere")).result()


@pytest.mark.parametrize("count", [0, -1])
def test_on_one_core_there_are_no_processes(count):
    with start_workers(count) as processes:
        assert processes.submit(os.getpid).result() == os.getpid()


@pytest.mark.parametrize("error", [NotImplementedError("no semaphores"), OSError("no room")])
def test_where_processes_cannot_be_started_all_is_computed_here(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(workers, "ProcessPoolExecutor", fail)
    with start_workers(2) as processes:
        assert (processes.count, processes.submit(os.getpid).result()) == (0, os.getpid())


def test_a_worker_that_is_killed_is_told_in_a_line():
    told = pytest.raises(InputError, match="a worker process was killed")
    with told as caught, start_workers(1) as processes:
        os.kill(processes.submit(os.getpid).result(), signal.SIGKILL)
        processes.submit(time.sleep, 60).result()
    assert "\n" not in str(caught.value)


def test_an_error_does_not_wait_for_workers(tmp_path):
    begun, started = tmp_path / "begun", time.monotonic()
    with pytest.raises(KeyError), start_workers(1) as processes:
        worker = processes.submit(os.getpid).result()
        processes.submit(os.system, f"touch {begun}; sleep 60")
        wait_until(begun.exists)
        raise KeyError
    assert time.monotonic() - started < 30
    os.kill(worker, signal.SIGKILL)  # Else the tests wait for it at their end.


def test_a_daemon_computes_by_itself(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with start_workers(1) as processes:
        assert processes.submit(os.getpid).result() == os.getpid()


def test_workers_import_nothing_from_the_current_folder(tmp_path):
    (tmp_path / "research").mkdir()
    (tmp_path / "research" / "__init__.py").write_text("raise SystemExit('not this one')")
    script = tmp_path / "scripts" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        input="",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_without_a_guard_is_run_once_and_its_workers_end_with_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "run\n"
    worker = int(process.stdout.readline())  # Not a second "run".
    process.kill()
    process.communicate()
    wait_until(lambda: not _runs(worker))


def _runs(process: int) -> bool:
    try:  # One that has ended and whose parent has not asked for it still has an entry.
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return False
    return not state.startswith("Z")
