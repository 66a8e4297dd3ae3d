"""The rows of a table of descriptors, put together by track."""

import collections
import dataclasses
import hashlib
import os
import pathlib
from typing import ClassVar

import numpy as np

from research.audio.find import is_hidden
from research.data.descriptors import FEATURES, SAMPLE_RATE, SLICE_SECONDS, load_descriptors
from research.data.tracks import Collection, Track
from research.errors import InputError

# Rows of more samples are of whole tracks, whatever their names.
_LONGEST_SLICE = 2 * SLICE_SECONDS * SAMPLE_RATE


@dataclasses.dataclass(frozen=True)
class DescriptorConfig:
    """What a classifier sees of a table of descriptors: `[1 row, 57 numbers]` at a time.

    Attributes:
      name: of this way to see a track.
      dtype: of the rows; some variances are in millions.
      augmentations: that mean something to the rows, of `AugmentConfig`.
      num_bins: numbers a row.
      frame_seconds: from a slice to the next.
    """

    name: ClassVar[str] = "descriptors"
    dtype: ClassVar[type] = np.float32
    augmentations: ClassVar[tuple[str, ...]] = ("crop", "mixup")
    num_bins: ClassVar[int] = len(FEATURES)
    frame_seconds: ClassVar[float] = float(SLICE_SECONDS)

    def num_frames(self, seconds: float) -> int:
        """Rows of a segment: one, however long it lasts."""
        return 1


@dataclasses.dataclass(frozen=True)
class DescriptorTracks:
    """The rows of tracks; it takes the place of a `SpectrogramCache` where segments are read.

    Attributes:
      config: of what is seen of them.
      rows: of each track by its digest, `[rows, 57]` float32.
    """

    config: DescriptorConfig
    rows: dict[str, np.ndarray]

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Copy the rows from `start` on into `out`, `[rows, 57]` float32."""
        out[...] = self.rows[digest][start : start + len(out)]


def load_descriptor_tracks(
    root: str | os.PathLike, config: DescriptorConfig
) -> tuple[Collection, DescriptorTracks]:
    """The tracks of a table and their rows.

    Args:
      root: CSV file, or a folder that holds one.
      config: of what is seen of them.

    Raises:
      InputError: see `find_table` and `rows_by_track`; or all rows are of one genre.
    """
    path = find_table(root, "config.data.root")
    by_track = rows_by_track(path)
    genres = sorted({genre for genre, _ in by_track})
    if len(genres) == 1:
        raise InputError(
            f"{path} holds one genre only ({genres[0]}); give a table of at least two genres"
        )
    tracks, rows = [], {}
    for (genre, file), values in sorted(by_track.items()):
        digest = hashlib.blake2b(b"descriptors" + values.tobytes(), digest_size=16).hexdigest()
        rows[digest] = values
        tracks.append(Track(f"{genre}/{file}", genres.index(genre), digest, len(values)))
    collection = Collection(str(root), tuple(genres), tuple(tracks), {})
    return collection, DescriptorTracks(config, rows)


def find_table(path: str | os.PathLike, flag: str) -> pathlib.Path:
    """The CSV file, or the only one in a folder.

    Args:
      path: of a file, which may be of any name, or a folder.
      flag: that names it, for messages: `--input`.

    Raises:
      InputError: nothing is there, or several are.
    """
    start = os.path.expanduser(path)
    mend = "give a CSV file of descriptors, such as --mode=describe writes"
    if not os.path.exists(start):
        raise InputError(f"{flag} {path} does not exist; {mend}")
    start = pathlib.Path(start)
    if not start.is_dir():
        return start
    files = (file for file in start.glob("*") if not is_hidden(file.relative_to(start)))
    found = sorted(file for file in files if file.suffix.lower() == ".csv")
    if not found:
        raise InputError(f"{flag} {path} holds no CSV file; {mend}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise InputError(f"{flag} {path} holds {len(found)} tables ({names}); give one of them")
    return found[0]


def rows_by_track(path: pathlib.Path) -> dict[tuple[str, str], np.ndarray]:
    """The rows of each track of a table, `[rows, 57]` float32, slices in their order.

    Tracks are known by genre and file. A row of at most 6 s whose file ends in a number without
    leading zeros, as `blues.00000.7.wav` does, is a slice of the track `blues.00000.wav`.

    Raises:
      InputError: see `load_descriptors`; or two rows have one name, or a value is too large.
    """
    table = load_descriptors(path)
    for row, column in np.argwhere(np.abs(table.features) > np.finfo(np.float32).max):
        raise InputError(
            f"{path} ({table.names[row]}): column {FEATURES[column]} is "
            f"{table.features[row, column]:g}, too large; mend it or take the row out"
        )
    numbered = collections.defaultdict(dict)
    for row, (file, label) in enumerate(zip(table.names, table.labels, strict=True)):
        track, number = _track_of(file) if table.lengths[row] <= _LONGEST_SLICE else (file, 0)
        if number in numbered[label, track]:
            raise InputError(f"{path} has two rows of {label}/{file}; keep one of them")
        numbered[label, track][number] = row
    features = table.features.astype(np.float32)
    return {
        track: features[[row for _, row in sorted(rows.items())]]
        for track, rows in numbered.items()
    }


def _track_of(file: str) -> tuple[str, int]:
    """The file that a slice was cut from, and its number; the file itself if it is no slice."""
    path = pathlib.PurePosixPath(file)
    stem, _, number = path.stem.rpartition(".")
    if stem and number.isascii() and number.isdecimal() and number == str(int(number)):
        return str(path.with_name(stem + path.suffix)), int(number)
    return file, 0
