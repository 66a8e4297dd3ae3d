"""Files of the machine: atomic writes, locks, inputs that are kept, the user's cache folder."""

import fcntl
import os
import pathlib
import stat
import subprocess
import sys

import pytest
from conftest import ROOT

from research.errors import InputError
from research.files import (
    atomic_write,
    check_kept,
    check_place,
    exclusive_lock,
    expand,
    user_cache,
)

PROJECT = "music_style_transfer_jax"


def test_file_appears_or_is_replaced_when_all_went_well(tmp_path):
    path = tmp_path / "report.json"
    for text in ("first", "second"):
        with atomic_write(path) as temporary:
            assert temporary.parent == tmp_path  # A rename, so not over file systems.
            assert temporary.suffix == ".json"
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
        assert os.listdir(tmp_path) == ["report.json"]


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (ValueError("no"), ValueError),
        (OSError(28, "full"), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["bug", "disk", "interrupt"],
)
@pytest.mark.parametrize("old", [None, "old"])
def test_failure_leaves_everything_as_it_was(tmp_path, old, failure, raised):
    path = tmp_path / "report.json"
    if old:
        path.write_text(old)
    with pytest.raises(raised), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ([old] if old else [])


def test_system_errors_are_told_in_one_line(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (folder, tmp_path / "nowhere" / "report.json"):
        with (
            pytest.raises(InputError, match="cannot be written") as error,
            atomic_write(path) as temporary,
        ):
            temporary.write_text("text")
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert list(tmp_path.rglob("*")) == [folder]


def test_the_longest_name_of_the_file_system_can_be_written(tmp_path):
    path = tmp_path / ("\N{LATIN SMALL LETTER E WITH ACUTE}" * 125 + ".json")  # 255 bytes.
    check_place(path)
    with atomic_write(path) as temporary:
        assert temporary.suffix == ".json"
        temporary.write_text("text")
    assert path.read_text() == "text"
    with pytest.raises(InputError, match="longer than 255 bytes"):
        check_place(path.with_name("e" + path.name))


def test_a_locked_folder_is_refused_until_the_lock_ends(tmp_path):
    with (
        exclusive_lock(tmp_path),
        pytest.raises(InputError, match="another process works in"),
        exclusive_lock(tmp_path),
    ):
        pytest.fail("two locks at once")
    with exclusive_lock(tmp_path):
        pass


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import os, sys; from research.files import exclusive_lock; "
        "exclusive_lock(sys.argv[1]).__enter__(); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, timeout=60)
    assert done.returncode == 9
    with exclusive_lock(tmp_path):
        pass


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    done = []
    with (
        pytest.warns(UserWarning, match="cannot be locked .Function not implemented."),
        exclusive_lock(tmp_path),
    ):
        done.append(True)
    assert done


def test_an_input_is_not_written_over_by_any_name(tmp_path):
    content = tmp_path / "content.wav"
    content.write_text("sound")
    (tmp_path / "symbolic.wav").symlink_to(content)
    (tmp_path / "hard.wav").hardlink_to(content)
    (tmp_path / "other.wav").write_text("sound")
    check_kept([content], [tmp_path / "other.wav", tmp_path / "new.wav"])
    check_kept([tmp_path / "gone.wav"], [content])
    for name in ("content.wav", "symbolic.wav", "hard.wav", "../" + tmp_path.name + "/hard.wav"):
        with pytest.raises(InputError, match="is an input and would be written over"):
            check_kept([content], [tmp_path / name])


def test_a_home_that_is_not_there_is_left_in_the_path(monkeypatch):
    assert expand("~no_such_user/a.wav") == pathlib.Path("~no_such_user/a.wav")
    monkeypatch.setenv("HOME", "/somewhere")
    assert expand("~/a.wav") == pathlib.Path("/somewhere/a.wav")


def test_the_cache_is_in_the_user_s_cache_folder_and_is_not_made_before_it_is_used(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert user_cache() == tmp_path / "cache" / PROJECT
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / PROJECT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not pathlib.Path("/proc/self").is_dir(), reason="there is no /proc here")
def test_a_folder_that_says_it_can_be_written_and_cannot_is_no_cache(tmp_path, monkeypatch):
    """Root may write everywhere, by the permissions alone."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert tmp_path in user_cache().parents


@pytest.mark.parametrize("home", ["/dev/null", "~"], ids=["not writable", "no home"])
def test_without_a_home_the_cache_is_a_private_temporary_folder(tmp_path, monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda _: f"{home}/.cache")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = user_cache()
    assert folder == tmp_path / f"{PROJECT}_{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert user_cache() == folder


def test_another_user_s_temporary_folder_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    theirs = user_cache()
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    theirs.rename(tmp_path / f"{PROJECT}_{uid + 1}")
    folder = user_cache()
    assert folder.parent == tmp_path
    assert folder.name.startswith(f"{PROJECT}_")
    assert folder != tmp_path / f"{PROJECT}_{uid + 1}"


_AS_NOBODY = """
import os
from research.files import user_cache

if os.geteuid() == 0:
    os.seteuid(65534)
print(user_cache())
"""


def test_a_home_that_may_not_be_entered_is_left_alone(tmp_path):
    home = tmp_path / "home"
    (home / ".cache").mkdir(parents=True)
    home.chmod(0)
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    home.chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert PROJECT in done.stdout and str(home) not in done.stdout
