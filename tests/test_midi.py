"""The sound of MIDI: what must be installed."""

import pytest

from research.audio import midi
from research.errors import InputError

PACKAGES = ("music21", "pretty_midi")


def test_all_that_is_missing_is_in_one_line(monkeypatch, tmp_path):
    font = tmp_path / "font.sf2"
    font.touch()
    monkeypatch.setattr(midi.importlib.util, "find_spec", lambda name: name == "music21")
    monkeypatch.setattr(midi.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(InputError) as caught:
        midi.check_tools(PACKAGES, (str(font), str(font)))
    assert str(caught.value) == (
        "rendering needs pretty_midi, not found here; .venv/bin/pip install -r "
        "research/benchmarks/known_truth/requirements.txt"
    )
    monkeypatch.setattr(midi.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"needs pretty_midi, fluidsynth, /no/font.sf2, not .*apt"):
        midi.check_tools(PACKAGES, (str(font), "/no/font.sf2"))
    monkeypatch.setattr(midi.importlib.util, "find_spec", lambda name: True)
    with pytest.raises(InputError, match=r"needs fluidsynth, not found here; apt-get install"):
        midi.check_tools(PACKAGES, (str(font), str(font)))
    monkeypatch.setattr(midi.shutil, "which", lambda name: f"/usr/bin/{name}")
    midi.check_tools(PACKAGES, (str(font), str(font)))
