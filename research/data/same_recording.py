"""Which tracks of a data set are of one recording, by their names.

Slices of a recording sound alike, so a split that parts them tests on what was trained on. Names
are compared as `track_key` writes them, without capitals and suffixes. Tracks of a genre are of
one recording if

- their names are equal: `a.wav` and `a.mp3`;
- they, or their folders, have one of GTZAN's names, whatever follows it: `blues.00000.3.wav`,
  `blues_00000-copy.wav`, `blues00000/3.wav`;
- they differ in how they end only, in a word such as slice, part or clip and a number, or in a
  time: `song_part2.wav`, `song-copy.wav`, `song_30s.wav`;
- or in a start and an end: `song-0-29.wav` and `song-30-59.wav`, if no two starts are equal;
- or in a last number, if that makes several groups of several tracks in the genre: `a_0.wav` to
  `a_9.wav` and `b_0.wav` to `b_9.wav`. These may be tracks of an album, which sound alike as well;
- they lie in a folder of their own, of several in the genre, and are called by numbers in close
  order, such words, or the name of the folder: `a/0.wav`, `a/part 1.wav`, `a/a_3.wav`.

All others are recordings of their own, such as `song 1.wav` to `song 99.wav` in a genre without
other numbered names, or `jazz part 1.wav` in the genre jazz. Folders that are named like subsets of
a split are as if they were not there.
"""

import collections
import math
import pathlib
import re
import unicodedata
from collections.abc import Collection, Hashable, Sequence

from research.data.layouts.subset_folders import is_subset
from research.data.tracks import Track
from research.tables import as_text

# No number is matched in two ways: matching would take forever.
_GAP = r"[\s._@#()\[\]{}~,:-]*"
_NUMBER = r"(?<!\d)\d+(?!\d)"
_WORD = (
    "(?:slice|segment|segm|seg|section|part|pt|chunk|clip|piece|excerpt|snippet|fragment|frag|"
    "window|win|crop|split)s?"
)
_UNIT = "(?:ms|msecs?|s|secs?|seconds|m|mins?|h)"
_TIME = rf"{_NUMBER}(?:[.:]{_NUMBER})* ?{_UNIT}(?:{_NUMBER}{_UNIT})*"
_PART = (
    rf"{_WORD}{_GAP}{_NUMBER}(?:{_GAP}(?:(?:of|to){_GAP})?{_NUMBER})*(?: ?m?s(?:ecs?)?)?"
    rf"|{_NUMBER}[\s_-]*of[\s_-]*{_NUMBER}|copy(?:{_GAP}{_NUMBER})?"
    rf"|{_TIME}(?:{_GAP}(?:to{_GAP})?{_TIME})?"
)
_GTZAN = re.compile(r"([a-z]+)[ ._-]?(\d{5})(?!\d)")
# In each, the name of the recording comes first.
_SLICE = re.compile(rf"(.*?)(?<![^\W_])(?:{_PART}){_GAP}")
_RANGE = re.compile(r"(.*?)(?<![\d.])(\d+(?:\.\d+)?)[ _~-]+(?:to[ _-]+)?(\d+(?:\.\d+)?)[\])]?")
_DECIMAL = re.compile(rf"(.*?)(?<![^\W_])(?<!\.)(?:0|[1-9]\d*)\.\d+{_GAP}")
_LAST = re.compile(rf"(.*?)\d+{_GAP}")
# What is left of the names of slices without that of the recording.
_NUMBERS = re.compile(rf"{_GAP}({_NUMBER})(?:{_GAP}{_NUMBER})*{_GAP}")
_NO_NAME = re.compile(
    rf"{_GAP}(?:(?:(?:{_WORD}|of|to|copy)(?![^\W\d_])|{_NUMBER}(?: ?{_UNIT}(?:{_NUMBER}{_UNIT})*)?"
    rf"(?![^\W_])){_GAP})*"
)
# Names that tell no recording, as the name of the genre does not.
_ORDINARY = {"", "audio", "file", "music", "recording", "sample", "sound", "track"}


def group_tracks(tracks: Sequence[Track], by_names: bool = True) -> list[list[int]]:
    """Indices of the tracks of each recording, in order of the first.

    Exact duplicates are of one recording, and all tracks that are connected by either relation.

    Args:
      tracks: of a collection.
      by_names: False if only duplicates are of one recording.
    """
    keys = recording_keys([track.name for track in tracks]) if by_names else range(len(tracks))
    parents, first = list(range(len(tracks))), dict[Hashable, int]()

    def root(index: int) -> int:
        while parents[index] != index:
            index = parents[index] = parents[parents[index]]
        return index

    for index, (track, key) in enumerate(zip(tracks, keys, strict=True)):
        for relation in (("digest", track.digest), ("key", key)):
            one, other = sorted((root(first.setdefault(relation, index)), root(index)))
            parents[other] = one
    groups = collections.defaultdict(list)
    for index in range(len(tracks)):
        groups[root(index)].append(index)
    return list(groups.values())


def track_key(name: str) -> str:
    """A track name in lower case without its suffix; a number is not a suffix.

    GTZAN's images lack a dot: `blues00029.png` becomes `blues.00029`.
    """
    text = unicodedata.normalize("NFC", as_text(name)).lower()
    path = pathlib.PurePosixPath(text.replace("\\", "/"))
    if not path.name:
        return ""
    key = str(path.with_suffix("") if re.fullmatch(r"\.(?!\d+$)\S+", path.suffix) else path)
    return re.sub(r"(?<=[a-z])(?=\d{5}$)", ".", key)


def recording_key(name: str) -> str:
    """The name `genre/recording` of a track, as far as its own name `genre/file` tells."""
    genre, *parts = track_key(name).split("/")
    for part in reversed(parts):
        if match := _GTZAN.match(part):
            return f"{genre}/{match[1]}.{match[2]}"
    stem = _stem(_SLICE, genre, parts[-1]) if parts else ""
    return "/".join([genre, *parts[:-1], stem] if stem else [genre, *parts])


def recording_keys(names: Sequence[str]) -> list[str]:
    """The name `genre/recording` of each track of a data set, equal for those of one recording."""
    keys = [recording_key(name) for name in names]
    genres = collections.defaultdict(dict)
    for index, name in enumerate(names):
        genre, _, path = track_key(name).partition("/")
        if not any(map(_GTZAN.match, path.split("/"))):
            genres[genre][index] = path
    for genre, paths in genres.items():
        found = _by_folders(paths)
        rest = {
            index: path
            for index, path in paths.items()
            if index not in found and keys[index] == f"{genre}/{path}"
        }
        found |= _by_ranges(genre, rest)
        rest = {index: path for index, path in rest.items() if index not in found}
        found |= _by_numbers(genre, rest, _DECIMAL) or _by_numbers(genre, rest, _LAST)
        for index, key in found.items():
            keys[index] = f"{genre}/{key}"
    return keys


def numbered_alike(names: Sequence[str]) -> str:
    """The name that all tracks of a genre have before a last number; empty if there is none.

    They may be slices of one recording, or songs that somebody numbered: the names do not tell.
    """
    stems = set()
    for name in names:
        genre, _, path = track_key(name).partition("/")
        last = path.rpartition("/")[2]
        stems.add("" if _GTZAN.match(last) else _stem(_LAST, genre, last))
    return stems.pop() if len(stems) == 1 else ""


def _stem(pattern: re.Pattern, genre: str, name: str, ordinary: bool = False) -> str:
    """The name of the recording before what a pattern matches; empty if there is none.

    Args:
      pattern: of which the first group is the name.
      genre: of the track.
      name: of the track.
      ordinary: True if any word is a name.
    """
    match = pattern.fullmatch(name)
    stem = re.sub(rf"{_GAP}$", "", match[1]) if match else ""
    return "" if not ordinary and stem in _ORDINARY | {genre} else stem


def _by_folders(paths: dict[int, str]) -> dict[int, str]:
    """The folders that hold slices of one recording each, if there are several, by track."""
    folders = collections.defaultdict(dict)
    for index, path in paths.items():
        folder, _, name = path.rpartition("/")
        if folder and not is_subset(folder.rpartition("/")[2]):
            folders[folder][index] = name
    own = {folder: names for folder, names in folders.items() if _is_own(folder, names.values())}
    return {index: folder for folder, names in own.items() for index in names if len(own) > 1}


def _is_own(folder: str, names: Collection[str]) -> bool:
    """True if the names of files do not name anything but their folder."""
    last = folder.rpartition("/")[2]
    numbers = [match for name in names if (match := _NUMBERS.fullmatch(name))]
    if len(numbers) < len(names):
        return all(_NO_NAME.fullmatch(name.removeprefix(last)) for name in names)
    # Numbers of slices, or their times, follow each other closely; those of a catalogue do not.
    values = sorted({int(match[1]) for match in numbers})
    step = math.gcd(*values) or 1
    return (values[-1] - values[0]) // step < 4 * len(values)


def _by_ranges(genre: str, paths: dict[int, str]) -> dict[int, str]:
    """The recording of each track whose name ends in a start and an end."""
    spans = collections.defaultdict(dict)
    for index, path in paths.items():
        folder, _, name = path.rpartition("/")
        if (match := _RANGE.fullmatch(name)) and (stem := _stem(_RANGE, genre, name)):
            spans[_join(folder, stem)][index] = float(match[2]), float(match[3])
    return {
        index: key
        for key, found in spans.items()
        if len({start for start, _ in found.values()}) == len(found) > 1
        and all(start < end for start, end in found.values())
        for index in found
    }


def _by_numbers(genre: str, paths: dict[int, str], pattern: re.Pattern) -> dict[int, str]:
    """The recording of each track whose name ends in a number, if several have several tracks."""
    groups = collections.defaultdict(list)
    for index, path in paths.items():
        folder, _, name = path.rpartition("/")
        folder = _join(*(part for part in folder.split("/") if not is_subset(part)))
        # In folders, as of albums, tracks may be called "track".
        if stem := _stem(pattern, genre, name, ordinary=bool(folder)):
            groups[_join(folder, stem)].append(index)
    groups = {key: found for key, found in groups.items() if len(found) > 1}
    return {index: key for key, found in groups.items() for index in found if len(groups) > 1}


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
