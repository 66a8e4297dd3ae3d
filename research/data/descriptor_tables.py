"""Tables of descriptors as CSV files, in the format of GTZAN's feature tables.

A table has 60 columns: file name, length in samples, 57 descriptors, genre. GTZAN has two of them:
one of whole tracks, one of slices of 3 s.
"""

import csv
import dataclasses
import math
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from research.data.descriptors import FEATURES
from research.data.labels import check_different, clean_label
from research.errors import InputError
from research.files import expand
from research.tables import read_rows, save_table

COLUMNS = ("filename", "length", *FEATURES, "label")


@dataclasses.dataclass(frozen=True)
class DescriptorTable:
    """Descriptors of tracks, or of slices of them, a row each.

    Attributes:
      names: file names, `[rows]`; a slice has its number before the suffix.
      lengths: samples at 22 050 Hz, `[rows]` int64.
      features: in the order of `FEATURES`, `[rows, 57]` float64.
      labels: genres, `[rows]`.
    """

    names: tuple[str, ...]
    lengths: np.ndarray
    features: np.ndarray
    labels: tuple[str, ...]


def tables(tracks: Iterable[tuple[str, np.ndarray]]) -> tuple[DescriptorTable, DescriptorTable]:
    """The tables of whole tracks and of slices.

    Args:
      tracks: name of each, `genre/file`, and what `describe_track` returned for it.
    """
    whole, slices = [], []
    for name, rows in tracks:
        genre, name = name.split("/", 1)
        path = pathlib.PurePosixPath(name)
        whole.append((name, rows[0], genre))
        for i, row in enumerate(rows[1:]):
            slices.append((str(path.with_name(f"{path.stem}.{i}{path.suffix}")), row, genre))
    return _table(whole), _table(slices)


def _table(rows: list[tuple[str, np.ndarray, str]]) -> DescriptorTable:
    values = np.array([row for _, row, _ in rows]).reshape(len(rows), 1 + len(FEATURES))
    names, labels = (tuple(name for name, _, _ in rows), tuple(label for _, _, label in rows))
    return DescriptorTable(names, values[:, 0].astype(np.int64), values[:, 1:], labels)


def save_descriptors(path: str | os.PathLike, table: DescriptorTable) -> None:
    """Write a table as CSV, atomically; `load_descriptors` reads equal values, to the last bit."""
    columns = table.names, table.lengths.tolist(), table.features.tolist(), table.labels
    rows = zip(*columns, strict=True)
    save_table(path, COLUMNS, ((name, size, *values, label) for name, size, values, label in rows))


def load_descriptors(path: str | os.PathLike) -> DescriptorTable:
    """Read a table, a published one or one of `save_descriptors`, or a copy by a spreadsheet.

    Blanks around names are taken off, and labels are those of `clean_label`.

    Raises:
      InputError: the file cannot be read, has other columns, no rows, a row of another width, a row
        without a name or genre, a value that is not a finite number, or one label in two ways.
    """
    path = expand(path)
    try:
        found = read_rows(path)
        _, header = next(found, (0, []))
        _check_header(path, header)
        rows = [_read_row(f"{path} line {number}", cells) for number, cells in found]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); give a CSV file "
            "of descriptors, such as --mode=describe writes"
        ) from error
    if not rows:
        raise InputError(f"{path} holds no rows under its header; give a table with tracks in it")
    check_different((label for _, _, label in rows), str(path))
    return _table(rows)


def _check_header(path: pathlib.Path, header: list[str]) -> None:
    header = [column.strip() for column in header]
    hint = "give the 60 columns of GTZAN's feature tables in their order"
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]}; {hint}")
    for number, (found, wanted) in enumerate(zip(header, COLUMNS, strict=False), 1):
        if found != wanted:
            raise InputError(f"{path} has {found!r} as column {number}, not {wanted}; {hint}")
    if len(header) > len(COLUMNS):
        raise InputError(f"{path} has the column {header[len(COLUMNS)]!r} too many; {hint}")


def _read_row(place: str, cells: list[str]) -> tuple[str, np.ndarray, str]:
    if len(cells) != len(COLUMNS):
        raise InputError(f"{place} has {len(cells)} columns, not {len(COLUMNS)}; get a whole copy")
    name, label = cells[0].strip(), clean_label(cells[-1])
    for column, cell in (("filename", name), ("label", label)):
        if not cell:
            raise InputError(f"{place}: column {column} is empty; fill it in or take the row out")
    values = []
    for column, cell in zip(COLUMNS[1:-1], cells[1:-1], strict=True):
        try:
            values.append(float(cell))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            raise InputError(
                f"{place} ({name}): column {column} is {cell!r}, no finite number; fix it or take "
                "the row out"
            )
    return name, np.array(values), label
