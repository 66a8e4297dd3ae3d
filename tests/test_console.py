"""Standard output and errors that are closed, broken or of another encoding."""

import os
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

SAY = "from research import console; console.prepare(); import os, sys; "


def run(code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SAY + code], cwd=ROOT, stderr=subprocess.PIPE, timeout=60, **options
    )


def test_control_characters_are_written_as_escapes():
    done = run("print('a\\x1b[31m\\x07\\x9b\\tb\\u00e9')", stdout=subprocess.PIPE)
    assert done.stdout.decode() == "a\\x1b[31m\\x07\\x9b\tb\N{LATIN SMALL LETTER E WITH ACUTE}\n"


def test_lines_are_kept_as_they_are():
    done = run("sys.stderr.write('10 %\\r20 %\\n')", stdout=subprocess.PIPE)
    assert done.stderr == b"10 %\r20 %\n"


def test_what_the_encoding_lacks_is_written_as_escapes():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    code = "print('\\u00e9', os.fsdecode(b'\\xff.wav'))"
    done = run(code, stdout=subprocess.PIPE, env=environment)
    assert done.stdout == b"\\xe9 \\udcff.wav\n"
    assert done.returncode == 0


def test_work_goes_on_after_the_reader_has_closed_the_pipe(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    wrote = tmp_path / "wrote"
    code = f"[print(n, flush=True) for n in range(9)]; open({str(wrote)!r}, 'w').write('all')"
    done = run(code, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert wrote.read_text() == "all"


@pytest.mark.parametrize("number", [1, 2])
def test_a_closed_stream_takes_all_that_is_written(number, tmp_path):
    # The file that is opened next must not get the number of the closed stream, and so its text.
    wrote = tmp_path / "wrote"
    code = (
        f"wrote = open({str(wrote)!r}, 'w'); print('out', flush=True); "
        "print('error', file=sys.stderr, flush=True); wrote.write('file')"
    )
    command = f"exec {sys.executable} -c {shlex.quote(SAY + code)} {number}>&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0
    assert wrote.read_text() == "file"
    assert done.stdout == (b"" if number == 1 else b"out\n")
