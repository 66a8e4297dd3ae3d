"""Programs that are kept compiled, and those of them that are damaged."""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from conftest import ROOT

from research.programs import checked, compiled_when_called, keep_programs

COMPILES = """
import pathlib, warnings
import jax, jax.numpy as jnp
from research.programs import keep_every_program

def double(x):
    return 2 * jnp.sin(x)

def compiled():
    jax.clear_caches()
    return float(jax.jit(double)(0.5))

folder = pathlib.Path("{folder}")
keep_every_program()
expected = compiled()
[entry] = folder.glob("jit_double-*-cache")
other = folder / "jit_other-0-cache"
other.write_bytes(b"")
whole = entry.read_bytes()
for damaged in (b"", whole[: len(whole) // 2], whole[:-50] + bytes(50), b"text"):
    entry.write_bytes(damaged)
    assert compiled() == expected
    # But for the time that it took to compile.
    assert abs(entry.stat().st_size - len(whole)) < 64, damaged
    compiled()
assert other.exists()
warnings.warn("something else")
"""


def test_a_damaged_program_of_jax_is_replaced_and_not_told(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", COMPILES.format(folder=tmp_path)],
        cwd=ROOT,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "<string>:27: UserWarning: something else\n"


@pytest.fixture
def kept(tmp_path) -> dict[str, pathlib.Path]:
    """Files that a run has left, by kind."""
    files = {
        "index": tmp_path / "util_1" / "f.nbi",
        "code": tmp_path / "util_1" / "f.1.nbc",
        "other": tmp_path / "util_1" / "g.nbi",
    }
    files["index"].parent.mkdir()
    with checked(tmp_path):
        for kind, path in files.items():
            path.write_bytes(kind.encode() * 99)
    return files


def left(kept: dict[str, pathlib.Path], folder: pathlib.Path) -> set[str]:
    """Kinds of the files that a run finds."""
    with checked(folder):
        return {kind for kind, path in kept.items() if path.exists()}


def test_what_a_run_of_numba_has_left_is_kept(kept, tmp_path):
    assert left(kept, tmp_path) == set(kept)
    assert left(kept, tmp_path) == set(kept)


@pytest.mark.parametrize("damage", [b"", b"c", b"x" * 4 * 99])
def test_damaged_files_of_numba_are_removed(kept, tmp_path, damage):
    kept["code"].write_bytes(damage)
    assert left(kept, tmp_path) == {"index", "other"}
    with checked(tmp_path):
        kept["code"].write_bytes(b"anew")
    assert left(kept, tmp_path) == set(kept)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_without_its_list_all_files_are_made_anew(kept, tmp_path, text):
    (tmp_path / "files.json").write_text(text)
    assert left(kept, tmp_path) == set()


def test_runs_side_by_side_list_the_files_of_both(kept, tmp_path):
    with checked(tmp_path):
        with checked(tmp_path):
            kept["code"].write_bytes(b"of the one")
        kept["other"].write_bytes(b"of the other")
    assert left(kept, tmp_path) == set(kept)


def test_an_error_keeps_what_was_compiled(tmp_path):
    path = tmp_path / "f.nbi"
    with pytest.raises(KeyboardInterrupt), checked(tmp_path):
        path.write_bytes(b"index")
        raise KeyboardInterrupt
    assert left({"index": path}, tmp_path) == {"index"}


def test_a_folder_that_does_not_exist_or_cannot_be_used_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "none", tmp_path / "file"):
        with checked(folder):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_jax_keeps_programs_in_the_cache_of_the_user_if_not_told_where(tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        keep_programs()
        assert jax.config.jax_compilation_cache_dir == before
        jax.config.update("jax_compilation_cache_dir", None)
        keep_programs()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "music_style_transfer_jax")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


LOADS = """
import sys
import numpy as np
from research.programs import load_librosa

librosa = load_librosa()
from librosa.util import utils

compiled = {name: getattr(utils, name).types for name in ("_localmax", "_localmin", "_cabs2")}
assert not any(compiled.values()), compiled
import numba
assert numba.vectorize.__module__.startswith("numba")
assert abs(librosa.stft(np.ones(4096, np.float32))).max() == 1024
"""


def test_librosa_compiles_what_is_called():
    done = subprocess.run(
        [sys.executable, "-c", LOADS], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_functions_get_types_when_they_are_called():
    import numba

    with compiled_when_called():
        add = numba.vectorize(["float32(float32, float32)"])(lambda one, other: one + other)
    assert add.types == []
    values = np.arange(3.0)
    np.testing.assert_array_equal(add(values, 2.0), values + 2.0)
    assert add.types == ["dd->d"]
