"""Reading and writing tables of text, and CSV files.

What is written is UTF-8, atomically, and numbers are exact: `float(cell)` is equal. Text that a
spreadsheet would compute as a formula gets a leading apostrophe, which reading takes off.

What is read may be UTF-8 or UTF-16 with a byte order mark, UTF-8 without, or of one byte a
character, as spreadsheets and old file systems have it. Bytes that are not UTF-8 become surrogates,
as in the names of files that Python lists, so that names can be found and written again.
"""

import codecs
import csv
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from research.files import atomic_write, expand

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# What Excel, LibreOffice and others take for a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


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
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerows([_defuse(cell) for cell in row] for row in rows)


def _defuse(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _restore(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def read_text(path: str | os.PathLike) -> str:
    """The text of a file; bytes that are not UTF-8 are surrogates, see `as_text`.

    Raises:
      OSError: the file cannot be read.
      UnicodeError: it is no text.
    """
    content = expand(path).read_bytes()
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    text = content[len(mark) :].decode(_MARKS.get(mark, "utf-8"), "surrogateescape")
    if "\0" in text:
        raise UnicodeError("it is no text")
    return text


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of `read_text`, without their ends; raises the same."""
    return io.StringIO(read_text(path), newline=None).read().split("\n")


def as_text(text: str) -> str:
    """Text in which bytes that are not UTF-8 are read as Windows-1252, or else Latin-1."""
    content = text.encode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            pass
    return content.decode("latin-1")


def read_rows(path: str | os.PathLike) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and cells of each row of a CSV file, without empty rows.

    Cells are separated by commas, or by the semicolons or tabs of which the first line has more. If
    not by commas, decimal commas in numbers become points.

    Raises:
      OSError: the file cannot be read.
      UnicodeError: it is no text.
      csv.Error: it is no table.
    """
    text = read_text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for cells in reader:
        if delimiter != ",":
            cells = [re.sub(r"^(-?\d+),(\d+(?:[eE][+-]?\d+)?)$", r"\1.\2", cell) for cell in cells]
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [_restore(cell) for cell in cells]


def split_cells(line: str) -> list[str]:
    """Cells of a line, separated by tabs, or by semicolons if it has no tab, without blanks around.

    A cell may be in quotes, and quotes inside it doubled, as spreadsheets write it.
    """
    delimiter = "\t" if "\t" in line else ";"
    return [_restore(cell.strip()) for cell in next(csv.reader([line], delimiter=delimiter), [])]
