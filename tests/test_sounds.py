"""The recordings of the page: received, found again, never removed."""

import numpy as np
import pytest
import soundfile
from conftest import CLIPS

from research.app import sounds
from research.app.sounds import Sounds, Upload, harmless
from research.audio.waveform import load_waveform


def test_recordings_of_before_are_found_again_and_nothing_is_removed(tmp_path):
    known, silent, left, empty = (f"{number:012x}" for number in range(4))
    for name, samples in ((known, 0.1 * np.sin(np.arange(22050))), (silent, np.zeros(9))):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "song.wav", samples, 22050)
    (tmp_path / known / ".DS_Store").write_text("of a file manager")
    album = tmp_path / "My album"  # Of somebody who has a folder of this name.
    album.mkdir()
    (album / "cover.jpg").write_text("an image")
    for name in (left, empty):  # Of processes that were killed while they received.
        (tmp_path / name).mkdir()
    (tmp_path / left / ".part").write_text("half a so")
    with pytest.warns(UserWarning, match=rf"left out: .*{silent}.song.wav"):
        found = Sounds(tmp_path).summary()
    assert [sound["id"] for sound in found] == ["piano", "band", known]
    assert found[-1] == {"id": known, "name": "song.wav", "seconds": 1.0}
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        f"{known}/song.wav",
        f"{known}/.DS_Store",
        f"{silent}/song.wav",
        "My album/cover.jpg",
    }
    assert not (tmp_path / left).exists() and not (tmp_path / empty).exists()


def test_what_was_received_is_found_without_decoding_it(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(22050)), 22050)
    upload = Upload(tmp_path / "sounds", "../Café, Björk: ไทย.wav", 10**6)
    assert upload.name == "_Café_ Björk_ ไทย.wav"
    upload.write((tmp_path / "a.wav").read_bytes())
    sound = upload.finish()
    monkeypatch.setattr(sounds, "load_waveform", lambda path: load_waveform(CLIPS / "band.ogg"))
    [found] = Sounds(tmp_path / "sounds").summary()[2:]
    assert found == sound.summary() and found["seconds"] == 1.0


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a,b:c.wav", "a_b_c.wav"),
        ("..", "sound"),
        ("Cafe\u0301.mp3", "Café.mp3"),
        ("हिन्दी.wav", "हिन्दी.wav"),
        ("a\nb<i>.wav", "a_b_i_.wav"),
        ("𝄞" * 90 + ".wav", "_.wav"),
        ("語" * 90 + ".wav", "語" * 65 + ".wav"),
    ],
)
def test_names_are_harmless_in_any_script(name, kept):
    assert harmless(name) == kept
    assert len(harmless(name).encode()) <= 200
