"""Lists of the tracks of each subset: which tracks they name, and what is wrong with them."""

import pytest
from splitting import (
    assert_one_line_about,
    collect,
    collect_sizes,
    names_of,
    slices,
    splits_of,
    tracks_of,
)

from research.data.file_lists import FileLists
from research.data.tracks import Collection, Track
from research.errors import InputError


@pytest.fixture
def by_lists(tmp_path):
    """The split by lists of these lines."""

    def run(collection, **lists):
        files = {}
        for subset, lines in lists.items():
            (tmp_path / f"{subset}.txt").write_text("\n".join(lines))
            files[subset] = str(tmp_path / f"{subset}.txt")
        [split] = splits_of(collection, split="files", files=FileLists(**files))
        return split

    return run


def test_lists_decide_the_subsets(by_lists):
    collection = collect_sizes([3, 3])
    lists = {
        "train": ["b/b.00000.wav", "a/a.00000.wav", "a/a.00001.wav"],
        "validation": ["b/b.00001.wav"],
        "test": ["a/a.00002.wav", "b/b.00002.wav"],
    }
    split = by_lists(collection, **lists)
    for subset, indices in split.subsets.items():
        assert names_of(collection, indices) == sorted(lists[subset])
    assert split.left_out == {}
    assert split.fold is None


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name.replace(".wav", ".au"),
        lambda name: name.removesuffix(".wav"),
        str.upper,
        lambda name: f"  {name}\t\n\n",
        lambda name: f"/data/genres_original/{name}",
        lambda name: name.replace("/", "\\"),
        lambda name: name + "\r",
    ],
    ids=["suffix", "no suffix", "case", "space", "absolute", "Windows", "line ends"],
)
def test_spelling_of_lists_does_not_matter(by_lists, spell):
    collection = collect_sizes([2, 2])
    names = [track.name for track in collection.tracks]
    split = by_lists(collection, train=map(spell, names[::2]), test=map(spell, names[1::2]))
    assert names_of(collection, split.train) == names[::2]
    assert names_of(collection, split.test) == names[1::2]
    assert len(split.validation) == 0
    assert split.left_out == {}


def test_lists_do_not_depend_on_the_suffix_of_the_tracks(by_lists):
    tracks = [
        Track(f"{g}/{g}.{i:05d}.AU", n, f"{g}{i}", 600)
        for n, g in enumerate("ab")
        for i in range(2)
    ]
    collection = Collection("music", ("a", "b"), tuple(tracks), {})
    split = by_lists(collection, train=["a/a.00000.wav", "b/b.00001"], test=["a/a.00001.mp3"])
    assert names_of(collection, split.train) == ["a/a.00000.AU", "b/b.00001.AU"]
    assert names_of(collection, split.test) == ["a/a.00001.AU"]


def test_what_lists_and_collection_do_not_share_is_told(by_lists):
    collection = collect_sizes([3, 2])
    split = by_lists(
        collection,
        train=["a/a.00000.wav", "b/b.00000.wav", "b/b.00099.wav"],
        test=["c/c.00000.wav", "a/a.00002.wav"],
    )
    assert split.left_out == {
        "listed and not there": ["b/b.00099.wav", "c/c.00000.wav"],
        "there and not listed": ["a/a.00001.wav", "b/b.00001.wav"],
    }
    assert names_of(collection, split.train) == ["a/a.00000.wav", "b/b.00000.wav"]
    assert names_of(collection, split.test) == ["a/a.00002.wav"]


def test_duplicates_of_later_subsets_are_dropped(by_lists):
    collection = collect({"a": ["p", "q", "r", "q"], "b": ["s", "p", "r", "t", "t"]})
    split = by_lists(
        collection,
        train=["a/a.00000", "a/a.00001", "a/a.00003", "b/b.00000"],
        validation=["a/a.00002", "b/b.00003", "b/b.00004"],
        test=["b/b.00001", "b/b.00002"],
    )
    assert names_of(collection, split.train) == ["a/a.00001.wav", "a/a.00003.wav", "b/b.00000.wav"]
    assert names_of(collection, split.validation) == ["b/b.00003.wav", "b/b.00004.wav"]
    assert names_of(collection, split.test) == ["b/b.00001.wav", "b/b.00002.wav"]
    [names] = split.left_out.values()
    assert sorted(names) == ["a/a.00000.wav", "a/a.00002.wav"]


@pytest.mark.parametrize(
    ("lists", "what"),
    [
        ({"test": ["a/a.00000"]}, "config.data.files.train is not given"),
        (
            {"train": ["a/a.00000", "b/b.00000"], "test": ["a/A.00000.au"]},
            "test.txt lists a/A.00000.au, which",
        ),
        (
            {"train": ["a/a.00000", "b/b.00000"], "validation": ["b/b.00000"], "test": ["a/x"]},
            "validation.txt lists b/b.00000, which",
        ),
        ({"train": ["a/a.00000", "b/b.00000"], "test": ["c/c.00000"]}, "lines look like a/a.00000"),
        ({"train": ["a/a.00000", "b/b.00000"], "test": []}, "test.txt lists is in music"),
        ({"train": ["a.00000"], "test": ["a/a.00001"]}, "train.txt lists is in music"),
    ],
    ids=[
        "no train",
        "overlap",
        "overlap of validation",
        "unknown",
        "empty",
        "no folder",
    ],
)
def test_lists_that_do_not_fit_are_told_in_one_line(by_lists, lists, what):
    with pytest.raises(InputError) as error:
        by_lists(collect_sizes([2, 2]), **lists)
    assert_one_line_about(what, error)


def test_without_a_list_to_test_on_nothing_is_tested(by_lists):
    split = by_lists(collect_sizes([2, 2]), train=["a/a.00000", "b/b.00000"])
    assert (len(split.train) > 0, len(split.validation), len(split.test)) == (True, 0, 0)


def test_a_genre_that_no_list_trains_on_is_told(by_lists):
    with pytest.warns(UserWarning, match=r"train\.txt leaves no track to train on of b$"):
        split = by_lists(collect_sizes([2, 2]), train=["a/a.00000"], test=["b/b.00000"])
    assert len(split.test)


@pytest.mark.parametrize("subset", ["train", "validation", "test"])
@pytest.mark.parametrize("kind", ["missing", "folder", "audio"])
def test_list_that_cannot_be_read_is_told_by_its_key(tmp_path, subset, kind):
    for i, name in enumerate(("train", "validation", "test")):
        (tmp_path / name).write_text(f"a/a.{i:05d}\nb/b.{i:05d}")
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    if kind == "audio":
        path.write_bytes(b"RIFF\xff\xfe\xfd")
    files = FileLists(
        **{name: str(tmp_path / name) for name in ("train", "validation", "test")}
        | {subset: str(path)}
    )
    with pytest.raises(InputError, match=rf"config\.data\.files\.{subset} ") as error:
        splits_of(collect_sizes([3, 3]), split="files", files=files)
    assert_one_line_about(path, error)


def test_lists_of_recordings_take_their_slices(by_lists):
    collection = slices(2, 2)
    split = by_lists(
        collection, train=["a/a.00000.wav", "x/b/b00000.png"], test=["a/a.00001", "b/b.00001"]
    )
    assert names_of(collection, split.train) == [
        f"{genre}/{genre}.00000.{k}.wav" for genre in "ab" for k in range(2)
    ]
    assert len(tracks_of(collection, split.test)) == 4
    assert split.left_out == {}


def test_listed_slices_of_tested_recordings_are_left_out_and_told(by_lists):
    collection = slices(2, 2)
    lists = {
        "train": ["a/a.00000.0", "a/a.00001.0", "b/b.00000.0"],
        "test": ["a/a.00001.1", "b/b.00001.0", "b/b.00001.1"],
    }
    with pytest.warns(UserWarning, match=r"^1 listed tracks are left out: .*recordings=files$"):
        split = by_lists(collection, **lists)
    assert names_of(collection, split.train) == ["a/a.00000.0.wav", "b/b.00000.0.wav"]
    assert len(tracks_of(collection, split.test)) == 3
    reason = "of the recording of a tested or validated track"
    assert split.left_out[reason] == ["a/a.00001.0.wav"]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("cp1252"),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
)
def test_lists_of_any_encoding_name_files_of_any(tmp_path, encode):
    names = ["a/café", "a/caf\udce9 2", "b/cafe\u0301", "b/x"]
    tracks = [Track(f"{name}.wav", name[0] == "b", name, 600) for name in names]
    collection = Collection("music", ("a", "b"), tuple(tracks), {})
    (tmp_path / "train").write_bytes(encode("a/café.wav\nb/x.wav\n"))
    (tmp_path / "test").write_bytes(encode("a/café 2.wav\nb/café.wav\n"))
    files = FileLists(str(tmp_path / "train"), None, str(tmp_path / "test"))
    [split] = splits_of(collection, split="files", files=files)
    assert tracks_of(collection, split.train) == {0, 3}
    assert tracks_of(collection, split.test) == {1, 2}


@pytest.mark.parametrize(
    ("lists", "emptied"),
    [
        ({"train": ["a/a.00000.0"], "test": ["a/a.00000.1", "b/b.00000.0"]}, "train"),
        (
            {
                "train": ["a/a.00001.0", "b/b.00001.0"],
                "validation": ["a/a.00000.0"],
                "test": ["a/a.00000.1", "b/b.00000.0"],
            },
            "validation",
        ),
    ],
)
def test_a_list_of_nothing_but_slices_of_tested_recordings_is_told(by_lists, lists, emptied):
    with pytest.raises(InputError) as error:
        by_lists(slices(2, 2), **lists)
    assert_one_line_about(f"config.data.files.{emptied} leaves no track", error)
