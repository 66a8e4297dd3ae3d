"""CSV files: their bytes, exact numbers, and what is left when writing fails."""

import csv

import hypothesis
import hypothesis.strategies as st
import pytest

from research.errors import InputError
from research.tables import save_records, save_table


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
