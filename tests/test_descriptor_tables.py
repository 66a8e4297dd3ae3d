"""Tables of descriptors as CSV files."""

import csv

import numpy as np
import pytest

from research.data.descriptor_tables import (
    COLUMNS,
    DescriptorTable,
    load_descriptors,
    save_descriptors,
    tables,
)
from research.data.descriptors import FEATURES
from research.errors import InputError


def test_the_columns_are_the_published_ones_in_their_order():
    assert len(COLUMNS) == 60
    assert len(FEATURES) == 57 == len(set(FEATURES))
    assert COLUMNS[:4] == ("filename", "length", "chroma_stft_mean", "chroma_stft_var")
    assert COLUMNS[12:20] == (
        "zero_crossing_rate_mean",
        "zero_crossing_rate_var",
        "harmony_mean",
        "harmony_var",
        "perceptr_mean",
        "perceptr_var",
        "tempo",
        "mfcc1_mean",
    )
    assert COLUMNS[-3:] == ("mfcc20_mean", "mfcc20_var", "label")


@pytest.fixture
def table() -> DescriptorTable:
    random = np.random.default_rng(0)
    tracks = [
        ("blues/blues.00000.wav", random.standard_normal((3, 58)) / 3),
        ("rock/a, b/ü.au", random.standard_normal((2, 58)) * 1e9),
    ]
    for _, rows in tracks:
        rows[:, 0] = 66149
    whole, slices = tables(tracks)
    assert whole.names == ("blues.00000.wav", "a, b/ü.au")
    assert slices.names == ("blues.00000.0.wav", "blues.00000.1.wav", "a, b/ü.0.au")
    assert slices.labels == ("blues", "blues", "rock")
    np.testing.assert_array_equal(slices.features[2], tracks[1][1][1, 1:])
    return slices


def test_a_table_is_read_as_it_was_written(table, tmp_path):
    path = tmp_path / "table.csv"
    save_descriptors(path, table)
    again = load_descriptors(path)
    assert (again.names, again.labels) == (table.names, table.labels)
    np.testing.assert_array_equal(again.lengths, table.lengths)
    np.testing.assert_array_equal(again.features, table.features)
    before = path.read_bytes()
    save_descriptors(path, again)
    assert path.read_bytes() == before
    path.write_bytes(b"\xef\xbb\xbf" + before.replace(b"\n", b"\r\n") + b"\r\n")
    np.testing.assert_array_equal(load_descriptors(path).features, table.features)


def change_row(column: str, cell: str):
    def change(rows):
        rows[2][COLUMNS.index(column)] = cell

    return change


def take_out(rows):
    for row in rows:
        del row[COLUMNS.index("tempo")]


def swap(rows):
    for row in rows:
        row[4], row[5] = row[5], row[4]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (take_out, ["lacks the column tempo"]),
        (swap, ["'rms_var' as column 5", "not rms_mean"]),
        (lambda rows: [row.append("0") for row in rows], ["column '0' too many"]),
        (lambda rows: rows.clear(), ["lacks the column filename"]),
        (lambda rows: rows.__delitem__(slice(1, None)), ["no rows"]),
        (lambda rows: rows[2].pop(), ["line 3", "59 columns, not 60"]),
        (change_row("tempo", "nan"), ["line 3", "blues.00000.1.wav", "tempo", "'nan'"]),
        (change_row("mfcc3_var", ""), ["line 3", "mfcc3_var", "''"]),
        (change_row("rms_mean", "0,5"), ["line 3", "rms_mean", "'0,5'"]),
        (change_row("length", "inf"), ["line 3", "length", "'inf'"]),
        (change_row("label", " "), ["line 3", "label is empty"]),
        (change_row("filename", ""), ["line 3", "filename is empty"]),
    ],
)
def test_a_bad_table_is_refused_in_one_line(table, tmp_path, change, words):
    path = tmp_path / "table.csv"
    save_descriptors(path, table)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(InputError) as error:
        load_descriptors(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in [str(path), ";", *words]), message


@pytest.mark.parametrize("content", [None, b'"' + bytes(200000), "folder"])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, content):
    path = tmp_path / "table.csv"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.csv [^\n]*; give"):
        load_descriptors(path)


def test_labels_are_clean_and_names_keep_their_bytes(tmp_path):
    rows = zip(
        ("blues", " blues ", "hip  hop", "m\udcfasica"), ("a", "b ", "=c", "d\udce9"), strict=True
    )
    table = [f"{name}.wav,9,{','.join(57 * ['1'])},{label}" for label, name in rows]
    path = tmp_path / "table.csv"
    text = "\n".join([",".join(COLUMNS), *table])
    path.write_text(text, errors="surrogateescape")
    found = load_descriptors(path)
    assert found.labels == ("blues", "blues", "hip hop", "música")
    assert found.names == ("a.wav", "b .wav", "=c.wav", "d\udce9.wav")
    save_descriptors(path, found)
    assert load_descriptors(path).names == found.names
    path.write_text(text.replace("blues ", "Blues "), errors="surrogateescape")
    with pytest.raises(InputError, match=r"table\.csv has the genres 'Blues' and 'blues', which"):
        load_descriptors(path)


def test_a_table_with_semicolons_and_decimal_commas_is_read(table, tmp_path):
    path = tmp_path / "table.csv"
    save_descriptors(path, table)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="", encoding="utf-16") as file:
        cells = ([row[0], *(cell.replace(".", ",") for cell in row[1:])] for row in rows)
        csv.writer(file, delimiter=";").writerows(cells)
    found = load_descriptors(path)
    np.testing.assert_array_equal(found.features, table.features)
    assert found.names == table.names
