"""Which contents meet which styles."""

import pathlib

import pytest

from research.errors import InputError
from research.transfer.pairs import find_pairs, load_pairs


@pytest.fixture
def inside(tmp_path, monkeypatch) -> pathlib.Path:
    """A folder of audio, by name, to work in."""
    for name in ("a.wav", "b.wav", "c,d.wav", "e.npz", "songs/x.mp3", "songs/y.ogg", "songs/t.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("content", "style", "contents", "styles"),
    [
        ("a.wav", "b.wav", ["a.wav"], ["b.wav"]),
        ("a.wav,b.wav", "e.npz", ["a.wav", "b.wav"], ["e.npz"]),
        ("songs", "a.wav, b.wav", ["songs/x.mp3", "songs/y.ogg"], ["a.wav", "b.wav"]),
        ("a.wav", "songs,e.npz", ["a.wav"], ["songs/x.mp3", "songs/y.ogg", "e.npz"]),
        ("c,d.wav", "c,d.wav", ["c,d.wav"], ["c,d.wav"]),
        ("a.wav,b.wav", "a.wav:0.7,songs:0.3", ["a.wav", "b.wav"], ["a.wav:0.7,songs:0.3"]),
        ("a.wav", "songs:1", ["a.wav"], ["songs:1"]),
    ],
)
def test_every_content_meets_every_style(content, style, contents, styles):
    expected = [(one, other) for one in contents for other in styles]
    assert find_pairs(content, style) == expected


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("content", "style", "message"),
    [
        ("none.wav", "a.wav", "--content none.wav does not exist"),
        ("a.wav,none.wav", "a.wav", "--content none.wav does not exist"),
        ("a.wav,", "a.wav", "--content 'a.wav,' has an empty part"),
        ("a.wav", "a.wav,none", "--style none does not exist"),
    ],
)
def test_what_is_not_there_is_told(content, style, message):
    with pytest.raises(InputError, match=f"^{message}"):
        find_pairs(content, style)


def test_a_table_is_read_from_its_own_folder(inside, monkeypatch):
    table = inside / "pairs.tsv"
    table.write_text("content\tstyle\na.wav\tb.wav\n\nsongs/x.mp3\tc,d.wav\n")
    monkeypatch.chdir("/")
    assert load_pairs(table) == [
        (str(inside / "a.wav"), str(inside / "b.wav")),
        (str(inside / "songs/x.mp3"), str(inside / "c,d.wav")),
    ]
    mix = f"{inside}/a.wav:0.5,{inside}/b.wav:0.5"
    table.write_text("# mine\n a.wav \ta.wav:0.5, b.wav:0.5\t\r\n  \n", encoding="utf-8-sig")
    assert load_pairs(table) == [(f"{inside}/a.wav", mix)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no pairs"),
        ("content\tstyle\n", "holds no pairs"),
        ("Content\tStyle\na.wav b.wav\n", "line 2: give a content and a style"),
        ("a.wav\tb.wav\na.wav\tb.wav\tc\n", "line 2: give a content and a style"),
        ("a.wav\t\n", "line 1: give a content and a style"),
        ("a.wav\tb.wav:0.5,none.wav:0.5\n", "line 1: .*none.wav does not exist"),
        ("a.wav\tnone.wav\n", "line 1: .*none.wav does not exist"),
        ("a.wav\tsongs\n", "line 1: .*songs is a folder; give a file"),
        ("a.wav\tb.wav:0.5,songs:0.5\n", "line 1: .*songs is a folder; give a file"),
        ("a.wav\ta.wav,b.wav\n", "line 1: a.wav,b.wav is several styles"),
        ("a.wav\ta.wav:0.7,b.wav:0.2\n", "line 1: the weights of the style sum to 0.9"),
    ],
)
def test_a_bad_table_is_told_with_its_line(inside, text, message):
    (inside / "pairs.tsv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_pairs(inside / "pairs.tsv")
    assert str(inside / "pairs.tsv") in str(error.value)
    with pytest.raises(InputError, match="cannot be read"):
        load_pairs(inside / "none.tsv")


@pytest.mark.parametrize(
    "content",
    [
        b'"a ""b"".wav";c\xc3\xa9.wav\n',
        b'content;style\r\n"a ""b"".wav";c\xe9.wav\r\n',
        'content\tstyle\n"a ""b"".wav"\tcé.wav\n'.encode("utf-16"),
    ],
)
def test_a_table_of_a_spreadsheet_is_read(tmp_path, content):
    for name in ('a "b".wav', "cé.wav"):
        (tmp_path / name).touch()
    (tmp_path / "pairs.csv").write_bytes(content)
    assert load_pairs(tmp_path / "pairs.csv") == [
        (str(tmp_path / 'a "b".wav'), str(tmp_path / "cé.wav"))
    ]


def test_files_whose_names_are_not_utf8_are_found(tmp_path):
    (tmp_path / "c\udce9.wav").touch()
    (tmp_path / "pairs.tsv").write_bytes(b"c\xe9.wav\tc\xe9.wav\n")
    assert load_pairs(tmp_path / "pairs.tsv") == [2 * (str(tmp_path / "c\udce9.wav"),)]
