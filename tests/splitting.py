"""Collections that tests split, and what is in the subsets."""

import numpy as np

from research.data.segments import SegmentConfig, place_segments
from research.data.splits import SplitConfig, make_splits
from research.data.tracks import Collection, Track


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


def slices(num_recordings=6, count=4, name="{genre}.{i:05d}.{k}.wav"):
    """Two genres of recordings in slices, each of other sound."""
    tracks = [
        Track(f"{genre}/{name.format(genre=genre, i=i, k=k)}", number, f"{genre}{i}{k}", 600)
        for number, genre in enumerate("ab")
        for i in range(num_recordings)
        for k in range(count)
    ]
    return Collection("music", ("a", "b"), tuple(tracks), {})
