"""Splits of a collection into training, validation and test subsets.

All but `segment` keep the tracks of a recording, slices and exact duplicates, in one subset.
"""

import dataclasses
import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from research.data.file_lists import SUBSETS, FileLists, by_lists
from research.data.same_recording import group_tracks, numbered_alike
from research.data.segments import Segments
from research.data.tracks import Collection
from research.errors import InputError
from research.settings import at_least, fraction, one_of

SPLITS = ("track", "kfold", "blocks", "files", "all", "segment")
_IN_FOLDS = "kfold", "blocks"
_FEW = 4  # Tracks that do not matter, too many in a subset or in one recording.
_HEEDED_BY = {
    "test_share": ("track", "segment"),
    "validation_share": ("track", *_IN_FOLDS, "segment"),
    "num_folds": _IN_FOLDS,
    "files": ("files",),
}


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """How a collection is split.

    Attributes:
      split: `track` (random tracks of each genre), `kfold` (each track is tested once), `blocks`
        (the same, but a fold has successive names), `files` (by lists), `all` (every track is
        tested) or `segment` (random segments: it leaks).
      test_share: fraction of the tracks or segments that is tested, for `track` and `segment`.
      validation_share: fraction of the rest, for all but `files` and `all`.
      num_folds: of `kfold` and `blocks`.
      files: the lists, for `files`.
      recordings: `names` keeps tracks of one recording together, see `same_recording`; `files` if
        the names mislead and each file is a recording of its own.
    """

    split: str = one_of("track", SPLITS)
    test_share: float = fraction(0.2)
    validation_share: float = fraction(0.0)
    num_folds: int = at_least(5, 2)
    files: FileLists = FileLists()
    recordings: str = one_of("names", ("names", "files"))

    @property
    def leaks(self) -> bool:
        """True if segments of one track are in several subsets."""
        return self.split == "segment"


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of the segments of each subset, `[segments]`.

    Attributes:
      fold: number of the fold of `kfold` and `blocks`, else None.
      train: segments that weights are fitted to.
      validation: segments that choose the checkpoint; may be empty.
      test: segments that are scored, once.
      left_out: names of the tracks that are in no subset, by reason.
    """

    fold: int | None
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    left_out: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def subsets(self) -> dict[str, np.ndarray]:
        """Indices of segments by name of the subset, in the order of `SUBSETS`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def check_applies(config: SplitConfig, changes: Mapping[str, Any]) -> None:
    """Check that the keys that were given apply to the split.

    Args:
      config: of the split.
      changes: what was given, by dotted key such as `data.num_folds`. Other keys are left alone.

    Raises:
      InputError: one does not apply, so the split would not be what was asked for.
    """
    for key, value in changes.items():
        splits = _HEEDED_BY.get(key.removeprefix("data.").split(".")[0], SPLITS)
        if value and config.split not in splits:
            raise InputError(
                f"config.{key} does not apply where config.data.split is {config.split}; give "
                f"config.data.split={' or '.join(splits)}, or leave it out"
            )


def describe(config: SplitConfig, seed: int, num_seeds: int = 1) -> str:
    """The protocol in words, as it is quoted with every accuracy."""
    seeds = f"seed {seed}" if num_seeds == 1 else f"seeds {seed} to {seed + num_seeds - 1}"
    chosen = ""
    if config.validation_share and config.split in _HEEDED_BY["validation_share"]:
        chosen = f", {config.validation_share:.0%} of the rest for validation"
    return {
        "track": f"by track, stratified, {config.test_share:.0%} for testing{chosen}, {seeds}",
        "kfold": f"{config.num_folds}-fold by track, stratified{chosen}, {seeds}",
        "blocks": f"{config.num_folds}-fold by blocks of track names{chosen}, {seeds}",
        "files": f"by file lists (train: {config.files.train}, validation: "
        f"{config.files.validation}, test: {config.files.test}), {seeds}",
        "all": "every track for testing",
        "segment": f"LEAKS: by segment, {config.test_share:.0%} for testing{chosen}, {seeds}; "
        "segments of one track are in several subsets",
    }[config.split]


def make_splits(
    collection: Collection, segments: Segments, config: SplitConfig, seed: int
) -> list[Split]:
    """One split, or one for each fold of `kfold` and `blocks`.

    Raises:
      InputError: too few tracks, or lists that cannot be read or do not fit the collection.
    """
    random = np.random.default_rng([seed, 0x5B117])
    if config.split in ("track", "segment") and not config.test_share:
        raise InputError("config.data.test_share is 0; give the fraction to test on")
    if config.split == "segment":
        order = random.permutation(len(segments.track))
        test, rest = np.split(order, [_count(config.test_share, len(order))])
        validation, train = np.split(rest, [_count(config.validation_share, len(rest))])
        if not len(train):
            raise InputError(
                f"{len(order)} segments are too few to split; lower config.data.test_share or "
                "config.data.validation_share"
            )
        return [Split(None, np.sort(train), np.sort(validation), np.sort(test))]
    if config.split == "files":
        tracks, left_out = by_lists(collection, config.files, config.recordings == "names")
        return [_by_tracks(segments, None, tracks, left_out)]
    if config.split == "all":
        return [_by_tracks(segments, None, {"test": range(len(collection.tracks))})]

    groups = _groups(collection, config.recordings == "names")
    if config.recordings == "names":
        _warn_of_names(collection, groups)
    if config.split != "blocks":
        groups = [[genre[i] for i in random.permutation(len(genre))] for genre in groups]
    if config.split in _IN_FOLDS:
        what = f"the {config.num_folds} folds of {config.split}"
        _need(collection, groups, config.num_folds, what)
        folds = [[] for _ in range(config.num_folds)]
        turns = itertools.count()  # From genre to genre, so that folds are as large.
        for genre in groups:
            for place, group in enumerate(genre):
                block = config.num_folds * place // len(genre)
                fold = next(turns) % config.num_folds if config.split == "kfold" else block
                folds[fold].append(group)
    else:
        wanted = 2 + bool(config.validation_share)
        _need(collection, groups, wanted, f"the {wanted} subsets of the split")
        folds = [_take(groups, config.test_share, wanted - 1)]
    splits = []
    for number, test in enumerate(folds):
        taken = {id(group) for group in test}
        rest = [[group for group in genre if id(group) not in taken] for genre in groups]
        validation = _take(rest, config.validation_share)
        if config.validation_share and not validation:
            raise InputError(
                f"{collection.root} has too few tracks for a validation subset; lower "
                "config.data.validation_share"
            )
        taken |= {id(group) for group in validation}
        train = [group for genre in rest for group in genre if id(group) not in taken]
        fold = number if config.split in _IN_FOLDS else None
        tracks = zip(SUBSETS, map(_flat, (train, validation, test)), strict=True)
        splits.append(_by_tracks(segments, fold, dict(tracks)))
    return splits


def _count(fraction: float, total: int) -> int:
    """A fraction of a total, at least 1 unless the fraction is 0."""
    return min(max(round(fraction * total), 1), total) if fraction else 0


def _flat(groups: list[list[int]]) -> list[int]:
    return [track for group in groups for track in group]


def _groups(collection: Collection, by_names: bool) -> list[list[list[int]]]:
    """For each genre its recordings, in the order of their names: indices of tracks."""
    genres = [[] for _ in collection.genres]
    for group in group_tracks(collection.tracks, by_names):
        genres[collection.tracks[group[0]].genre].append(group)
    return genres


def _need(collection: Collection, groups: list[list], number: int, what: str) -> None:
    for name, genre in zip(collection.genres, groups, strict=True):
        if len(genre) < number:
            raise InputError(
                f"genre {name} of {collection.root} has {len(genre)} different track"
                f"{'s' * (len(genre) != 1)}, too few for {what}; add tracks or take it away"
                f"{_hint(collection, genre)}"
            )


def _hint(collection: Collection, groups: list[list[int]]) -> str:
    """What to do if names have put several files into one recording."""
    for group in groups:
        one, *others = (collection.tracks[index] for index in group)
        for other in others:
            if other.digest != one.digest:
                return (
                    f", or give config.data.recordings=files if {one.name} and {other.name} are "
                    "not of one recording"
                )
    return ""


def _take(groups: list[list[list[int]]], fraction: float, left: int = 1) -> list[list[int]]:
    """The first groups of each genre, a fraction of them, at least one; `left` groups remain.

    If they hold far more or fewer tracks than the fraction, since group sizes differ, a group is
    skipped if it would move the number of tracks away from the fraction.
    """
    taken = []
    for genre in groups:
        own = genre[: max(min(_count(fraction, len(genre)), len(genre) - left), 0)]
        wanted, size = _count(fraction, sum(map(len, genre))), sum(map(len, own))
        if abs(size - wanted) <= max(wanted / 2, _FEW):
            taken += own
            continue
        size, own = 0, []
        for group in genre:
            nearer = abs(size + len(group) - wanted) <= abs(size - wanted)
            if nearer and len(own) < len(genre) - left:
                own.append(group)
                size += len(group)
        if wanted and not own and len(genre) > left:
            own.append(min(genre, key=len))
        taken += own
    return taken


def _warn_of_names(collection: Collection, groups: list[list[list[int]]]) -> None:
    """Warn where names put more than half of a genre into one recording, or may hide one."""
    for name, genre in zip(collection.genres, groups, strict=True):
        total, largest = sum(map(len, genre)), max(genre, key=len, default=[])
        if len(genre) > 1 and len(largest) > max(total / 2, _FEW):
            warnings.warn(
                f"{len(largest)} of the {total} tracks of {name} are of one recording by their "
                f"names (first {collection.tracks[largest[0]].name}); if they are not, give "
                "config.data.recordings=files",
                stacklevel=3,
            )
        names = [collection.tracks[index].name for group in genre for index in group]
        if len(genre) == total > _FEW and (shared := numbered_alike(names)):
            warnings.warn(
                f"all {total} tracks of {name} are called {shared!r} and a number, and count as "
                "separate recordings; if they are slices of one, training and test tracks are of "
                "the same recording: name them part 1, part 2 and so on",
                stacklevel=3,
            )


def _by_tracks(
    segments: Segments,
    fold: int | None,
    tracks: Mapping[str, Sequence[int]],
    left_out: dict[str, list[str]] | None = None,
) -> Split:
    """The split of which each subset has all segments of its tracks."""
    train, validation, test = (
        np.flatnonzero(np.isin(segments.track, list(tracks.get(name, [])))) for name in SUBSETS
    )
    return Split(fold, train, validation, test, left_out or {})
