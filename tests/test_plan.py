"""Which takes a run is to make, and what identifies them."""

import hashlib

import pytest

from configs.transfer import get_config
from research.settings import freeze
from research.transfer.config import TransferConfig
from research.transfer.plan import identify, plan
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
    known = identify(takes)
    assert list(known["takes"]) == ["000", "001", "002", "003"]
    assert known["takes"]["001"] == [*takes[1].pair, {"style_weight": 2}]
    digest = hashlib.sha256(b"a.wav").hexdigest()
    assert known["files"][str(inside / "a.wav")] == digest
    (inside / "a.wav").write_text("another")
    assert identify(takes)["takes"] == known["takes"]
    assert identify(takes)["files"] != known["files"]
