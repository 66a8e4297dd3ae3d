"""Reading `.npz` files: arrays come back, anything else is refused in one line."""

import io
import pathlib
import zipfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from research.arrays import load_arrays
from research.errors import InputError

ARRAYS = {
    "a/b": np.arange(12, dtype=np.float32).reshape(3, 4),
    "halves": np.float16([0.5, -2]),
    "text": np.array("ünï"),
    "version": np.array(1),
    "empty": np.zeros((0, 3)),
}


def assert_refused(path: pathlib.Path, *words: str) -> None:
    with pytest.raises(InputError) as error:
        load_arrays(path, "a house", "build one")
    message = str(error.value)
    assert message.startswith(f"{path} ") and message.endswith("; build one")
    assert "\n" not in message
    assert all(word in message for word in words), message


def assert_same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert list(ours) == list(theirs)
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        np.testing.assert_array_equal(ours[name], array)


@pytest.fixture(params=[np.savez, np.savez_compressed], ids=["stored", "deflated"])
def file(request, tmp_path) -> pathlib.Path:
    request.param(tmp_path / "house.npz", **ARRAYS)
    return tmp_path / "house.npz"


def test_arrays_come_back_by_name(file):
    assert_same(load_arrays(file, "a house", "build one"), ARRAYS)
    assert_same(load_arrays(str(file), "a house", "build one"), ARRAYS)


def test_arrays_that_are_not_asked_for_are_left_out(file):
    wanted = {name: ARRAYS[name] for name in ("a/b", "version")}
    assert_same(load_arrays(file, "a house", "build one", {*wanted, "no such"}), wanted)


def test_a_file_that_is_not_there_or_not_readable_is_told(file, monkeypatch):
    assert_refused(file.with_name("none.npz"), "cannot be read", "(No such file or directory)")
    assert_refused(file.parent, "cannot be read", "(Is a directory)")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    assert_refused(file, "cannot be read", "(Permission denied)")


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


@pytest.mark.parametrize("content", [b"", b"text, no archive", b"\x93NUMPY\x01\x00v\x00", npy()])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "a.npz").write_bytes(content)
    assert_refused(tmp_path / "a.npz", "is no file of a house, or is cut short")


def test_archives_of_other_things_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", npy())
        archive.writestr("notes.txt", "text")
    assert_refused(tmp_path / "a.npz", "is no file of a house")


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", all=np.array([{}], object))
    assert_refused(tmp_path / "a.npz", "damaged", "allow_pickle=False")


def test_a_file_that_is_cut_short_is_refused(file):
    good = file.read_bytes()
    for length in range(0, len(good), 37):
        file.write_bytes(good[:length])
        assert_refused(file, "cut short")


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_damaged_bit_is_refused_or_means_nothing(file, place, bit):
    out = io.BytesIO()
    np.savez(out, **ARRAYS)
    content = bytearray(out.getvalue())
    content[place % len(content)] ^= 1 << bit
    file.write_bytes(content)
    try:
        found = load_arrays(file, "a house", "build one")
    except InputError as error:
        assert str(error).startswith(f"{file} ") and "\n" not in str(error)
    else:  # Such as of the date of an entry, or of its name in the directory.
        assert sorted(map(str, found.values())) == sorted(map(str, ARRAYS.values()))


def test_a_header_that_promises_less_than_there_is_is_refused(tmp_path):
    """A shorter array than was saved would be read without a look at the checksum."""
    np.savez(tmp_path / "a.npz", a=np.ones(8000, np.float32))
    content = (tmp_path / "a.npz").read_bytes()
    assert content.count(b"(8000,)") == 1
    (tmp_path / "a.npz").write_bytes(content.replace(b"(8000,)", b"(1000,)"))
    assert_refused(tmp_path / "a.npz", "damaged", "a.npy")
