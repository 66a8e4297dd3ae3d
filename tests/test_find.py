"""Audio by the names of files and folders."""

import os
import pathlib

import pytest

from research.audio.find import check_link, find_audio, is_hidden, list_files
from research.errors import InputError

RECORDINGS = """
    wav WAV wave mp3 mpga mp2 oga ogg opus flac aif aiff aifc au snd w64 caf rf64 m4a mp4 aac wma
    webm mka
"""
OTHERS = "asd cue log m3u m3u8 pls xspf nfo ini db txt jpg pdf mid dvc part bak"


def touch(root: pathlib.Path, *names: str) -> pathlib.Path:
    for name in names:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).touch()
    return root


def names_under(root: pathlib.Path, files: list[pathlib.Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in files]


def test_a_folder_is_all_audio_under_it(tmp_path):
    audio = ["...Baby One More Time.mp3", "b.wav", "jazz/a.mp3", "jazz/deep/c.FLAC"]
    others = ["cover.png", "notes.txt", "saved.npz", ".hidden.wav", ".trash/d.wav", "._b.wav"]
    touch(tmp_path, *audio, *others)
    assert names_under(tmp_path, find_audio(str(tmp_path), "--style")) == audio
    assert find_audio(tmp_path / "saved.npz", "--style") == [tmp_path / "saved.npz"]
    assert find_audio(tmp_path / ".trash", "--style") == [tmp_path / ".trash" / "d.wav"]


@pytest.mark.parametrize(
    "suffix",
    RECORDINGS.split(),
)
def test_recordings_have_many_suffixes(tmp_path, suffix):
    touch(tmp_path, f"01. a song.{suffix}")
    assert len(find_audio(tmp_path, "--content")) == 1


@pytest.mark.parametrize(
    "suffix",
    OTHERS.split(),
)
def test_what_lies_beside_recordings_is_not_audio(tmp_path, suffix):
    touch(tmp_path, "a.wav", f"a.wav.{suffix}", f"b.{suffix}")
    assert names_under(tmp_path, find_audio(tmp_path, "--content")) == ["a.wav"]


@pytest.mark.parametrize("name", ["song", "01. a song", "blues.00000"])
@pytest.mark.parametrize(
    ("start", "audio"),
    [
        (b"RIFF\x24\0\0\0WAVE", True),
        (b"fLaC\0\0\0\x22", True),
        (b"OggS\0\x02", True),
        (b"ID3\x04\0\0", True),
        (b"\xff\xfb\x90\x64", True),
        (b"\0\0\0\x20ftypM4A ", True),
        (b"", False),
        (b"These are words.", False),
        (b"\xff\xfeT\0h\0", False),
    ],
)
def test_without_a_suffix_the_first_bytes_decide(tmp_path, name, start, audio):
    touch(tmp_path, "a.wav")
    (tmp_path / name).write_bytes(start)
    assert (len(find_audio(tmp_path, "--input")) == 2) == audio


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        (".DS_Store", True),
        ("._x", True),
        (".wav", True),
        ("..x.mp3", False),
        ("...Baby One More Time.mp3", False),
        ("x.wav", False),
        ("@eaDir", True),
        ("__MACOSX", True),
        ("#recycle", True),
        ("$RECYCLE.BIN", True),
        ("System Volume Information", True),
        ("lost+found", True),
    ],
)
def test_what_users_do_not_see_is_hidden(tmp_path, name, hidden):
    assert is_hidden(name) == hidden
    touch(tmp_path, f"{name}/a.wav", "b/c.wav")
    assert len(list_files(tmp_path)) == 2 - hidden


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    root = touch(tmp_path / "root", "a/1.wav", "b/2.wav")
    touch(tmp_path, "elsewhere/deep/3.wav")
    (root / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "again").symlink_to(root / "a")
    (root / "b" / "up").symlink_to(root)
    (root / "b" / "far up").symlink_to(tmp_path)
    (tmp_path / "elsewhere" / "deep" / "back").symlink_to(root / "a")
    assert names_under(root, list_files(root)) == ["a/1.wav", "a/more/deep/3.wav", "b/2.wav"]
    # A genre that links to its parent does not hold the other genres.
    assert names_under(root / "b", list_files(root / "b")) == ["2.wav"]
    (tmp_path / "link").symlink_to(root)
    assert len(list_files(tmp_path / "link")) == 3


def test_links_that_lead_nowhere_are_listed_and_told(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / "b.wav").symlink_to("gone.wav")
    (tmp_path / "c.txt").symlink_to("gone.txt")
    (tmp_path / "d").symlink_to("gone")
    assert names_under(tmp_path, find_audio(tmp_path, "--input")) == ["a.wav", "b.wav", "d"]
    words = f"^{tmp_path}/b.wav is a link to gone.wav, which does not exist; fetch it"
    with pytest.raises(InputError, match=words):
        check_link(tmp_path / "b.wav")
    with pytest.raises(InputError, match=words):
        find_audio(tmp_path / "b.wav", "--input")
    check_link(tmp_path / "a.wav")
    check_link(tmp_path / "none.wav")


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.wav", "b/2.wav")
    scandir = os.scandir

    def refuse(path):
        if pathlib.Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=rf"^{tmp_path}/b cannot be read \(Permission denied\); "):
        find_audio(tmp_path, "--input")


def test_where_no_audio_is_is_told_in_one_line(tmp_path):
    (tmp_path / "cover.png").touch()
    (tmp_path / "saved.npz").touch()
    with pytest.raises(InputError, match=f"^--style {tmp_path} holds no audio; give"):
        find_audio(tmp_path, "--style")
    with pytest.raises(InputError, match=f"^--input {tmp_path}/none does not exist; give"):
        find_audio(tmp_path / "none", "--input")
