"""Splits: a track is in one subset, except where the split says otherwise."""

import collections
import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from splitting import (
    assert_one_line_about,
    collect,
    collect_sizes,
    cut,
    genres_of,
    slices,
    splits_of,
    tracks_of,
)

from research.data.file_lists import FileLists
from research.data.splits import SplitConfig, check_applies, describe, make_splits
from research.data.tracks import Collection, Track
from research.errors import InputError

SIZES = st.lists(st.integers(6, 15), min_size=2, max_size=4)


SEEDS = st.integers(0, 2**32)


FRACTIONS = st.just(0.0) | st.floats(0.01, 0.5)


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


@pytest.mark.parametrize(
    ("pattern", "shared"),
    [
        ("a/Late Night Mix_{:03d}.wav", "late night mix"),
        ("a/disc/Late Night Mix {}.mp3", "late night mix"),
        ("a/a.{:05d}.wav", ""),
        ("a/other.{:05d}.wav", ""),
        ("a/{:03d}.wav", ""),
        ("a/track {}.wav", ""),
        ("a/a{}.wav", ""),
    ],
)
def test_numbers_that_may_be_those_of_slices_are_told(pattern, shared, recwarn):
    names = [pattern.format(i) for i in range(12)] + [f"b/b.{i:05d}.wav" for i in range(12)]
    tracks = [Track(name, int(name[0] == "b"), name, 10) for name in names]
    collection = Collection("root", ("a", "b"), tuple(tracks), {})
    make_splits(collection, cut(collection), SplitConfig(), 0)
    told = [str(warning.message) for warning in recwarn]
    assert len(told) == bool(shared)
    if shared:
        assert told[0].startswith(f"all 12 tracks of a are called {shared!r} and a number")
    collection = Collection("root", ("a", "b"), tuple(tracks[:3] + tracks[12:]), {})
    make_splits(collection, cut(collection), SplitConfig(), 0)  # Few: they matter little.
    assert len(recwarn) == bool(shared)


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
