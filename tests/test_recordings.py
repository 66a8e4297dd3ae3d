"""The recordings of a finished transfer."""

import json
import pathlib

import numpy as np
import pytest
import soundfile

from research.audio.waveform import load_waveform
from research.errors import InputError
from research.transfer.recordings import load_recordings

RATE = 8000


@pytest.fixture
def transfer(tmp_path) -> pathlib.Path:
    """What run_transfer.py leaves, as far as it is read."""
    folder = tmp_path / "transfer"
    folder.mkdir()
    for name, pitch in (("content", 300.0), ("style", 1800.0), ("output", 900.0)):
        soundfile.write(folder / f"{name}.wav", np.sin(pitch * np.arange(RATE) / RATE), RATE)
    name_recordings(folder, str(folder / "content.wav"), str(folder / "style.wav"))
    return folder


def name_recordings(folder: pathlib.Path, content: str, style: str) -> None:
    (folder / "metrics.json").write_text(json.dumps({"content": content, "style": style}))


def test_recordings_come_in_the_order_of_the_transfer(transfer):
    recordings = load_recordings(str(transfer))
    assert list(recordings) == ["content", "style", "output"]
    for name, recording in recordings.items():
        stored = load_waveform(transfer / f"{name}.wav")
        np.testing.assert_array_equal(recording.samples, stored.samples)


@pytest.mark.parametrize("style", ["{0}/kept.npz", "{0}", "{0}/style.wav:0.7,{0}/output.wav:0.3"])
def test_a_style_that_is_not_one_file_is_left_out(transfer, style):
    (transfer / "kept.npz").touch()
    style = style.format(transfer)
    name_recordings(transfer, str(transfer / "content.wav"), style)
    with pytest.warns(UserWarning, match="is not one audio file") as warned:
        assert list(load_recordings(str(transfer))) == ["content", "output"]
    assert style in str(warned[0].message)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "metrics.json").unlink(), ["metrics.json", "--workdir"]),
        (lambda folder: (folder / "metrics.json").write_text("[]"), ["no keys in it"]),
        (lambda folder: name_recordings(folder, "", "s.wav"), ["no content in it"]),
        (lambda folder: (folder / "output.wav").unlink(), ["output.wav does not exist"]),
        (lambda folder: (folder / "content.wav").unlink(), ["content.wav does not exist"]),
        (lambda folder: (folder / "style.wav").unlink(), ["style.wav does not exist"]),
        (lambda folder: (folder / "style.wav").write_text("?"), ["style.wav"]),
    ],
)
def test_what_is_no_transfer_is_refused_in_one_line(transfer, spoil, words):
    spoil(transfer)
    with pytest.raises(InputError) as error:
        load_recordings(str(transfer))
    message = str(error.value)
    assert message.startswith(f"--transfer {transfer}")
    assert "\n" not in message
    assert all(word in message for word in words), message
