"""Splits of a collection into training, validation and test part, by name.

All but `segment` keep every track, and every exact duplicate of it, on one side.
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


@dataclasses.dataclass(frozen=True)
class FileLists:
    """Text files that list the tracks of a split, one a line, as `blues/blues.00029.wav`.

    Suffixes do not count. `validation` may be left out.
    """

    train: str | None = None
    validation: str | None = None
    test: str | None = None


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """How a collection is split.

    Attributes:
      split: `track` (at random by genre), `kfold` (each track is tested once), `files` (by lists),
        `all` (everything is the test part) or `segment` (at random by segment: it leaks).
      test_share: of the tracks or segments, for `track` and `segment`.
      validation_share: of what is not tested, for all but `files` and `all`.
      num_folds: of `kfold`.
      files: lists of `files`.
    """

    split: str = one_of("track", SPLITS)
    test_share: float = fraction(0.2)
    validation_share: float = fraction(0.0)
    num_folds: int = at_least(5, 2)
    files: FileLists = FileLists()

    @property
    def leaks(self) -> bool:
        """Whether pieces of one track lie on both sides."""
        return self.split == "segment"


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of segments, `[segments]` each.

    Attributes:
      fold: its number, where there are folds.
      train: what weights are fitted to.
      validation: what checkpoints are chosen by; may be empty.
      test: what is scored, once.
      left_out: names of tracks that the split has no place for, by reason.
    """

    fold: int | None
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    left_out: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """The three by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def describe(config: SplitConfig, seed: int, num_seeds: int = 1) -> str:
    """The protocol in words, as it stands beside every number."""
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
        "pieces of one track are on both sides",
    }[config.split]


def make_splits(
    collection: Collection, segments: Segments, config: SplitConfig, seed: int
) -> list[Split]:
    """The split of a name, or its folds.

    Raises:
      InputError: too few tracks, or lists that cannot be read or do not fit the collection.
    """
    random = np.random.default_rng([seed, 0x5B117])
    if config.split in ("track", "segment") and not config.test_share:
        raise InputError("config.data.test_share is 0; give the share to test on")
    if config.split == "segment":
        order = random.permutation(len(segments.track))
        test, rest = np.split(order, [_share_of(config.test_share, len(order))])
        validation, train = np.split(rest, [_share_of(config.validation_share, len(rest))])
        if not len(train):
            raise InputError(f"{len(order)} segments are too few to split; lower the shares")
        return [Split(None, np.sort(train), np.sort(validation), np.sort(test))]
    if config.split == "files":
        parts, left_out = _by_lists(collection, config.files)
        return [_by_tracks(segments, None, *parts, left_out)]
    if config.split == "all":
        return [_by_tracks(segments, None, [], [], range(len(collection.tracks)))]

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
        _need(collection, groups, wanted, f"the {wanted} parts of the split")
        folds = [_take(groups, config.test_share)]
    splits = []
    for number, test in enumerate(folds):
        taken = {id(group) for group in test}
        rest = [[group for group in genre if id(group) not in taken] for genre in groups]
        validation = _take(rest, config.validation_share)
        if config.validation_share and not validation:
            raise InputError(
                f"{collection.root} has too few tracks for a validation part; lower the shares"
            )
        taken |= {id(group) for group in validation}
        train = [group for genre in rest for group in genre if id(group) not in taken]
        fold = number if config.split == "kfold" else None
        splits.append(_by_tracks(segments, fold, *map(_flat, (train, validation, test))))
    return splits


def _share_of(part: float, count: int) -> int:
    return min(max(round(part * count), 1), count) if part else 0


def _flat(groups: list[list[int]]) -> list[int]:
    return [track for group in groups for track in group]


def _shuffled_groups(collection: Collection, random: np.random.Generator) -> list[list[list[int]]]:
    """Indices of tracks, exact duplicates together, the groups of each genre in random order."""
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


def _take(groups: list[list[list[int]]], part: float) -> list[list[int]]:
    """A share of each genre's groups, at least one and not all of them."""
    taken = []
    for genre in groups:
        count = min(_share_of(part, len(genre)), len(genre) - 1)
        taken += genre[:count]
    return taken


def _by_tracks(
    segments: Segments,
    fold: int | None,
    train: Sequence[int],
    validation: Sequence[int],
    test: Sequence[int],
    left_out: dict[str, list[str]] | None = None,
) -> Split:
    parts = (
        np.flatnonzero(np.isin(segments.track, list(part))) for part in (train, validation, test)
    )
    return Split(fold, *parts, left_out or {})


def _by_lists(
    collection: Collection, files: FileLists
) -> tuple[list[list[int]], dict[str, list[str]]]:
    by_key = collections.defaultdict(list)
    for index, track in enumerate(collection.tracks):
        by_key[track_key(track.name)].append(index)
    parts, listed, left_out = {}, {}, collections.defaultdict(list)
    for part in ("train", "validation", "test"):
        parts[part], path = [], getattr(files, part)
        if not path and part != "validation":
            raise InputError(
                f"config.data.files.{part} is not given; name the text file that lists the tracks"
            )
        for line in _read_list(path, part) if path else []:
            key = _find(line, by_key)
            if key in listed and listed[key] != part:
                raise InputError(
                    f"{path} lists {line}, which is in the list of the {listed[key]} part, too; "
                    "keep it in one of them"
                )
            if key is None:
                left_out["listed and not there"].append(line)
            elif key not in listed:
                listed[key] = part
                parts[part] += by_key[key]
        if path and not parts[part]:
            raise InputError(
                f"none of the tracks that {path} lists is in {collection.root}; lines look like "
                f"{collection.tracks[0].name}"
            )
    left_out["there and not listed"] = [
        track.name for track in collection.tracks if track_key(track.name) not in listed
    ]
    # A duplicate of what is tested must not be trained on, nor chosen by.
    seen = set()
    for part in ("test", "validation", "train"):
        tracks = [(index, collection.tracks[index]) for index in parts[part]]
        parts[part] = [index for index, track in tracks if track.digest not in seen]
        left_out["duplicate of a tested or validated track"] += [
            track.name for _, track in tracks if track.digest in seen
        ]
        seen |= {track.digest for _, track in tracks}
    there = {collection.tracks[index].genre for index in parts["train"]}
    missing = [name for genre, name in enumerate(collection.genres) if genre not in there]
    if missing:
        warnings.warn(
            f"{files.train} leaves no track to train on of {', '.join(missing)}", stacklevel=2
        )
    lists = {reason: names for reason, names in left_out.items() if names}
    return [parts["train"], parts["validation"], parts["test"]], lists


def _read_list(path: str, part: str) -> list[str]:
    try:
        lines = pathlib.Path(path).expanduser().read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"config.data.files.{part} {path} cannot be read ({error}); give a text file"
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _find(line: str, by_key: Mapping[str, list[int]]) -> str | None:
    """The key that a line means, whatever folders it puts before."""
    folders = track_key(line).split("/")
    ends = ("/".join(folders[i:]) for i in range(len(folders)))
    return next((end for end in ends if end in by_key), None)


def track_key(name: str) -> str:
    """A name in lower case without its suffix; a number is not a suffix.

    GTZAN's pictures leave out a dot: `blues00029.png` is `blues.00029`.
    """
    path = pathlib.PurePosixPath(name.replace("\\", "/").lower())
    if not path.name:
        return ""
    key = str(path if path.suffix[1:].isdigit() else path.with_suffix(""))
    return re.sub(r"(?<=[a-z])(?=\d{5}$)", ".", key)
