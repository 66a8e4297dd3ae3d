"""Writing CSV files, atomically. Text is UTF-8, and numbers are exact: `float(cell)` is equal."""

import csv
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from research.files import atomic_write


def save_table(path: str | os.PathLike, columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    """Write a header and rows as CSV.

    Raises:
      InputError: the file cannot be written.
    """
    _save(path, itertools.chain([columns], rows), "\n")


def save_records(path: str | os.PathLike, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records as CSV with lines that end in CR LF (RFC 4180).

    There is a column for each key of any record, in order of first use. The cells of missing keys
    are empty.

    Raises:
      InputError: the file cannot be written.
    """
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = ([record.get(key) for key in columns] for record in records)
    _save(path, itertools.chain([columns], rows), "\r\n")


def _save(path: str | os.PathLike, rows: Iterable[Iterable], line_end: str) -> None:
    with (
        atomic_write(path) as temporary,
        # Names of files need not be text: bytes that are not UTF-8 are written as they were.
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        csv.writer(file, lineterminator=line_end).writerows(rows)
