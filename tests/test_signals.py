"""Interrupts and SIGTERM: one line, nothing unfinished, no process that goes on."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from research import signals

START = """\
import ctypes, os, subprocess, sys, threading, time
from research import signals
from research.files import atomic_write
signals._GRACE_SECONDS = 0.3
def ready():
    print("ready", flush=True)
"""
BODIES = {
    "while it starts": "signals.prepare()\nready()\ntime.sleep(60)",
    "while it works": "with signals.unwinding():\n    ready()\n    time.sleep(60)",
    "while a file is written": """
with signals.unwinding(), atomic_write("file") as temporary:
    temporary.write_text("half")
    ready()
    time.sleep(60)
""",
    "lost in a callback": """
class Lost:
    def __del__(self):
        ready()
        time.sleep(60)
with signals.unwinding(), atomic_write("file") as temporary:
    temporary.write_text("half")
    lost = Lost()
    del lost
    time.sleep(60)
""",
    "turned into another error": """
with signals.unwinding():
    try:
        ready()
        time.sleep(60)
    except BaseException:
        raise SystemError("a defect")
""",
    "while compiled code runs": """
with signals.unwinding(), atomic_write("file") as temporary:
    temporary.write_text("half")
    ready()
    ctypes.CDLL(None).sleep(60)
    ctypes.CDLL(None).sleep(60)
""",
    "while a thread works": """
from concurrent.futures import ThreadPoolExecutor
with signals.unwinding(), ThreadPoolExecutor(2) as pool:
    pool.submit(time.sleep, 60)
    ready()
    pool.submit(time.sleep, 60).result()
""",
    "while a module is imported": """
open("slow.py", "w").write("import time\\nprint('ready', flush=True)\\ntime.sleep(60)")
sys.path.insert(0, "")
with signals.unwinding():
    import slow
""",
    "while children work": """
with signals.unwinding():
    child = subprocess.Popen(["sh", "-c", "trap '' INT TERM; sleep 60 & echo $!; wait"])
    time.sleep(60)
""",
}


def start(folder: pathlib.Path, body: str) -> subprocess.Popen:
    """A script in its own session, which has printed its first line."""
    (folder / "script.py").write_text(START + body)
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.strip(), process.communicate()[1]
    return process


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_interrupt_is_one_line(tmp_path, body):
    process = start(tmp_path, body)
    os.killpg(process.pid, signal.SIGINT)
    _, text = process.communicate(timeout=20)
    assert text.strip("\n") == "script.py: interrupted"
    assert process.returncode == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"script.py", "slow.py", "__pycache__"}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["TERM", "HUP"]
)
def test_what_ends_the_process_ends_its_children(tmp_path, number, code):
    process = start(tmp_path, BODIES["while children work"])
    process.send_signal(number)
    _, text = process.communicate(timeout=20)  # Children hold the pipe, too.
    assert text.strip("\n") == f"script.py: ended by {number.name}"
    assert process.returncode == code


def test_the_second_interrupt_does_not_wait(tmp_path):
    body = "signals._GRACE_SECONDS = 60\n" + BODIES["while compiled code runs"]
    process = start(tmp_path, body)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1].strip("\n") == "script.py: interrupted"
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def test_an_error_on_the_way_out_does_not_keep_the_process(tmp_path):
    body = """
def fail(process):
    raise MemoryError
signals.kill_children = fail
with signals.unwinding():
    ready()
    ctypes.CDLL(None).sleep(60)
    ctypes.CDLL(None).sleep(60)
"""
    process = start(tmp_path, body)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


def test_what_was_ignored_stays_ignored(tmp_path):
    """As `nohup`, and `&` in a script, have it."""
    body = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
with signals.unwinding():
    ready()
    time.sleep(0.5)
print("worked")
"""
    process = start(tmp_path, body)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("worked\n", "")
    assert process.returncode == 0


def test_programs_of_the_project_are_known(monkeypatch):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(ROOT / "run_train.py"), raising=False)
    assert signals.is_program()
    monkeypatch.setattr(main, "__file__", str(ROOT / "tests" / "forking.py"))
    assert not signals.is_program()
    monkeypatch.setattr(sys, "argv", ["-m", "--seeds=2"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "other.module", "--seeds=2"])
    assert not signals.is_program()
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "research.shipped.make_weights"])
    assert signals.is_program()


def handles(status: str, number: signal.Signals) -> bool:
    """Whether a process handles a signal, by its status in /proc."""
    [mask] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_a_script_is_interrupted_before_its_flags_are_parsed(script_environment):
    with subprocess.Popen(
        [sys.executable, "run_train.py", "--help"],
        cwd=ROOT,
        env=script_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        status = pathlib.Path(f"/proc/{process.pid}/status")
        while not handles(status.read_text(), signal.SIGHUP):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "\nrun_train.py: interrupted\n")
