"""Splits of a collection into training, validation and test subsets.

All but `segment` keep each track, and all exact duplicates of it, in one subset.
"""

import collections
import dataclasses
import pathlib
import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from research.data.segments import Segments
from research.data.tracks import Collection
from research.errors import InputError
from research.settings import at_least, fraction, one_of

SPLITS = ("track", "kfold", "files", "all", "segment")
SUBSETS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class FileLists:
    """Text files that list the tracks of each subset, one a line, such as `blues/blues.00029.wav`.

    Suffixes are ignored. `validation` is optional.
    """

    train: str | None = None
    validation: str | None = None
    test: str | None = None


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """How a collection is split.

    Attributes:
      split: `track` (random tracks of each genre), `kfold` (each track is tested once), `files` (by
        lists), `all` (every track is tested) or `segment` (random segments: it leaks).
      test_share: fraction of the tracks or segments that is tested, for `track` and `segment`.
      validation_share: fraction of the rest, for all but `files` and `all`.
      num_folds: of `kfold`.
      files: the lists, for `files`.
    """

    split: str = one_of("track", SPLITS)
    test_share: float = fraction(0.2)
    validation_share: float = fraction(0.0)
    num_folds: int = at_least(5, 2)
    files: FileLists = FileLists()

    @property
    def leaks(self) -> bool:
        """True if segments of one track are in several subsets."""
        return self.split == "segment"


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of the segments of each subset, `[segments]`.

    Attributes:
      fold: number of the fold of `kfold`, else None.
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


def describe(config: SplitConfig, seed: int, num_seeds: int = 1) -> str:
    """The protocol in words, as it is quoted with every accuracy."""
    seeds = f"seed {seed}" if num_seeds == 1 else f"seeds {seed} to {seed + num_seeds - 1}"
    chosen = ""
    if config.validation_share and config.split in ("track", "kfold", "segment"):
        chosen = f", {config.validation_share:.0%} of the rest for validation"
    return {
        "track": f"by track, stratified, {config.test_share:.0%} for testing{chosen}, {seeds}",
        "kfold": f"{config.num_folds}-fold by track, stratified{chosen}, {seeds}",
        "files": f"by file lists (train: {config.files.train}, validation: "
        f"{config.files.validation}, test: {config.files.test}), {seeds}",
        "all": "every track for testing",
        "segment": f"LEAKS: by segment, {config.test_share:.0%} for testing{chosen}, {seeds}; "
        "segments of one track are in several subsets",
    }[config.split]


def make_splits(
    collection: Collection, segments: Segments, config: SplitConfig, seed: int
) -> list[Split]:
    """One split, or one for each fold of `kfold`.

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
        tracks, left_out = _by_lists(collection, config.files)
        return [_by_tracks(segments, None, tracks, left_out)]
    if config.split == "all":
        return [_by_tracks(segments, None, {"test": range(len(collection.tracks))})]

    groups = _shuffled_groups(collection, random)
    if config.split == "kfold":
        _need(collection, groups, config.num_folds, f"the {config.num_folds} folds of kfold")
        turn, folds = 0, [[] for _ in range(config.num_folds)]
        for genre in groups:
            for group in genre:
                folds[turn % config.num_folds].append(group)
                turn += 1
    else:
        wanted = 2 + bool(config.validation_share)
        _need(collection, groups, wanted, f"the {wanted} subsets of the split")
        folds = [_take(groups, config.test_share)]
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
        fold = number if config.split == "kfold" else None
        tracks = zip(SUBSETS, map(_flat, (train, validation, test)), strict=True)
        splits.append(_by_tracks(segments, fold, dict(tracks)))
    return splits


def _count(fraction: float, total: int) -> int:
    """A fraction of a total, at least 1 unless the fraction is 0."""
    return min(max(round(fraction * total), 1), total) if fraction else 0


def _flat(groups: list[list[int]]) -> list[int]:
    return [track for group in groups for track in group]


def _shuffled_groups(collection: Collection, random: np.random.Generator) -> list[list[list[int]]]:
    """For each genre its groups of exact duplicates, in random order: indices of tracks."""
    same = collections.defaultdict(list)
    for index, track in enumerate(collection.tracks):
        same[track.digest].append(index)
    genres = [[] for _ in collection.genres]
    for group in same.values():
        genres[collection.tracks[group[0]].genre].append(group)
    return [[genre[i] for i in random.permutation(len(genre))] for genre in genres]


def _need(collection: Collection, groups: list[list], number: int, what: str) -> None:
    for name, genre in zip(collection.genres, groups, strict=True):
        if len(genre) < number:
            raise InputError(
                f"genre {name} of {collection.root} has {len(genre)} different track"
                f"{'s' * (len(genre) != 1)}, too few for {what}; add tracks or take it away"
            )


def _take(groups: list[list[list[int]]], fraction: float) -> list[list[int]]:
    """A fraction of the groups of each genre, at least one and not all of them."""
    taken = []
    for genre in groups:
        count = min(_count(fraction, len(genre)), len(genre) - 1)
        taken += genre[:count]
    return taken


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


def _by_lists(
    collection: Collection, files: FileLists
) -> tuple[dict[str, list[int]], dict[str, list[str]]]:
    """Indices of the tracks of each subset, and names of those left out by reason."""
    by_key = collections.defaultdict(list)
    for index, track in enumerate(collection.tracks):
        by_key[track_key(track.name)].append(index)
    subsets, listed = {}, {}
    # Reasons are kept in data.json and compared when a run is continued: do not reword them.
    left_out = collections.defaultdict(list)
    for subset in SUBSETS:
        subsets[subset], path = [], getattr(files, subset)
        if not path and subset != "validation":
            raise InputError(
                f"config.data.files.{subset} is not given; name the text file that lists the tracks"
            )
        for line in _read_list(path, subset) if path else []:
            key = _find(line, by_key)
            if key in listed and listed[key] != subset:
                raise InputError(
                    f"{path} lists {line}, which is in the {listed[key]} list, too; keep it in one "
                    "of them"
                )
            if key is None:
                left_out["listed and not there"].append(line)
            elif key not in listed:
                listed[key] = subset
                subsets[subset] += by_key[key]
        if path and not subsets[subset]:
            raise InputError(
                f"none of the tracks that {path} lists is in {collection.root}; lines look like "
                f"{collection.tracks[0].name}"
            )
    left_out["there and not listed"] = [
        track.name for track in collection.tracks if track_key(track.name) not in listed
    ]
    # Duplicates of a tested track must neither be trained on nor choose the checkpoint.
    taken = set()
    for subset in reversed(SUBSETS):
        tracks = [(index, collection.tracks[index]) for index in subsets[subset]]
        subsets[subset] = [index for index, track in tracks if track.digest not in taken]
        left_out["duplicate of a tested or validated track"] += [
            track.name for _, track in tracks if track.digest in taken
        ]
        taken |= {track.digest for _, track in tracks}
    there = {collection.tracks[index].genre for index in subsets["train"]}
    missing = [name for genre, name in enumerate(collection.genres) if genre not in there]
    if missing:
        warnings.warn(
            f"{files.train} leaves no track to train on of {', '.join(missing)}", stacklevel=2
        )
    lists = {reason: names for reason, names in left_out.items() if names}
    return subsets, lists


def _read_list(path: str, subset: str) -> list[str]:
    try:
        lines = pathlib.Path(path).expanduser().read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"config.data.files.{subset} {path} cannot be read ({error}); give a text file"
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _find(line: str, by_key: Mapping[str, list[int]]) -> str | None:
    """The track key that a line ends with; folders before it are ignored."""
    folders = track_key(line).split("/")
    ends = ("/".join(folders[i:]) for i in range(len(folders)))
    return next((end for end in ends if end in by_key), None)


def track_key(name: str) -> str:
    """A track name in lower case without its suffix; a number is not a suffix.

    GTZAN's images lack a dot: `blues00029.png` becomes `blues.00029`.
    """
    path = pathlib.PurePosixPath(name.replace("\\", "/").lower())
    if not path.name:
        return ""
    key = str(path if path.suffix[1:].isdigit() else path.with_suffix(""))
    return re.sub(r"(?<=[a-z])(?=\d{5}$)", ".", key)
