"""Rows of a table of descriptors, put together by track."""

import collections
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from research.audio.find import is_hidden
from research.data.descriptor_tables import load_descriptors
from research.data.descriptors import FEATURES, SAMPLE_RATE, SLICE_SECONDS
from research.data.front_ends.base import FrontEnd
from research.data.tracks import Collection, Track
from research.errors import InputError

# Longer rows are of whole tracks, whatever their names. In samples.
_LONGEST_SLICE = 2 * SLICE_SECONDS * SAMPLE_RATE


@dataclasses.dataclass(frozen=True)
class DescriptorConfig(FrontEnd):
    """The 57 descriptors of a track or slice: a frame is a row of a table, a segment one frame."""

    name: ClassVar[str] = "descriptors"
    family: ClassVar[str] = "descriptors"
    dtype: ClassVar[type] = np.float32  # Some variances are in millions.
    augmentations: ClassVar[tuple[str, ...]] = ("crop", "mixup")

    @property
    def num_bins(self) -> int:
        """Descriptors in a row."""
        return len(FEATURES)

    @property
    def frame_seconds(self) -> float:
        """Time from a slice to the next, s."""
        return float(SLICE_SECONDS)

    def num_frames(self, seconds: float) -> int:
        """1, whatever the duration."""
        return 1

    def load_tracks(
        self,
        root: str,
        cache_folder: str | os.PathLike | None = None,
        *,
        max_bad_share: float = 0.0,
        min_frames: int = 1,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Collection, "DescriptorTracks"]:
        """The tracks of a table and their rows; only `root` is used.

        Raises:
          InputError: see `find_table` and `rows_by_track`.
        """
        path = find_table(root, "config.data.root")
        by_track = rows_by_track(path)
        genres = sorted({genre for genre, _ in by_track})
        tracks, rows = [], {}
        for (genre, file), values in sorted(by_track.items()):
            digest = hashlib.blake2b(b"descriptors" + values.tobytes(), digest_size=16).hexdigest()
            rows[digest] = values
            tracks.append(Track(f"{genre}/{file}", genres.index(genre), digest, len(values)))
        return Collection(str(root), tuple(genres), tuple(tracks), {}), DescriptorTracks(rows)

    def accepts(self, file: pathlib.Path) -> bool:
        """True of CSV files."""
        return file.suffix.lower() == ".csv"

    def find_inputs(self, path: str, flag: str) -> list[pathlib.Path]:
        """The one table; see `find_table`."""
        return [find_table(path, flag)]

    def read_inputs(
        self, files: list[pathlib.Path]
    ) -> Iterator[tuple[pathlib.Path | str, np.ndarray | InputError]]:
        """`genre/file` and rows `[rows, 57]` of each track of the tables.

        Raises:
          InputError: see `rows_by_track`.
        """
        for file in files:
            for track, rows in rows_by_track(file).items():
                yield "/".join(track), rows


@dataclasses.dataclass(frozen=True)
class DescriptorTracks:
    """The rows of all tracks in memory; a `FrameStore`.

    Attributes:
      rows: of each track by its digest, `[rows, 57]` float32.
    """

    rows: dict[str, np.ndarray]
    num_bins: int = len(FEATURES)
    dtype: type = DescriptorConfig.dtype

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Copy the rows from `start` on into `out`, `[rows, 57]` float32."""
        out[...] = self.rows[digest][start : start + len(out)]


def find_table(path: str | os.PathLike, flag: str) -> pathlib.Path:
    """The CSV file, or the only one in a folder.

    Args:
      path: of a file, which may have any name, or of a folder.
      flag: that gave the path, for messages: `--input`.

    Raises:
      InputError: there is no such file, or the folder holds several.
    """
    start = os.path.expanduser(path)
    hint = "give a CSV file of descriptors, such as --mode=describe writes"
    if not os.path.exists(start):
        raise InputError(f"{flag} {path} does not exist; {hint}")
    start = pathlib.Path(start)
    if not start.is_dir():
        return start
    files = (file for file in start.iterdir() if not is_hidden(file.name))
    found = sorted(file for file in files if file.suffix.lower() == ".csv")
    if not found:
        raise InputError(f"{flag} {path} holds no CSV file; {hint}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise InputError(f"{flag} {path} holds {len(found)} tables ({names}); give one of them")
    return found[0]


def rows_by_track(path: pathlib.Path) -> dict[tuple[str, str], np.ndarray]:
    """The rows of each track of a table, `[rows, 57]` float32, slices in their order.

    A track is a pair of genre and file name. A row of at most 6 s whose file name ends in a number
    without leading zeros, such as `blues.00000.7.wav`, is a slice of the track `blues.00000.wav`.

    Raises:
      InputError: see `load_descriptors`; or two rows have one name, or a value is too large.
    """
    table = load_descriptors(path)
    for row, column in np.argwhere(np.abs(table.features) > np.finfo(np.float32).max):
        raise InputError(
            f"{path} ({table.names[row]}): column {FEATURES[column]} is "
            f"{table.features[row, column]:g}, too large; fix it or take the row out"
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
    """File name of the track of a slice, and its number; 0 and the name itself of other files."""
    path = pathlib.PurePosixPath(file)
    # A slice of a file without a suffix ends with its number.
    suffix = "" if path.suffix[1:].isdecimal() else path.suffix
    stem, _, number = path.name.removesuffix(suffix).rpartition(".")
    if stem and number.isascii() and number.isdecimal() and number == str(int(number)):
        return str(path.with_name(stem + suffix)), int(number)
    return file, 0
