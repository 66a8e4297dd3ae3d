"""The file that keeps a style: what comes back, and what is refused."""

import json
import pathlib
import tempfile
import zipfile

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis.extra import numpy as arrays_of
from styles import assert_same, make_style, refusal

from research.errors import InputError
from research.transfer.objective import Style
from research.transfer.reorchestration.orchestra import Orchestra
from research.transfer.style_file import (
    check_style_file_name,
    is_style_file,
    load_style,
    save_style,
)
from research.transfer.terms.squared_error import Moments

FRONT_END = {
    "sample_rate": 22050,
    "features": {"seed": 1, "widths": (3, 11), "kind": "random"},
    "checkpoint": None,
}
NAMES = st.text("abcdefgh_0123", min_size=1, max_size=6)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
ARRAYS = arrays_of.arrays(np.float32, arrays_of.array_shapes(min_dims=0), elements=FINITE)
TREES = st.recursive(
    ARRAYS | st.none(),
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3)
        | st.builds(Moments, inner, inner)
        | st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=6,
)
TERMS = st.dictionaries(NAMES, TREES, max_size=3)
ORCHESTRAS = st.builds(Orchestra, *(ARRAYS for _ in Orchestra._fields))
STYLES = st.builds(Style, TERMS, TERMS, ARRAYS | st.none(), ORCHESTRAS | st.none())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def template_of(style: Style) -> Style:
    return jax.eval_shape(lambda: jax.tree.map(jnp.asarray, style))


@pytest.fixture
def bank(tmp_path) -> pathlib.Path:
    """A saved style."""
    save_style(tmp_path / "band.npz", make_style(), FRONT_END, ["band.wav"])
    return tmp_path / "band.npz"


def assert_refused_to_load(path: pathlib.Path, *words: str, front_end=FRONT_END) -> None:
    message = refusal(load_style, path, template_of(make_style()), front_end)
    assert all(word in message for word in (str(path), *words, "--mode=style")), message


def test_comes_back_as_it_was_saved(bank):
    assert_same(load_style(str(bank), template_of(make_style()), FRONT_END), make_style())
    assert [path.name for path in bank.parent.iterdir()] == ["band.npz"]


def test_the_file_is_read_without_the_project(bank):
    style = make_style()
    with np.load(bank) as archive:
        assert set(archive.files) == {
            "version",
            "front_end",
            "origin",
            "descriptions/bands",
            "descriptions/gram/width_3",
            "descriptions/gram/width_11",
            "profiles/features/width_11/mean",
            "profiles/features/width_11/variance",
            "profiles/harmonic",
            "levels",
        }
        np.testing.assert_array_equal(
            archive["profiles/features/width_11/variance"],
            style.profiles["features"]["width_11"].variance,
        )
        np.testing.assert_array_equal(archive["levels"], style.levels)
        assert json.loads(archive["front_end"].item()) == json.loads(json.dumps(FRONT_END))
        assert json.loads(archive["origin"].item()) == ["band.wav"]


@hypothesis.given(style=STYLES, front_end=st.dictionaries(NAMES, JSON, max_size=3))
def test_any_style_comes_back_to_the_bit(style, front_end):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "any.npz"
        save_style(path, style, front_end, [])
        assert_same(load_style(path, template_of(style), front_end), style)
        before = path.read_bytes()
        save_style(path, style, dict(reversed(front_end.items())), [])
        assert path.read_bytes() == before


def test_other_numbers_are_saved_as_float32(bank):
    doubles = jax.tree.map(lambda array: np.asarray(array, np.float64), make_style())
    before = bank.read_bytes()
    save_style(bank, doubles, FRONT_END, ["band.wav"])
    assert bank.read_bytes() == before


def test_less_than_what_is_there_may_be_asked_for(bank):
    whole = template_of(make_style())
    part = Style({"bands": whole.descriptions["bands"]}, {"onset": ()}, None)
    loaded = load_style(bank, part, FRONT_END)
    assert_same(loaded, Style({"bands": make_style().descriptions["bands"]}, {"onset": ()}, None))


@pytest.mark.parametrize("name", ["style.wav", "style", "npz", ".npz", "style.npz.gz"])
def test_another_suffix_is_refused(name, tmp_path):
    message = refusal(save_style, tmp_path / name, make_style(), FRONT_END, [])
    assert message.startswith(f"--output {tmp_path / name}: ") and ".npz" in message
    assert refusal(check_style_file_name, tmp_path / name) == message
    assert not list(tmp_path.iterdir())
    assert not is_style_file(name)


def test_a_suffix_may_be_in_capitals(tmp_path):
    save_style(tmp_path / "STYLE.NPZ", make_style(), FRONT_END, [])
    assert [path.name for path in tmp_path.iterdir()] == ["STYLE.NPZ"]


def test_a_disk_that_refuses_is_told_in_one_line(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for path in (tmp_path / "nowhere" / "a.npz", tmp_path / "folder.npz"):
        message = refusal(save_style, path, make_style(), FRONT_END, [])
        assert f"{path} cannot be written" in message
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npz"]


BANDS = "descriptions/bands"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, ["version 2", "not 1"]),
        ({"version": np.ones(2, int)}, ["version [1, 1]"]),
        ({"version": "a"}, ["version a"]),
        ({"version": None}, ["no file of a style"]),
        ({"front_end": None}, ["no file of a style"]),
        ({"origin": None}, ["no file of a style"]),
        ({"front_end": "{"}, ["damaged", "front end"]),
        ({"front_end": "3"}, ["damaged", "front end"]),
        ({"front_end": np.zeros(2)}, ["damaged", "front end"]),
        ({"front_end": np.array([None])}, ["damaged"]),
        ({BANDS: None}, [f"lacks the array {BANDS}"]),
        ({"levels": None}, ["lacks the array levels"]),
        ({BANDS: np.zeros((1, 4), np.float32)}, [BANDS, "(1, 4)", "(1, 4, 3)"]),
        ({BANDS: np.zeros((2, 4, 3), np.float32)}, [BANDS, "(2, 4, 3)", "(1, 4, 3)"]),
        ({BANDS: np.zeros((1, 4, 3))}, [BANDS, "float64", "float32"]),
        ({BANDS: np.zeros((1, 4, 3), ">f4")}, [BANDS, ">f4", "float32"]),
        ({"levels": np.full((1, 4, 2), np.nan, np.float32)}, ["levels", "not finite"]),
        ({"profiles/harmonic": np.full(5, np.inf, np.float32)}, ["harmonic", "not finite"]),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(changes, words, bank):
    with np.load(bank) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    np.savez(bank, **{name: array for name, array in arrays.items() if array is not None})
    assert_refused_to_load(bank, *words)


@pytest.mark.parametrize("content", [b"", b"text, no archive", b"\x93NUMPY\x01\x00v\x00"])
def test_other_files_are_refused_in_one_line(content, tmp_path):
    (tmp_path / "a.npz").write_bytes(content)
    assert_refused_to_load(tmp_path / "a.npz", "no file of a style")
    assert_refused_to_load(tmp_path / "b.npz", "there is no style")
    assert_refused_to_load(tmp_path, "there is no style")


def test_other_archives_are_refused_in_one_line(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("version", "front_end", "origin"):
            archive.writestr(name, "text")
    assert_refused_to_load(path, "no file of a style")
    np.savez(path, version=1, mean=np.zeros(3), origin="{}")  # As one of a PCA.
    assert_refused_to_load(path, "no file of a style")


def test_a_damaged_file_is_refused_or_as_it_was(bank):
    good = bank.read_bytes()
    damages = np.random.default_rng(0).integers(0, (len(good), 8), (250, 2)).tolist()
    for place, bit in damages:
        bank.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :])
        try:
            again = load_style(bank, template_of(make_style()), FRONT_END)
        except InputError as error:
            assert str(bank) in str(error) and "\n" not in str(error)
        else:  # A bit that means nothing, such as of the date of an entry.
            assert_same(again, make_style())


def test_a_file_that_is_cut_short_is_refused(bank):
    good = bank.read_bytes()
    for length in range(0, len(good), 61):
        bank.write_bytes(good[:length])
        assert_refused_to_load(bank, "cut short")


def test_what_the_system_does_not_let_read_is_told(bank, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    assert_refused_to_load(bank, "Permission denied")


def changed(**changes) -> dict:
    """The front end with other values; None for a key that is not there."""
    front_end = json.loads(json.dumps(FRONT_END))
    for key, value in changes.items():
        *outer, last = key.split("__")
        place = front_end[outer[0]] if outer else front_end
        if value is None:
            del place[last]
        else:
            place[last] = value
    return front_end


@pytest.mark.parametrize(
    ("front_end", "message"),
    [
        (
            changed(features__seed=0),
            "features.seed=1, this run has features.seed=0; {} or set --config.features.seed=1",
        ),
        (
            changed(features__widths=[3], features__seed=2),
            "features.seed=1, features.widths=(3, 11), this run has features.seed=2, "
            "features.widths=(3,); {} or set --config.features.seed=1 "
            "'--config.features.widths=(3, 11)'",
        ),
        (
            changed(checkpoint="results/a"),
            "checkpoint=None, this run has checkpoint=results/a; {} or set "
            "--config.checkpoint=None",
        ),
        (
            changed(features__kind=None),
            "features.kind=random, this run has no features.kind; {}",
        ),
        (changed(layers=["a"]), "no layers, this run has layers=('a',); {}"),
        (
            changed(features={"depth": 3}),
            "no features.depth, features.kind=random, features.seed=1, this run has "
            "features.depth=3, no features.kind, no features.seed (4 settings differ); {}",
        ),
        (
            changed(sample_rate="a\nb"),
            "sample_rate=22050, this run has 'sample_rate=a\\nb'; {} or set "
            "--config.sample_rate=22050",
        ),
    ],
)
def test_another_front_end_is_refused_with_what_differs(bank, front_end, message):
    mend = "make it anew by run_transfer.py --mode=style"
    assert (
        refusal(load_style, bank, template_of(make_style()), front_end)
        == f"{bank} was made with {message.format(mend)}"
    )


def test_another_front_end_is_told_before_the_arrays_it_changed(bank):
    other = template_of(make_style())._replace(levels=jax.ShapeDtypeStruct((1, 9), jnp.float32))
    front_end = changed(sample_rate=8000)
    assert "sample_rate=8000" in refusal(load_style, bank, other, front_end)
