"""What every layout promises: a line in `ROWS` admits one and checks it."""

import dataclasses
import pathlib

import pytest

from research.audio.find import AUDIO, FileKind
from research.data.front_ends.images import IMAGES
from research.data.layouts import registry
from research.data.layouts.base import LabelledFile, Layout
from research.data.layouts.class_folders import ClassFolders
from research.data.layouts.gtzan import Gtzan
from research.data.layouts.registry import LAYOUTS, find_labelled_files
from research.data.layouts.subset_folders import is_subset
from research.errors import InputError


@dataclasses.dataclass(frozen=True)
class Row:
    """A data set as its layout has it.

    Attributes:
      layout: type of the layout.
      kind: of the files.
      files: path, genre and name of each, sorted by genre and name.
      others: paths of files that do not count.
    """

    layout: type[Layout]
    kind: FileKind
    files: tuple[tuple[str, str, str], ...]
    others: tuple[str, ...] = ()


ROWS = [
    *(
        Row(
            Gtzan,
            kind,
            tuple(
                (f"{folder}/{genre}/{genre}.{i:05d}{suffix}", genre, f"{genre}.{i:05d}{suffix}")
                for genre in ("blues", "rock")
                for i in range(2)
            ),
            ("features_30_sec.csv", "Data/features_3_sec.csv", f"{other}/blues/blues.00000.x"),
        )
        for folder, kind, suffix, other in (
            ("genres", AUDIO, ".au", "images_original"),
            ("genres_original", AUDIO, ".wav", "images_original"),
            ("Data/genres_original", AUDIO, ".wav", "Data/images_original"),
            ("images_original", IMAGES, ".png", "genres_original"),
            ("Data/images_original", IMAGES, ".png", "Data/genres_original"),
        )
    ),
    Row(
        ClassFolders,
        AUDIO,
        (
            ("Folk/b.ogg", "Folk", "b.ogg"),
            ("Folk/lp/side a/1.flac", "Folk", "lp/side a/1.flac"),
            ("zouk/A.mp3", "zouk", "A.mp3"),
            ("zouk/a.png", "zouk", "a.png"),  # Of another kind: the caller skips it.
        ),
        ("stray.wav",),
    ),
]


@pytest.fixture(params=ROWS, ids=lambda row: f"{row.layout.__name__}-{row.files[0][0]}")
def row(request) -> Row:
    """Each data set."""
    return request.param


@pytest.fixture
def root(row, tmp_path) -> pathlib.Path:
    """The data set, with hidden files in it."""
    paths = [path for path, _, _ in row.files]
    hidden = pathlib.Path(paths[0]).with_name(".hidden.wav"), ".git/config/x.wav"
    for path in (*paths, *row.others, *hidden):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def test_every_layout_is_checked_here():
    assert {row.layout for row in ROWS} == {type(layout) for layout in LAYOUTS}


def test_it_matches_its_data_sets_before_all_others(row, root):
    first = next(layout for layout in LAYOUTS if layout.matches(root, row.kind))
    assert type(first) is row.layout


def test_files_have_their_genres_and_names_in_order(row, root):
    found = find_labelled_files(root, row.kind)
    wanted = [(genre, name, root / path) for path, genre, name in row.files]
    assert found == wanted
    names = [f"{one.genre}/{one.name}" for one in found]
    assert len(set(names)) == len(names)
    assert names == sorted(names)


def test_a_folder_without_files_has_none(tmp_path):
    (tmp_path / "blues").mkdir()
    assert find_labelled_files(tmp_path, AUDIO) == []


def test_other_kinds_of_files_are_not_where_gtzan_has_its_own(tmp_path):
    (tmp_path / "genres_original" / "blues").mkdir(parents=True)
    for kind in (AUDIO, IMAGES, dataclasses.replace(AUDIO, name="video")):
        assert Gtzan().matches(tmp_path, kind) == (kind is AUDIO)


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "test"),
        ("Training", "Testing", "Validation"),
        ("gtzan_train", "gtzan-val"),
        ("TrainSet", "devSet"),
        *((tuple(f"fold{i}" for i in range(1, 11))), tuple(f"Fold {i}" for i in range(3))),
        ("train",),
    ],
)
def test_subsets_are_not_taken_for_genres(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder / "jazz").mkdir(parents=True)
        (tmp_path / folder / "jazz" / "a.wav").touch()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "all.csv").touch()
    words = (
        f"config.data.root {tmp_path} is split into .*{sorted(folders)[0]}.*, which are no genres"
    )
    with pytest.raises(InputError, match=words) as error:
        find_labelled_files(tmp_path, AUDIO)
    assert "\n" not in str(error.value) and "config.data.split=files" in str(error.value)
    # Beside genres, such a name may be one.
    (tmp_path / "jazz").mkdir()
    (tmp_path / "jazz" / "a.wav").touch()
    assert find_labelled_files(tmp_path, AUDIO)


@pytest.mark.parametrize("name", ["Test Dept fans", "devotional", "Folk", "contest", "evangelical"])
def test_genres_are_not_taken_for_subsets(name):
    assert is_subset(name) == (name == "Test Dept fans")


@pytest.mark.parametrize(
    ("one", "other"), [("Blues", "blues"), ("rock", "rock "), ("caf\u00e9", "cafe\u0301")]
)
def test_one_genre_written_in_two_ways_is_refused(tmp_path, one, other):
    for folder in (one, other):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").touch()
    with pytest.raises(InputError, match="differ in capitals, blanks or accents only") as error:
        find_labelled_files(tmp_path, AUDIO)
    assert repr(one) in str(error.value) and repr(other) in str(error.value)


def test_so_is_one_in_names_of_files(tmp_path, monkeypatch):
    class ByName(ClassFolders):
        def files(self, root, kind):
            return [LabelledFile(path.stem, path.name, path) for path in sorted(root.iterdir())]

    monkeypatch.setattr(registry, "LAYOUTS", (ByName(),))
    for name in ("Blues.wav", "blues.wav"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="'Blues' and 'blues', which differ in capitals"):
        find_labelled_files(tmp_path, AUDIO)


def test_genres_are_clean_text(tmp_path):
    for folder in (" hip   hop ", "cafe\u0301", "m\udcfasica"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.wav").touch()
    found = {one.genre for one in find_labelled_files(tmp_path, AUDIO)}
    assert found == {"hip hop", "café", "música"}


def test_a_genre_that_is_a_link_to_nothing_is_told(tmp_path):
    (tmp_path / "jazz").symlink_to("/nowhere/jazz")
    with pytest.raises(InputError, match=f"^{tmp_path}/jazz is a link to /nowhere/jazz, which"):
        find_labelled_files(tmp_path, AUDIO)
