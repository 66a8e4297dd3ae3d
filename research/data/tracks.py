"""A folder of class folders of files, as a list of tracks with their spectrograms in the cache."""

import collections
import dataclasses
import pathlib
import warnings
from collections.abc import Callable

from research.audio.find import AUDIO, FileKind, is_hidden
from research.data.spectrogram_cache import SpectrogramCache
from research.errors import InputError


class SkippedFileWarning(UserWarning):
    """A file of the collection that could not be used."""


@dataclasses.dataclass(frozen=True)
class Track:
    """One usable file, or the rows of a track in a table.

    Attributes:
      name: its path under the root.
      genre: index into the collection's genres.
      digest: of what was decoded; equal for exact duplicates.
      num_frames: of its spectrogram, or its rows.
    """

    name: str
    genre: int
    digest: str
    num_frames: int


@dataclasses.dataclass(frozen=True)
class Collection:
    """What a folder of genres, or a table, holds.

    Attributes:
      root: what was asked for.
      genres: names of the classes, sorted.
      tracks: the usable files, sorted by genre and name.
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
        """Names of tracks that are exact duplicates, a list a group."""
        names = collections.defaultdict(list)
        for track in self.tracks:
            names[track.digest].append(track.name)
        return [group for group in names.values() if len(group) > 1]


def load_collection(
    root: str,
    cache: SpectrogramCache,
    *,
    max_bad_share: float,
    min_frames: int,
    kind: FileKind = AUDIO,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Collection:
    """Decode what a folder of genres holds, and see that every spectrogram is in the cache.

    GTZAN's archives as published are such folders (`genres/`, `genres_original/`), and so is any
    folder of class folders of files of one kind. A file that cannot be decoded, or is shorter than
    `min_frames`, is skipped with a `SkippedFileWarning` that names it; files that are of another
    kind by their names are skipped with one warning for all.

    Raises:
      InputError: no such folder, fewer than two classes, no file of the kind, more than
        `max_bad_share` of the files cannot be decoded, a class with no usable file, or no file of
        `min_frames`.
    """
    folder = _find_classes(root, kind)
    files = {
        file.relative_to(folder).as_posix(): file
        for genre in sorted(folder.iterdir())
        if genre.is_dir()
        for file in sorted(genre.rglob("*"))
        if file.is_file() and not is_hidden(file.relative_to(folder))
    }
    genres = sorted({name.split("/")[0] for name in files})
    if not genres:
        raise InputError(
            f"config.data.root {root} holds no folders of {kind.name} files; give the folder that "
            "has one folder a genre"
        )
    if len(genres) == 1:
        raise InputError(
            f"config.data.root {root} holds one class only ({genres[0]}); give the folder that "
            "has one folder a genre"
        )
    others = [name for name, file in files.items() if not kind.may_be(file)]
    skipped = {name: f"{files.pop(name)} is no {kind.name} by its name" for name in others}
    if not files:
        raise InputError(
            f"config.data.root {root} holds no {kind.name} files, only others ({others[0]}, ...); "
            f"give a folder that has one folder of {kind.name} files a genre"
        )
    entries = cache.add(list(files.values()), on_progress)
    tracks = []
    for name, entry in zip(files, entries, strict=True):
        if isinstance(entry, InputError):
            skipped[name] = str(entry)
        else:
            tracks.append(Track(name, genres.index(name.split("/")[0]), *entry))
    bad = [name for name in files if name in skipped]
    if len(bad) > max_bad_share * len(files):
        raise InputError(
            f"{len(bad)} of the {len(files)} {kind.name} files in {root} cannot be used, more than "
            f"config.data.max_bad_share, {max_bad_share:.0%}; the first: {skipped[bad[0]]}"
        )
    long_enough = [track for track in tracks if track.num_frames >= min_frames]
    if not long_enough:
        longest = max((track.num_frames for track in tracks), default=0)
        raise InputError(
            f"every track in {root} is shorter than a segment: the longest has {longest} frames, "
            f"a segment {min_frames}; lower config.segments.seconds"
        )
    for track in tracks:
        if track.num_frames < min_frames:
            skipped[track.name] = (
                f"{folder / track.name} has {track.num_frames} frames, a segment {min_frames}"
            )
    for name in sorted(skipped.keys() - set(others)):
        warnings.warn(f"skipped: {skipped[name]}", SkippedFileWarning, stacklevel=2)
    if others:
        shown = ", ".join(others[:5]) + ", ..." * (len(others) > 5)
        warnings.warn(
            f"skipped: {len(others)} files in {root} are no {kind.name} by their names ({shown})",
            SkippedFileWarning,
            stacklevel=2,
        )
    for index, genre in enumerate(genres):
        if not any(track.genre == index for track in long_enough):
            raise InputError(
                f"{folder / genre} holds no usable {kind.name}; mend it or take the folder away"
            )
    return Collection(str(root), tuple(genres), tuple(long_enough), skipped)


def _find_classes(root: str, kind: FileKind) -> pathlib.Path:
    folder = pathlib.Path(root).expanduser()
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
    inner = [folder / name for name in kind.inner_folders if (folder / name).is_dir()]
    return inner[0] if inner else folder
