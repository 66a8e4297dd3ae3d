"""Lists of the tracks of each subset, as they are published with data sets."""

import collections
import dataclasses
import warnings
from collections.abc import Callable, Mapping

from research.data.same_recording import recording_key, recording_keys, track_key
from research.data.tracks import Collection
from research.errors import InputError
from research.settings import path
from research.tables import read_lines

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


def by_lists(
    collection: Collection, files: FileLists, by_names: bool
) -> tuple[dict[str, list[int]], dict[str, list[str]]]:
    """The subsets that lists name.

    Args:
      collection: the tracks.
      files: the lists.
      by_names: True to keep tracks of one recording, by their names, in one subset.

    Returns:
      Indices of the tracks of each subset, and names of the tracks left out, by reason.

    Raises:
      InputError: a list cannot be read, names no track that can be used, or one of another list.
    """
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
        for line in read_list(path, f"config.data.files.{subset} {path}") if path else []:
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
    for subset in SUBSETS:
        path = getattr(files, subset)
        if path and not subsets[subset]:
            raise InputError(
                f"config.data.files.{subset} leaves no track: all that {path} lists are duplicates "
                "of tested or validated tracks, or of their recordings by name; keep a recording "
                "in one list, or give config.data.recordings=files if the names mislead"
            )
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


def read_list(path: str, what: str) -> list[str]:
    """The lines of a list that are not blank.

    Args:
      path: of the list.
      what: the list, for the message.

    Raises:
      InputError: it cannot be read.
    """
    try:
        lines = read_lines(path)
    except (OSError, UnicodeError) as error:
        raise InputError(f"{what} cannot be read ({error}); give a text file") from error
    return [line.strip() for line in lines if line.strip()]


def _find(
    line: str, by_key: Mapping[str, list[int]], key_of: Callable[[str], str] = track_key
) -> str | None:
    """The key that a line ends with; folders before it are ignored."""
    folders = track_key(line).split("/")
    ends = (key_of("/".join(folders[i:])) for i in range(len(folders)))
    return next((end for end in ends if end in by_key), None)
