"""Audio by the names of files and folders."""

import pytest

from research.audio.find import find_audio
from research.errors import InputError


def test_a_folder_is_all_audio_under_it(tmp_path):
    audio = ["b.wav", "jazz/a.mp3", "jazz/deep/c.FLAC", "no_suffix"]
    others = ["cover.png", "notes.txt", "saved.npz", ".hidden.wav", ".trash/d.wav"]
    for name in audio + others:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = find_audio(str(tmp_path), "--style")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == audio
    assert find_audio(tmp_path / "saved.npz", "--style") == [tmp_path / "saved.npz"]
    assert find_audio(tmp_path / ".trash", "--style") == [tmp_path / ".trash" / "d.wav"]


def test_where_no_audio_is_is_told_in_one_line(tmp_path):
    (tmp_path / "cover.png").touch()
    (tmp_path / "saved.npz").touch()
    with pytest.raises(InputError, match=f"^--style {tmp_path} holds no audio; give"):
        find_audio(tmp_path, "--style")
    with pytest.raises(InputError, match=f"^--input {tmp_path}/none does not exist; give"):
        find_audio(tmp_path / "none", "--input")
