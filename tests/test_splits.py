"""Splits: a track is in one subset, except where the split says otherwise."""

import collections
import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from research.data.segments import SegmentConfig, place_segments
from research.data.splits import (
    FileLists,
    SplitConfig,
    check_applies,
    describe,
    make_splits,
)
from research.data.tracks import Collection, Track
from research.errors import InputError

SIZES = st.lists(st.integers(6, 15), min_size=2, max_size=4)
SEEDS = st.integers(0, 2**32)
FRACTIONS = st.just(0.0) | st.floats(0.01, 0.5)


def collect(digests):
    """A collection from the digests of the tracks of each genre."""
    tracks = [
        Track(f"{genre}/{genre}.{i:05d}.wav", number, digest, 600)
        for number, (genre, members) in enumerate(digests.items())
        for i, digest in enumerate(members)
    ]
    return Collection("music", tuple(digests), tuple(tracks), {})


def collect_sizes(sizes):
    """A collection of so many different tracks a genre."""
    names = "abcdefgh"[: len(sizes)]
    return collect({g: [f"{g}{i}" for i in range(n)] for g, n in zip(names, sizes, strict=True)})


def cut(collection, count=3):
    frames = [track.num_frames for track in collection.tracks]
    return place_segments(frames, 216, SegmentConfig(count=count), 0)


def splits_of(collection, seed=0, **config):
    return make_splits(collection, cut(collection), SplitConfig(**config), seed)


def tracks_of(collection, subset):
    """Tracks of a subset, of each of which it must have every segment."""
    segments = cut(collection)
    indices = set(segments.track[subset].tolist())
    np.testing.assert_array_equal(subset, np.flatnonzero(np.isin(segments.track, list(indices))))
    return indices


def names_of(collection, subset):
    return sorted(collection.tracks[i].name for i in tracks_of(collection, subset))


def genres_of(collection, subset):
    """How many tracks of each genre a subset has."""
    genres = [collection.tracks[i].genre for i in tracks_of(collection, subset)]
    return [genres.count(genre) for genre in range(len(collection.genres))]


def assert_one_line_about(what, error):
    assert "\n" not in str(error.value)
    assert str(what) in str(error.value)


@hypothesis.given(
    sizes=SIZES,
    seed=SEEDS,
    split=st.sampled_from(["track", "kfold", "blocks", "all", "segment"]),
    test_share=st.floats(0.01, 0.6),
    validation_share=FRACTIONS,
)
def test_subsets_are_disjoint_and_complete(sizes, seed, split, test_share, validation_share):
    collection = collect_sizes(sizes)
    for one in splits_of(
        collection,
        seed,
        split=split,
        test_share=test_share,
        validation_share=validation_share,
    ):
        subsets = list(one.subsets.values())
        assert sorted(np.concatenate(subsets)) == list(range(3 * sum(sizes)))
        for subset in subsets:
            np.testing.assert_array_equal(subset, np.sort(subset))
        assert one.left_out == {}
        if split != "segment":
            sides = [tracks_of(collection, subset) for subset in subsets]
            assert sum(map(len, sides)) == len(set.union(*sides)) == sum(sizes)


@hypothesis.given(sizes=SIZES, seed=SEEDS, test_share=st.floats(0.01, 0.6), fraction=FRACTIONS)
def test_track_split_takes_its_fractions_of_every_genre(sizes, seed, test_share, fraction):
    collection = collect_sizes(sizes)
    [split] = splits_of(collection, seed, test_share=test_share, validation_share=fraction)
    counts = [genres_of(collection, subset) for subset in split.subsets.values()]
    for size, train, validation, test in zip(sizes, *counts, strict=True):
        assert abs(test - test_share * size) < 1
        assert abs(validation - fraction * (size - test)) < 1
        assert test >= 1 and train >= 1
        assert (validation >= 1) == (fraction > 0)
    assert split.fold is None


def test_genres_of_a_hundred_are_split_80_to_20():
    collection = collect_sizes([100] * 8)
    [split] = splits_of(collection)
    assert genres_of(collection, split.train) == [80] * 8
    assert genres_of(collection, split.test) == [20] * 8


@pytest.mark.parametrize("split", ["track", "kfold", "blocks"])
def test_every_genre_is_trained_on_whatever_the_fractions(split):
    collection = collect_sizes([3, 4, 30])
    fractions = {"test_share": 0.7, "validation_share": 0.99}
    for one in splits_of(collection, split=split, num_folds=3, **fractions):
        assert min(genres_of(collection, one.train)) >= 1
        assert min(genres_of(collection, one.test)) >= 1


@hypothesis.given(sizes=SIZES, seed=SEEDS, num_folds=st.integers(2, 6), fraction=FRACTIONS)
def test_folds_test_each_track_once_and_are_balanced(sizes, seed, num_folds, fraction):
    collection = collect_sizes(sizes)
    folds = splits_of(
        collection, seed, split="kfold", num_folds=num_folds, validation_share=fraction
    )
    assert [split.fold for split in folds] == list(range(num_folds))
    tested = [track for split in folds for track in tracks_of(collection, split.test)]
    assert sorted(tested) == list(range(sum(sizes)))
    counts = np.array([genres_of(collection, split.test) for split in folds])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1
    for split in folds:
        assert min(genres_of(collection, split.train)) >= 1
        assert (min(genres_of(collection, split.validation)) >= 1) == (fraction > 0)


def test_a_block_is_a_run_of_names():
    collection = collect_sizes([7, 3])
    folds = splits_of(collection, split="blocks", num_folds=3)
    assert [sorted(tracks_of(collection, fold.test)) for fold in folds] == [
        [0, 1, 2, 7],
        [3, 4, 8],
        [5, 6, 9],
    ]
    again = splits_of(collection, 5, split="blocks", num_folds=3)
    assert [fold.test.tolist() for fold in folds] == [fold.test.tolist() for fold in again]


def test_validation_differs_from_fold_to_fold():
    collection = collect_sizes([10, 10])
    folds = splits_of(collection, split="kfold", validation_share=0.25)
    for split in folds:
        assert genres_of(collection, split.validation) == [2, 2]
    assert len({tuple(split.validation) for split in folds}) > 1


@hypothesis.given(
    digests=st.lists(st.lists(st.sampled_from("pqrstuvwxyz"), max_size=6), min_size=2, max_size=3),
    seed=SEEDS,
    split=st.sampled_from(["track", "kfold", "blocks"]),
)
def test_duplicates_stay_on_one_side(digests, seed, split):
    # Four tracks of each genre are its own; the others are duplicates here and there.
    collection = collect(
        {g: [f"{g}{i}" for i in range(4)] + more for g, more in zip("abc", digests, strict=False)}
    )
    for one in splits_of(collection, seed, split=split, num_folds=3, validation_share=0.3):
        sides = collections.defaultdict(set)
        for name, subset in one.subsets.items():
            for track in tracks_of(collection, subset):
                sides[collection.tracks[track].digest].add(name)
        assert all(len(names) == 1 for names in sides.values())
        assert sum(len(tracks_of(collection, subset)) for subset in one.subsets.values()) == len(
            collection.tracks
        )
        assert min(genres_of(collection, one.train)) >= 1


@pytest.mark.parametrize("split", ["track", "kfold", "segment"])
def test_seed_decides_the_split(split):
    collection = collect_sizes([10, 12])
    first, again, other = (
        splits_of(collection, seed, split=split, validation_share=0.2) for seed in (3, 3, 4)
    )
    for one, same in zip(first, again, strict=True):
        for subset in one.subsets:
            np.testing.assert_array_equal(one.subsets[subset], same.subsets[subset])
    assert any(
        not np.array_equal(one.test, another.test)
        for one, another in zip(first, other, strict=True)
    )


def test_split_does_not_depend_on_how_tracks_are_cut():
    collection = collect_sizes([10, 12])
    subsets = []
    for count in (1, 4):
        segments = cut(collection, count)
        [split] = make_splits(collection, segments, SplitConfig(validation_share=0.2), 5)
        subsets.append([set(segments.track[subset]) for subset in split.subsets.values()])
    assert subsets[0] == subsets[1]


def test_all_is_for_testing():
    [split] = splits_of(collect_sizes([1, 2]), split="all")
    assert [len(subset) for subset in split.subsets.values()] == [0, 0, 9]


def test_segment_split_leaks_and_says_so():
    collection = collect_sizes([10, 10])
    [split] = splits_of(collection, split="segment", validation_share=0.25)
    assert [len(subset) for subset in split.subsets.values()] == [36, 12, 12]
    track = cut(collection).track
    assert set(track[split.train]) & set(track[split.test])
    assert SplitConfig("segment").leaks
    text = describe(SplitConfig("segment"), 0)
    assert text.startswith("LEAKS")
    assert "segments of one track are in several subsets" in text


def test_others_do_not_leak():
    for name in ("track", "kfold", "blocks", "files", "all"):
        config = SplitConfig(name, files=FileLists(test="t.txt"))
        assert not config.leaks
        assert "LEAK" not in describe(config, 0)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (SplitConfig(), "by track, stratified, 20% for testing, seed 7"),
        (
            SplitConfig(test_share=0.3, validation_share=0.1),
            "by track, stratified, 30% for testing, 10% of the rest for validation, seed 7",
        ),
        (SplitConfig("kfold", num_folds=10), "10-fold by track, stratified, seed 7"),
        (SplitConfig("blocks", num_folds=3), "3-fold by blocks of track names, seed 7"),
        (
            SplitConfig("files", files=FileLists("a", "b", "c")),
            "by file lists (train: a, validation: b, test: c), seed 7",
        ),
        (SplitConfig("all", validation_share=0.1), "every track for testing"),
    ],
)
def test_protocol_in_words(config, text):
    assert describe(config, 7) == text


def test_protocol_counts_the_seeds():
    assert describe(SplitConfig("kfold"), 3, 5).endswith("seeds 3 to 7")


@pytest.mark.parametrize(
    ("sizes", "config", "what"),
    [
        ([5, 1], {}, "genre b of music has 1 different track, too few for the 2 subsets"),
        ([2, 5], {"validation_share": 0.1}, "genre a of music has 2 different tracks"),
        ([5, 4], {"split": "kfold"}, "genre b of music has 4 different tracks, too few for the 5"),
        ([5, 5], {"test_share": 0.0}, "config.data.test_share is 0"),
        ([1, 0], {"split": "segment", "test_share": 0.9}, "3 segments are too few to split"),
    ],
)
def test_too_few_tracks_are_told_in_one_line(sizes, config, what):
    with pytest.raises(InputError) as error:
        splits_of(collect_sizes(sizes), **config)
    assert_one_line_about(what, error)


def test_duplicates_count_once():
    collection = collect({"a": ["x", "y"], "b": ["z", "z"]})
    with pytest.raises(InputError, match="genre b of music has 1 different track,"):
        splits_of(collection)
    # A genre of nothing but duplicates of another one has none of its own.
    collection = collect({"a": ["x", "y"], "b": ["x", "y"]})
    with pytest.raises(InputError, match="genre b of music has 0 different tracks,"):
        splits_of(collection)


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


def slices(num_recordings=6, count=4, name="{genre}.{i:05d}.{k}.wav"):
    """Two genres of recordings in slices, each of other sound."""
    tracks = [
        Track(f"{genre}/{name.format(genre=genre, i=i, k=k)}", number, f"{genre}{i}{k}", 600)
        for number, genre in enumerate("ab")
        for i in range(num_recordings)
        for k in range(count)
    ]
    return Collection("music", ("a", "b"), tuple(tracks), {})


@pytest.mark.parametrize("name", ["{genre}.{i:05d}.{k}.wav", "x{i}_{k}.wav", "x{i}/{k}.wav"])
@pytest.mark.parametrize("split", ["track", "kfold", "blocks"])
def test_slices_stay_on_one_side_and_count_once(split, name):
    collection = slices(name=name)
    splits = splits_of(collection, split=split, num_folds=3, validation_share=0.3)
    for one in splits:
        sides = [{i // 4 for i in tracks_of(collection, part)} for part in one.subsets.values()]
        assert sum(map(len, sides)) == 12 == len(set.union(*sides))
        assert sum(len(tracks_of(collection, part)) for part in one.subsets.values()) == 48
    if split == "track":
        assert genres_of(collection, splits[0].test) == [4, 4]  # One of six recordings.


def test_files_may_be_recordings_of_their_own():
    collection = slices(count=5)
    [split] = splits_of(collection, recordings="files")
    assert genres_of(collection, split.test) == [6, 6]
    # The order of random numbers is that of tracks whose names tell nothing.
    plain = dataclasses.replace(
        collection,
        tracks=tuple(
            dataclasses.replace(track, name=f"{track.name[0]}/{i:05d}.wav")
            for i, track in enumerate(collection.tracks)
        ),
    )
    for recordings in ("names", "files"):
        [other] = splits_of(plain, recordings=recordings)
        np.testing.assert_array_equal(split.test, other.test)


def test_splits_of_tracks_without_slices_stay_as_they_were():
    [split] = splits_of(collect({"a": ["p", "q", "r", "q", "s"], "b": ["t", "u", "v", "w"]}), 3)
    order = np.random.default_rng([3, 0x5B117])
    first, second = order.permutation(4)[0], order.permutation(4)[0]
    wanted = [[0], [1, 3], [2], [4]][first] + [5 + second]
    assert sorted(tracks_of(collect_sizes([5, 4]), split.test)) == wanted


def test_too_few_recordings_are_told_with_the_key_that_parts_them():
    with pytest.raises(InputError) as error:
        splits_of(slices(1))
    assert_one_line_about(
        "genre a of music has 1 different track, too few for the 2 subsets of the split; add "
        "tracks or take it away, or give config.data.recordings=files if a/a.00000.0.wav and "
        "a/a.00000.1.wav are not of one recording",
        error,
    )


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


@pytest.mark.parametrize(
    ("split", "key", "value"),
    [
        ("track", "data.files.test", "list.txt"),
        ("all", "data.files.test", "list.txt"),
        ("files", "data.validation_share", 0.1),
        ("files", "data.test_share", 0.1),
        ("kfold", "data.test_share", 0.1),
        ("track", "data.num_folds", 3),
    ],
)
def test_keys_of_another_split_are_refused(split, key, value):
    with pytest.raises(InputError, match=rf"{key} does not apply where .* is {split}; give"):
        check_applies(SplitConfig(split=split), {key: value})


def test_keys_of_the_split_and_keys_of_others_are_left_alone():
    given = {"data.num_folds": 3, "data.validation_share": 0.1, "data.root": "x", "seed": 3}
    check_applies(SplitConfig(split="blocks"), given)
    check_applies(SplitConfig(split="track"), {"data.files.test": None})


@pytest.mark.parametrize("seed", range(6))
def test_recordings_of_very_different_sizes_leave_most_tracks_to_train_on(seed):
    sizes = [60, 2, 1, 1]
    names = [f"a/a.{i:05d}.{k}.wav" for i, size in enumerate(sizes) for k in range(size)]
    names += [f"b/b.{i:05d}.wav" for i in range(20)]
    tracks = [Track(name, int(name[0] == "b"), name, 10) for name in names]
    collection = Collection("root", ("a", "b"), tuple(tracks), {})
    config = SplitConfig(validation_share=0.1)
    with pytest.warns(
        UserWarning, match=r"60 of the 64 tracks of a are of one recording .*=files$"
    ):
        [split] = make_splits(collection, cut(collection), config, seed)
    segments = cut(collection).track
    counts = {
        name: len(set(segments[found]) & set(range(64))) for name, found in split.subsets.items()
    }
    assert counts["train"] >= 60 and counts["test"] >= 1 and counts["validation"] >= 1


def test_subsets_of_slices_have_their_fraction_of_the_tracks():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 40)
    names = [f"a/a.{i:05d}.{k}.wav" for i, size in enumerate(sizes) for k in range(size)]
    names += [f"b/b.{i:05d}.wav" for i in range(20)]
    tracks = [Track(name, int(name[0] == "b"), name, 10) for name in names]
    collection = Collection("root", ("a", "b"), tuple(tracks), {})
    for seed in range(5):
        [split] = make_splits(collection, cut(collection), SplitConfig(), seed)
        tested = set(cut(collection).track[split.test])
        of_a = len(tested & set(range(int(sizes.sum()))))
        assert 0.5 <= of_a / (0.2 * sizes.sum()) <= 1.5
