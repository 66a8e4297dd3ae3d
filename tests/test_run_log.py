"""`metrics.jsonl`: what is in it after kills and restarts, and TensorBoard."""

import itertools
import json
import sys
import types

import pytest

from research.errors import InputError
from research.training.run_log import RunLog


def entries(fit: str, epochs: int, loss: float = 1.0) -> list[dict]:
    return [
        {"fit": fit, "epoch": n, "step": 10 * n, "loss": loss / n, "accuracy": 0.5}
        for n in range(1, epochs + 1)
    ]


def logged(tmp_path, *several: list[dict]) -> RunLog:
    log = RunLog(tmp_path, tensorboard=False)
    for entry in itertools.chain(*several):
        log.add(entry)
    return log


def test_what_is_added_is_read_in_order_one_object_a_line(tmp_path):
    wanted = entries("seed_0", 3) + entries("seed_1", 2)
    assert logged(tmp_path, wanted).read() == wanted
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == wanted
    assert RunLog(tmp_path, tensorboard=False).read() == wanted


def test_nothing_is_logged_at_first(tmp_path):
    log = RunLog(tmp_path, tensorboard=False)
    assert log.read() == []
    log.start_again("seed_0", [])
    assert log.read() == []


def test_starting_again_drops_what_was_logged_beyond_and_keeps_other_fits(tmp_path):
    log = logged(tmp_path, entries("seed_0", 2), entries("seed_1", 4))
    log.start_again("seed_1", entries("seed_1", 3))
    assert log.read() == entries("seed_0", 2) + entries("seed_1", 3)
    log.add({"fit": "seed_1", "epoch": 4, "step": 40, "loss": 0.5, "accuracy": 0.5})
    assert log.read()[-1]["loss"] == 0.5
    log.start_again("seed_1", [])
    assert log.read() == entries("seed_0", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_starting_again_restores_what_the_checkpoint_knows_and_the_log_lost(tmp_path):
    log = RunLog(tmp_path, tensorboard=False)
    log.start_again("seed_0", entries("seed_0", 2))
    assert log.read() == entries("seed_0", 2)


@pytest.mark.parametrize("lost", range(1, 45, 4))
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path, lost):
    log = logged(tmp_path, entries("seed_0", 2), entries("seed_1", 3))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-lost])
    kept = 3 if lost == 1 else 2  # The line's end alone is no loss.
    assert log.read() == entries("seed_0", 2) + entries("seed_1", kept)
    log.start_again("seed_1", entries("seed_1", 1))
    log.add(entries("seed_1", 2)[-1])
    assert log.read() == entries("seed_0", 2) + entries("seed_1", 2)


def test_tensorboard_that_is_not_installed_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"config\.tensorboard .*pip install tensorboardX$"):
        RunLog(tmp_path, tensorboard=True)
    RunLog(tmp_path, tensorboard=False).add(entries("seed_0", 1)[0])


def test_tensorboard_gets_every_figure_of_each_fit(tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        """Remembers what it is given."""

        def __init__(self, folder: str):
            self.folder = folder

        def add_scalar(self, name: str, value: float, step: int) -> None:
            """Remember one figure."""
            written.append((self.folder, name, value, step))

        def flush(self) -> None:
            """Nothing is held back."""

    fake = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "tensorboardX", fake)
    log = RunLog(tmp_path, tensorboard=True)
    for fit in ("seed_0", "seed_1"):
        log.add({"fit": fit, "epoch": 1, "step": 7, "loss": 0.5, "accuracy": 0.25})
    wanted = [("loss", 0.5, 7), ("accuracy", 0.25, 7)]
    folders = [str(tmp_path / "tensorboard" / fit) for fit in ("seed_0", "seed_1")]
    assert written == [(folder, *figure) for folder in folders for figure in wanted]
    assert len(log.read()) == 2


@pytest.mark.parametrize("line", ["17", "[]", '"text"', "null", '{"fit": "seed_0"}', "[" * 9999])
def test_lines_of_another_shape_are_left_out(tmp_path, line):
    log = logged(tmp_path, entries("seed_0", 1))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    log.add(entries("seed_0", 2)[-1])
    assert log.read() == entries("seed_0", 2)
