"""Which takes a run is to make, and what identifies them."""

import dataclasses
import hashlib

import numpy as np
import pytest

from configs.transfer import PRESETS, get_config
from research.audio.waveform import Waveform
from research.audio.writing import save_waveform
from research.errors import InputError
from research.settings import freeze
from research.transfer import memory
from research.transfer.config import TransferConfig
from research.transfer.memory import needed_memory
from research.transfer.plan import check_recordings, identify, input_files, plan
from research.transfer.style_source import make_style_file
from research.transfer.takes import find_takes


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder to work in, of files that are as good as audio here."""
    for name in ("a.wav", "b.wav", "c,d.wav"):
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep_of(*values: float) -> TransferConfig:
    config = get_config("texture")
    config.sweep.style_weight = values or None
    return freeze(TransferConfig, config)


def test_a_single_take_is_in_the_workdir_and_others_in_folders_of_their_own(inside):
    [take] = plan(sweep_of(), [("a.wav", "b.wav")], inside / "w")
    assert (take.folder, take.name, take.settings) == (inside / "w", "output", {})
    assert take.pair == (str(inside / "a.wav"), str(inside / "b.wav"))
    takes = plan(sweep_of(1, 2.5, 1), [("a.wav", "b.wav"), ("b.wav", "a.wav")], inside / "w")
    assert [take.folder.name for take in takes] == ["000", "001", "002", "003"]
    assert [take.name for take in takes[:2]] == ["style_weight=1", "style_weight=2.5"]
    assert not any(take.is_done for take in takes)
    (takes[2].folder).mkdir(parents=True)
    (takes[2].folder / "metrics.json").touch()
    assert [take.is_done for take in takes] == [False, False, True, False]
    assert find_takes(inside / "w") == [takes[2].folder]


def test_a_pair_by_two_names_is_one(inside):
    pairs = [
        ("a.wav", "b.wav"),
        (str(inside / "a.wav"), "./b.wav"),
        ("a.wav", "a.wav:0.5,b.wav:0.5"),
    ]
    takes = plan(sweep_of(), pairs, inside / "w")
    assert [take.style for take in takes] == [str(inside / "b.wav"), "a.wav:0.5,b.wav:0.5"]


def test_files_are_known_by_their_bytes(inside):
    pairs = [("a.wav", "b.wav"), ("a.wav", "a.wav:0.5,b.wav:0.5")]
    takes = plan(sweep_of(1, 2), pairs, inside / "w")
    config = sweep_of(1, 2)
    known = identify(config, takes)
    assert list(known["takes"]) == ["000", "001", "002", "003"]
    assert known["takes"]["001"] == [*takes[1].pair, {"style_weight": 2}]
    digest = hashlib.sha256(b"a.wav").hexdigest()
    assert known["files"][str(inside / "a.wav")] == digest
    (inside / "a.wav").write_text("another")
    assert identify(config, takes)["takes"] == known["takes"]
    assert identify(config, takes)["files"] != known["files"]


def test_files_of_a_folder_in_a_mix_are_inputs(inside):
    (inside / "records").mkdir()
    (inside / "records" / "e.wav").write_text("e")
    takes = plan(sweep_of(), [("a.wav", "records/:0.5,b.wav:0.5")], inside / "w")
    assert [path.name for path in input_files(takes)] == ["a.wav", "e.wav", "b.wav"]
    known = identify(sweep_of(), takes)
    (inside / "records" / "e.wav").write_text("another")
    assert identify(sweep_of(), takes) != known


def test_principal_components_are_known_by_their_bytes(inside):
    (inside / "pca.npz").write_text("components")
    config = dataclasses.replace(PRESETS["ulyanov"], variable="pca", pca="pca.npz")
    takes = plan(config, [("a.wav", "b.wav")], inside / "w")
    digest = hashlib.sha256(b"components").hexdigest()
    assert identify(config, takes)["files"]["pca.npz"] == digest


def test_a_pair_that_would_end_a_sweep_is_told_before_it(inside, monkeypatch):
    rate = 22050
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    high = np.hanning(44100) * np.sin(2 * np.pi * 15000 * np.arange(44100) / 44100)
    save_waveform(inside / "a.wav", Waveform(tone[None], rate))
    save_waveform(inside / "b.wav", Waveform(np.tile(tone, 3)[None], rate))
    save_waveform(inside / "high.wav", Waveform(high[None].astype(np.float32), 44100))
    config = TransferConfig()

    def check(*pairs: tuple[str, str]) -> None:
        check_recordings(config, plan(config, list(pairs), inside / "w"))

    check(("a.wav", "b.wav"), ("b.wav", "a.wav"))
    with pytest.raises(InputError, match=r"high\.wav: content is silence below 11025 Hz"):
        check(("a.wav", "b.wav"), ("high.wav", "b.wav"))
    with pytest.raises(InputError, match=r"high\.wav: style is silence below 11025 Hz"):
        check(("a.wav", "b.wav"), ("a.wav", "high.wav"))
    make_style_file("other.npz", "b.wav", dataclasses.replace(config, keep_rests=False))
    with pytest.raises(InputError, match=r"other\.npz"):
        check(("a.wav", "b.wav"), ("a.wav", "other.npz"))
    short = Waveform(np.tile(tone, 2)[None], rate)
    enough = sum(needed_memory(config, short, short).values())
    monkeypatch.setattr(memory, "available_memory", lambda: enough)
    monkeypatch.setattr(memory.jax, "default_backend", lambda: "cpu")
    with pytest.raises(InputError, match=r"b\.wav x .*a\.wav: a transfer of 3 s needs about"):
        check(("a.wav", "a.wav"), ("b.wav", "a.wav"))
