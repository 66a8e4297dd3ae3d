"""The tracks of a data set: their names, genres, digests and lengths."""

import collections
import dataclasses
import os
import pathlib
import warnings
from collections.abc import Callable

from research.audio.find import AUDIO, FileKind
from research.data.layouts.registry import find_labelled_files
from research.data.track_cache import TrackCache
from research.errors import InputError
from research.files import expand


class SkippedFileWarning(UserWarning):
    """A file of the data set that cannot be used."""


@dataclasses.dataclass(frozen=True)
class Track:
    """One usable file, or the rows of one track in a table.

    Attributes:
      name: `genre/file`.
      genre: index into the collection's genres.
      digest: of what was decoded; equal for exact duplicates.
      num_frames: frames of its spectrogram, or its rows.
    """

    name: str
    genre: int
    digest: str
    num_frames: int


@dataclasses.dataclass(frozen=True)
class Collection:
    """The tracks of a folder of genres, or of a table.

    Attributes:
      root: path as it was given.
      genres: names of the classes, sorted.
      tracks: the usable tracks, sorted by genre and name.
      skipped: reason by name of each file that is not used.
    """

    root: str
    genres: tuple[str, ...]
    tracks: tuple[Track, ...]
    skipped: dict[str, str]

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each track by its name."""
        return {track.name: track.digest for track in self.tracks}

    @property
    def duplicates(self) -> list[list[str]]:
        """Groups of names of tracks that are exact duplicates."""
        names = collections.defaultdict(list)
        for track in self.tracks:
            names[track.digest].append(track.name)
        return [group for group in names.values() if len(group) > 1]


def load_collection(
    root: str,
    cache: TrackCache,
    *,
    max_bad_share: float,
    min_frames: int,
    kind: FileKind = AUDIO,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Collection:
    """Find the files of a data set and put all of them into a cache.

    A file that cannot be decoded, or is shorter than `min_frames`, is skipped with a
    `SkippedFileWarning` that names it. Files of another kind, by their names, are skipped with one
    warning for all.

    Args:
      root: folder in one of the layouts of `layouts.registry`.
      cache: where the tracks are kept.
      max_bad_share: largest fraction of the files that may be undecodable.
      min_frames: frames that a track needs.
      kind: of the files.
      on_progress: called with the number of files done and the number of files.

    Raises:
      InputError: no such folder, no file of the kind, more than `max_bad_share` of the files
        cannot be decoded, a class with no usable file, or no file of `min_frames`.
    """
    labelled = find_labelled_files(_find_root(root, kind), kind)
    files = {f"{one.genre}/{one.name}": one for one in labelled}
    genres = sorted({one.genre for one in labelled})
    if not genres:
        raise InputError(
            f"config.data.root {root} holds no folders of {kind.name} files; give the folder that "
            "has one folder a genre"
        )
    others = [name for name, file in files.items() if not kind.may_be(file.path)]
    skipped = {name: f"{files[name].path} is no {kind.name} by its name" for name in others}
    names = [name for name in files if name not in skipped]
    if not names:
        raise InputError(
            f"config.data.root {root} holds no {kind.name} files, only others ({others[0]}, ...); "
            f"give a folder that has one folder of {kind.name} files a genre"
        )
    entries = cache.add([files[name].path for name in names], on_progress)
    tracks, bad = [], []
    for name, entry in zip(names, entries, strict=True):
        if isinstance(entry, InputError):
            skipped[name] = str(entry)
            bad.append(name)
        else:
            tracks.append(Track(name, genres.index(files[name].genre), *entry))
    if len(bad) > max_bad_share * len(names):
        raise InputError(
            f"{len(bad)} of the {len(names)} {kind.name} files in {root} cannot be used, more than "
            f"config.data.max_bad_share, {max_bad_share:.0%}; the first: {skipped[bad[0]]}"
        )
    for track in tracks:
        if track.num_frames < min_frames:
            skipped[track.name] = (
                f"{files[track.name].path} has {track.num_frames} frames, a segment {min_frames}"
            )
    usable = tuple(track for track in tracks if track.num_frames >= min_frames)
    if not usable:
        longest = max((track.num_frames for track in tracks), default=0)
        raise InputError(
            f"every track in {root} is shorter than a segment: the longest has {longest} frames, "
            f"a segment {min_frames}; lower config.segments.seconds"
        )
    _warn(root, kind, skipped, others)
    for index, genre in enumerate(genres):
        if not any(track.genre == index for track in usable):
            folders = [one.path.parent for one in labelled if one.genre == genre]
            raise InputError(
                f"{os.path.commonpath(folders)} holds no usable {kind.name}; fix it or take the "
                "folder away"
            )
    return Collection(str(root), tuple(genres), usable, skipped)


def _find_root(root: str, kind: FileKind) -> pathlib.Path:
    folder = expand(root)
    if not folder.exists():
        raise InputError(
            f"config.data.root {root} does not exist; give a folder that has one folder of "
            f"{kind.name} files a genre"
        )
    if not folder.is_dir():
        raise InputError(
            f"config.data.root {root} is a file; give a folder that has one folder of {kind.name} "
            "files a genre"
        )
    return folder


def _warn(root: str, kind: FileKind, skipped: dict[str, str], others: list[str]) -> None:
    """Warn of each skipped file of the kind, and once of all others."""
    for name in sorted(skipped.keys() - set(others)):
        warnings.warn(f"skipped: {skipped[name]}", SkippedFileWarning, stacklevel=3)
    if others:
        shown = ", ".join(others[:5]) + ", ..." * (len(others) > 5)
        warnings.warn(
            f"skipped: {len(others)} files in {root} are no {kind.name} by their names ({shown})",
            SkippedFileWarning,
            stacklevel=3,
        )
