"""A folder of class folders of audio, as a list of tracks with their spectrograms in the cache."""

import collections
import dataclasses
import pathlib
import warnings
from collections.abc import Callable

from research.audio.find import is_hidden
from research.audio.waveform import may_be_audio
from research.data.spectrograms import SpectrogramCache
from research.errors import InputError

# Where GTZAN's own archives keep the class folders.
_INNER_FOLDERS = ("genres_original", "genres", "Data/genres_original")


class SkippedFileWarning(UserWarning):
    """A file of the collection that could not be used."""


@dataclasses.dataclass(frozen=True)
class Track:
    """One usable audio file.

    Attributes:
      name: its path under the root.
      genre: index into the collection's genres.
      digest: of the decoded samples; equal for exact duplicates.
      num_frames: of its spectrogram.
    """

    name: str
    genre: int
    digest: str
    num_frames: int


@dataclasses.dataclass(frozen=True)
class Collection:
    """What a folder of genres holds.

    Attributes:
      root: the folder that was asked for.
      genres: names of the class folders, sorted.
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
        """Names of tracks with the same decoded samples, a list a group."""
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
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Collection:
    """Decode what a folder of genres holds, and see that every spectrogram is in the cache.

    GTZAN's archives as published are such folders (`genres/`, `genres_original/`), and so is any
    folder of class folders of audio. A file that cannot be decoded, or is shorter than
    `min_frames`, is skipped with a `SkippedFileWarning` that names it; files that are pictures or
    texts by their names are skipped with one warning for all.

    Raises:
      InputError: no such folder, fewer than two classes, more than `max_bad_share` of the files
        cannot be decoded, a class with no usable file, or no file of `min_frames`.
    """
    folder = _find_classes(root)
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
            f"config.data.root {root} holds no folders of audio files; give the folder that has "
            "one folder a genre"
        )
    if len(genres) == 1:
        raise InputError(
            f"config.data.root {root} holds one class only ({genres[0]}); give the folder that "
            "has one folder a genre"
        )
    others = [name for name, file in files.items() if not may_be_audio(file)]
    skipped = {name: f"{files.pop(name)} is no audio by its name" for name in others}
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
            f"{len(bad)} of the {len(files)} audio files in {root} cannot be used, more than "
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
            f"skipped: {len(others)} files in {root} are no audio by their names ({shown})",
            SkippedFileWarning,
            stacklevel=2,
        )
    for index, genre in enumerate(genres):
        if not any(track.genre == index for track in long_enough):
            raise InputError(
                f"{folder / genre} holds no usable audio; mend it or take the folder away"
            )
    return Collection(str(root), tuple(genres), tuple(long_enough), skipped)


def _find_classes(root: str) -> pathlib.Path:
    folder = pathlib.Path(root).expanduser()
    if not folder.exists():
        raise InputError(
            f"config.data.root {root} does not exist; give a folder that has one folder of audio "
            "files a genre"
        )
    if not folder.is_dir():
        raise InputError(
            f"config.data.root {root} is a file; give a folder that has one folder of audio files "
            "a genre"
        )
    inner = [folder / name for name in _INNER_FOLDERS if (folder / name).is_dir()]
    return inner[0] if inner else folder
