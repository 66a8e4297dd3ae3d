"""Splits of a collection into training, validation and test subsets.

All but `segment` keep the tracks of a recording, slices and exact duplicates, in one subset.
"""

import collections
import dataclasses
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from research.data.same_recording import group_tracks, recording_key, recording_keys, track_key
from research.data.segments import Segments
from research.data.tracks import Collection
from research.errors import InputError
from research.settings import at_least, fraction, one_of, path
from research.tables import read_lines

SPLITS = ("track", "kfold", "blocks", "files", "all", "segment")
_IN_FOLDS = "kfold", "blocks"
SUBSETS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class FileLists:
    """Text files that list the tracks of each subset, one a line, such as `blues/blues.00029.wav`.

    Suffixes are ignored. `validation` is optional, and so is `test`: a training without it tests
    nothing.
    """

    train: str | None = path()
    validation: str | None = path()
    test: str | None = path()


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


def describe(config: SplitConfig, seed: int, num_seeds: int = 1) -> str:
    """The protocol in words, as it is quoted with every accuracy."""
    seeds = f"seed {seed}" if num_seeds == 1 else f"seeds {seed} to {seed + num_seeds - 1}"
    chosen = ""
    if config.validation_share and config.split in ("track", *_IN_FOLDS, "segment"):
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
        tracks, left_out = _by_lists(collection, config.files, config.recordings == "names")
        return [_by_tracks(segments, None, tracks, left_out)]
    if config.split == "all":
        return [_by_tracks(segments, None, {"test": range(len(collection.tracks))})]

    groups = _groups(collection, config.recordings == "names")
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
    collection: Collection, files: FileLists, by_names: bool
) -> tuple[dict[str, list[int]], dict[str, list[str]]]:
    """Indices of the tracks of each subset, and names of those left out by reason."""
    names = [track.name for track in collection.tracks]
    recordings = recording_keys(names) if by_names else names
    by_key = collections.defaultdict(list)
    for index, name in enumerate(names):
        by_key[track_key(name)].append(index)
    by_recording = collections.defaultdict(list)
    for index, key in enumerate(recordings):
        by_recording[key].append(index)
    subsets, listed = {}, {}
    # Reasons are kept in data.json and compared when a run is continued: do not reword them.
    left_out = collections.defaultdict(list)
    for subset in SUBSETS:
        subsets[subset], path = [], getattr(files, subset)
        if not path and subset == "train":
            raise InputError(
                f"config.data.files.{subset} is not given; name the text file that lists the tracks"
            )
        for line in _read_list(path, subset) if path else []:
            key = _find(line, by_key)
            if key is None and by_names:  # The lists name recordings, and the files are slices.
                key = _find(line, by_recording, recording_key)
            if key in listed and listed[key] != subset:
                raise InputError(
                    f"{path} lists {line}, which is in the {listed[key]} list, too; keep it in one "
                    "of them"
                )
            if key is None:
                left_out["listed and not there"].append(line)
            elif key not in listed:
                listed[key] = subset
                subsets[subset] += by_key.get(key) or by_recording[key]
        if path and not subsets[subset]:
            raise InputError(
                f"config.data.files.{subset} names no track: none of those that {path} lists is in "
                f"{collection.root}; lines look like {names[0]}"
            )
    found = {index for indices in subsets.values() for index in indices}
    left_out["there and not listed"] = [
        name for index, name in enumerate(names) if index not in found
    ]
    # Neither duplicates of a tested track nor other slices of its recording may be trained on or
    # choose the checkpoint.
    for reason, keys in (
        ("duplicate of a tested or validated track", [one.digest for one in collection.tracks]),
        ("of the recording of a tested or validated track", recordings),
    ):
        taken = set()
        for subset in reversed(SUBSETS):
            indices = subsets[subset]
            subsets[subset] = [index for index in indices if keys[index] not in taken]
            left_out[reason] += [names[index] for index in indices if keys[index] in taken]
            taken |= {keys[index] for index in indices}
    if left_out["of the recording of a tested or validated track"]:
        warnings.warn(_of_one_recording(left_out), stacklevel=2)
    there = {collection.tracks[index].genre for index in subsets["train"]}
    missing = [name for genre, name in enumerate(collection.genres) if genre not in there]
    if missing:
        warnings.warn(
            f"{files.train} leaves no track to train on of {', '.join(missing)}", stacklevel=2
        )
    lists = {reason: names for reason, names in left_out.items() if names}
    return subsets, lists


def _of_one_recording(left_out: Mapping[str, list[str]]) -> str:
    names = left_out["of the recording of a tested or validated track"]
    return (
        f"{len(names)} listed tracks are left out: by their names they are of the recordings of "
        f"tested or validated tracks (first {names[0]}); if they are not, give "
        "config.data.recordings=files"
    )


def _read_list(path: str, subset: str) -> list[str]:
    try:
        lines = read_lines(path)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"config.data.files.{subset} {path} cannot be read ({error}); give a text file"
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _find(
    line: str, by_key: Mapping[str, list[int]], key_of: Callable[[str], str] = track_key
) -> str | None:
    """The key that a line ends with; folders before it are ignored."""
    folders = track_key(line).split("/")
    ends = (key_of("/".join(folders[i:])) for i in range(len(folders)))
    return next((end for end in ends if end in by_key), None)
