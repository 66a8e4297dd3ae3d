"""Runs of tracks that hold whole artists, and folds of them.

GTZAN does not name its artists, but its track numbers follow them, and no artist is in two lists of
its fault-filtered split. So successive numbers in one list are those of whole artists.
"""

import re
from typing import NamedTuple

import numpy as np

from research.data.file_lists import read_list
from research.errors import InputError

_GAP = 4  # A longer gap between two numbers may be other artists.
_TIE = 3.0  # Runs whose lengths differ by less are dealt in random order.


class Track(NamedTuple):
    """A line of a list, `blues/blues.00029.wav`; `source` is the number of the list."""

    genre: str
    number: int
    source: int
    line: str


def read_tracks(path: str, source: int) -> list[Track]:
    """The tracks of a list.

    Raises:
      InputError: it cannot be read, or a line is no GTZAN track.
    """
    tracks = []
    for line in read_list(path, path):
        match = re.search(r"(?:^|[/\\])([a-z]+)\.?(\d{5})\.\w+$", line.lower())
        if match is None:
            raise InputError(f"{path} has {line!r}; give tracks such as blues/blues.00029.wav")
        tracks.append(Track(match[1], int(match[2]), source, line))
    return tracks


def runs_of(tracks: list[Track]) -> list[list[Track]]:
    """Tracks of a genre with successive numbers in one list, as far as none is far from the next.

    In the order of genres and numbers.

    Raises:
      InputError: a track is listed twice.
    """
    runs = []
    for track in sorted(tracks):
        before = runs[-1][-1] if runs else None
        if before is not None and before[:2] == track[:2]:
            raise InputError(f"{track.line} is listed twice; give lists that share no track")
        follows = (
            before is not None
            and (before.genre, before.source) == (track.genre, track.source)
            and track.number - before.number <= _GAP
        )
        if follows:
            runs[-1].append(track)
        else:
            runs.append([track])
    return runs


def deal(runs: list[list[Track]], num_folds: int, seed: int) -> list[list[Track]]:
    """The tracks of each fold: whole runs, and of each genre about as many tracks as runs allow."""
    random, folds = np.random.default_rng(seed), [[] for _ in range(num_folds)]
    for genre in sorted({run[0].genre for run in runs}):
        own = [run for run in runs if run[0].genre == genre]
        sizes = 0.5 * random.random(num_folds)  # A fraction of a track decides between equals.
        shuffled = [own[i] for i in random.permutation(len(own))]
        for run in sorted(shuffled, key=lambda run: _TIE * random.random() - len(run)):
            fold = int(sizes.argmin())
            folds[fold] += run
            sizes[fold] += len(run)
    return folds
