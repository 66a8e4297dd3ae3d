"""CSV files: their bytes, exact numbers, and what is left when writing fails."""

import csv
import os
import re

import hypothesis
import hypothesis.strategies as st
import pytest

from research.errors import InputError
from research.tables import (
    as_text,
    read_lines,
    read_rows,
    save_records,
    save_table,
    split_cells,
)


def test_a_table_has_a_header_rows_and_plain_line_ends(tmp_path):
    save_table(tmp_path / "t.csv", ("a", "b"), [[1, 0.1], ("x,y", None), ['"ü"', True]])
    assert (tmp_path / "t.csv").read_bytes() == 'a,b\n1,0.1\n"x,y",\n"""ü""",True\n'.encode()
    save_table(tmp_path / "t.csv", iter("ab"), iter([]))
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_records_have_a_column_for_every_key(tmp_path):
    save_records(tmp_path / "t.csv", [{"a": 1, "b": 2}, {"b": 3, "c": "x,y"}, {"a": None}])
    assert (tmp_path / "t.csv").read_bytes() == b'a,b,c\r\n1,2,\r\n,3,"x,y"\r\n,,\r\n'


def test_names_that_are_no_text_keep_their_bytes(tmp_path):
    name = b"caf\xe9.wav".decode(errors="surrogateescape")
    save_table(tmp_path / "t.csv", ["name"], [[name]])
    assert (tmp_path / "t.csv").read_bytes() == b"name\ncaf\xe9.wav\n"
    save_records(tmp_path / "t.csv", [{"name": name}])
    assert (tmp_path / "t.csv").read_bytes() == b"name\r\ncaf\xe9.wav\r\n"


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(rows=st.lists(st.tuples(st.text(), st.floats(allow_nan=False)), max_size=4))
def test_text_and_numbers_come_back(rows, tmp_path):
    rows = [(text.replace("\r", "").replace("\0", ""), number) for text, number in rows]
    save_table(tmp_path / "t.csv", ("text", "number"), rows)
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    rows = [("'" * (re.match(r"'*[=+@\t-]", text) is not None) + text, n) for text, n in rows]
    assert found[0] == ["text", "number"]
    assert [(text, float(number)) for text, number in found[1:]] == rows


def test_a_failure_leaves_the_table_of_before(tmp_path):
    save_table(tmp_path / "t.csv", ["a"], [[1]])

    def rows():
        yield [2]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        save_table(tmp_path / "t.csv", ["a"], rows())
    assert (tmp_path / "t.csv").read_bytes() == b"a\n1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    with pytest.raises(InputError, match=r"nowhere/t\.csv cannot be written"):
        save_table(tmp_path / "nowhere" / "t.csv", ["a"], [[1]])


@pytest.mark.parametrize("text", ["=1+1", "+x", "-song.wav", "@me", "\tx", "'=x", "''@"])
def test_text_that_would_be_a_formula_is_written_as_text_and_read_as_it_was(tmp_path, text):
    save_table(tmp_path / "t.csv", ["a", "b", "c"], [[text, -1.5, 1], ["'cause", -2, "a=b"]])
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == [f"'{text}", "-1.5", "1"]
    assert rows[2] == ["'cause", "-2", "a=b"]
    assert [cells for _, cells in read_rows(tmp_path / "t.csv")][1] == [text, "-1.5", "1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_spreadsheets_are_read(tmp_path, encoding, ends, delimiter):
    lines = ["name", "number"], ["café", "0.5"], ["", ""], ['"a ""b"""', "-1e-5"]
    text = ends.join(delimiter.join(cells) for cells in lines)
    if delimiter == ";":
        text = text.replace("0.5", "0,5")
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    rows = [[as_text(cell) for cell in cells] for _, cells in read_rows(tmp_path / "t.csv")]
    assert rows == [["name", "number"], ["café", "0.5"], ['a "b"', "-1e-5"]]
    assert [number for number, _ in read_rows(tmp_path / "t.csv")] == [1, 2, 4]


def test_bytes_that_are_no_text_are_told_and_others_are_kept(tmp_path):
    (tmp_path / "t").write_bytes(b"caf\xe9\r\nb\x81\rc")
    lines = read_lines(tmp_path / "t")
    assert [os.fsencode(line) for line in lines] == [b"caf\xe9", b"b\x81", b"c"]
    assert [as_text(line) for line in lines] == ["café", "b\x81", "c"]
    (tmp_path / "t").write_bytes(b"RIFF\0\0")
    with pytest.raises(UnicodeError, match="no text"):
        read_lines(tmp_path / "t")


def test_cells_of_a_line():
    assert split_cells("a.wav\t b;c.wav ") == ["a.wav", "b;c.wav"]
    assert split_cells('"a ""b"".wav";c,d.wav') == ['a "b".wav', "c,d.wav"]
    assert split_cells("a.wav") == ["a.wav"]
    assert split_cells("'=a.wav\t'b.wav") == ["=a.wav", "'b.wav"]
