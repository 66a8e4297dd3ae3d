"""What a script takes from the machine, and errors in one line."""

import os
import pathlib
import subprocess
import sys
import tomllib

import ml_collections
import pytest
from absl import flags
from ml_collections import config_flags

from research import command_line
from research.errors import InputError

REPOSITORY = pathlib.Path(__file__).parents[1]
SCRIPT = """\
import pathlib, sys
from research import command_line
command_line.define_config(pathlib.Path({config!r}))
def main():
{body}
command_line.run(main)
"""


@pytest.fixture
def script(tmp_path):
    """Runs a script with a body and variables of the environment."""
    config = tmp_path / "config.py"
    config.write_text(
        "import ml_collections\n\n\ndef get_config():\n"
        "    return ml_collections.ConfigDict({'size': 1})\n"
    )

    def run(body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        path = tmp_path / "script.py"
        body = "\n".join(f"    {line}" for line in body.splitlines())
        path.write_text(SCRIPT.format(config=str(config), body=body))
        return subprocess.run(
            [sys.executable, path, *arguments],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def refused(done: subprocess.CompletedProcess) -> str:
    """The one line of a script that failed."""
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("script.py: ")
    return lines[0]


def test_errors_of_inputs_and_machines_are_one_line(tmp_path):
    errors = {
        "InputError('a.wav is empty')": "a.wav is empty",
        "MemoryError()": "out of memory; give shorter audio",
        "OSError(28, 'No space left on device', 'a.wav')": "a.wav: No space left on device",
        "OSError(28, 'No space left on device')": "No space left on device",
        "OSError(12, 'Cannot allocate memory', 'a.wav')": "out of memory; give shorter audio",
        "ImportError('a.so: failed to map segment from shared object')": "out of memory",
        'RuntimeError("can\'t start new thread")': "out of memory",
        "KeyboardInterrupt()": "interrupted",
        "RuntimeError('RESOURCE_EXHAUSTED: Out of memory')": "out of memory; give shorter audio",
    }
    (tmp_path / "script.py").write_text(
        "import pathlib\nfrom research import command_line\n"
        "from research.errors import InputError\n"
        f"command_line.define_config(pathlib.Path({str(REPOSITORY / 'configs/transfer.py')!r}))\n"
        f"for error in [{', '.join(errors)}]:\n"
        "    def main():\n        raise error\n"
        "    try:\n        command_line.run(main)\n"
        "    except SystemExit as exit:\n        print(exit.code)\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(errors), done.stderr
    for line, words in zip(lines, errors.values(), strict=True):
        assert line.startswith(f"script.py: {words}")


def test_a_defect_keeps_its_traceback(script):
    done = script("raise RuntimeError('a defect')")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_what_is_left_for_the_end_is_done_after_success(script, tmp_path):
    """Text without a flush, a file that is open, a thread and what libraries register."""
    body = (
        "import atexit, threading, time\nglobal kept\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "kept = (folder / 'open').open('w')\natexit.register(kept.close)\nkept.write('text')\n"
        "def slow():\n    time.sleep(0.5)\n    (folder / 'thread').touch()\n"
        "threading.Thread(target=slow).start()\nsys.stdout.write('told')"
    )
    done = script(body)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told", "")
    assert (tmp_path / "open").read_text() == "text"
    assert (tmp_path / "thread").exists()


def test_an_array_beyond_the_memory_is_one_line(script):
    body = "import jax.numpy as jnp\njnp.zeros((1 << 20, 1 << 20)).block_until_ready()"
    assert "out of memory" in refused(script(body))


def test_a_platform_that_is_not_there_is_one_line(script):
    line = refused(script("print('worked')", JAX_PLATFORMS="cuda"))
    assert "JAX_PLATFORMS=cuda" in line
    assert "unset it" in line


def test_the_platform_cpu_leaves_the_number_of_devices_to_a_sweep(script):
    body = 'import jax\njax.config.update("jax_num_cpu_devices", 3)\nprint(jax.device_count())'
    done = script(body, JAX_PLATFORMS="cpu")
    assert done.stdout == "3\n", done.stderr


def test_64_bits_are_ignored_with_a_warning(script):
    done = script(
        "import jax.numpy as jnp\nprint(jnp.zeros(1).dtype, jnp.asarray([1.5]).dtype)",
        JAX_ENABLE_X64="1",
    )
    assert done.stdout == "float32 float32\n"
    assert done.stderr == "warning: JAX_ENABLE_X64 is ignored: all is computed in 32 bits\n"


def test_the_backend_of_a_notebook_is_not_loaded(script):
    body = "import matplotlib.pyplot\nprint(matplotlib.get_backend())"
    done = script(body, MPLBACKEND="module://not_installed.backend")
    assert done.stdout.lower() == "agg\n", done.stderr


def test_keys_may_stand_before_the_file_that_has_them(script, tmp_path):
    other = tmp_path / "other.py"
    other.write_text((tmp_path / "config.py").read_text().replace("'size': 1", "'width': 2"))
    body = "from absl import flags\nprint(flags.FLAGS.config.width)"
    done = script(body, "--config.width=3", f"--config={other}")
    assert done.stdout == "3\n", done.stderr


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--config.colour=1", "unknown config key"),
        ("--config=/nowhere.py", "/nowhere.py does not exist"),
        ("--no_such_flag=1", "no_such_flag"),
        ("stray", "unexpected argument 'stray'"),
    ],
)
def test_bad_arguments_are_one_line(script, argument, words):
    assert words in refused(script("pass", argument))


COMMANDS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_installed_command_shows_the_help_of_its_script(name, tmp_path):
    module, function = COMMANDS[name].split(":")
    program = tmp_path / name  # As pip writes it.
    program.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    shown = [
        subprocess.run(
            [sys.executable, path, "--help"],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
        ).stdout
        for path in (program, REPOSITORY / f"{module}.py")
    ]
    assert shown[0].replace(str(program), f"{module}.py") == shown[1].replace(
        str(REPOSITORY / f"{module}.py"), f"{module}.py"
    )
    assert "--workdir: Folder of the" in shown[0]


FLAGS = {"one": ("path", "config"), "two": ("path", "number"), "three": ()}


@pytest.mark.parametrize(
    ("mode", "given", "refused"),
    [
        ("one", ["--path=~/a", "--config.size=2"], None),
        ("two", ["--path=b", "--number=3"], None),
        ("three", [], None),
        ("two", ["--config.size=2"], "--config does not apply to --mode=two; it is for --mode=one"),
        ("one", ["--number=3"], "--number does not apply to --mode=one; it is for --mode=two"),
        ("three", ["--path=a"], "it is for --mode=one or two"),
    ],
)
def test_flags_of_another_mode_are_refused(monkeypatch, mode, given, refused):
    values = flags.FlagValues()
    monkeypatch.setattr(sys, "argv", ["program", *given])  # Where keys of configs are looked for.
    config = ml_collections.ConfigDict({"size": 1})
    config_flags.DEFINE_config_dict("config", config, flag_values=values)
    flags.DEFINE_integer("number", 1, "", flag_values=values)
    monkeypatch.setattr(command_line.flags, "FLAGS", values)
    flags.DEFINE(command_line._PathParser(), "path", None, "", flag_values=values)
    values(["program", *given])
    if refused is None:
        command_line.check_flags(mode, FLAGS)
    else:
        with pytest.raises(InputError, match=refused):
            command_line.check_flags(mode, FLAGS)
    if "--path=~/a" in given:
        assert values.path == str(pathlib.Path.home() / "a")
