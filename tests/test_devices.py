"""Every mode on 1, 2, 3 and 8 devices, with recordings of 5, 12 and 18 s.

Training, testing and sweeps by two processes, too.
"""

import json
import pathlib
import socket

import jax
import numpy as np
import pytest
import soundfile
from every_mode import RATE

from research.training.run import Run

LENGTHS = (5, 12, 18)  # Seconds; a segment is one.
GENRES = {"high": 900.0, "low": 150.0}
COUNTS = (1, 2, 3, 8)
OF_EACH = (1, 8)  # Devices of each of two processes.


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for genre, pitch in GENRES.items():
        (folder / genre).mkdir()
        for seconds in LENGTHS:
            time = np.arange(seconds * RATE) / RATE
            wave = np.sin(2 * np.pi * pitch * time) * np.exp(-3 * (2 * time % 1))
            noise = 0.02 * random.standard_normal(time.size)
            soundfile.write(folder / genre / f"{seconds}.wav", 0.3 * wave + noise, RATE)
    return folder


@pytest.fixture(scope="module")
def results(sounds, script_server, tmp_path_factory) -> dict[int, pathlib.Path]:
    """What is left by each number of devices."""
    folders = {count: tmp_path_factory.mktemp(f"devices_{count}") for count in COUNTS}
    for count in COUNTS:
        arguments = (str(sounds), str(folders[count]), str(count))
        result = script_server.run("tests/every_mode.py", arguments)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
    return folders


@pytest.fixture(scope="module")
def of_two(sounds, script_server, tmp_path_factory) -> dict[int, pathlib.Path]:
    """What is left by two processes, by the number of devices that each of them has."""
    folders = {count: tmp_path_factory.mktemp(f"two_of_{count}") for count in OF_EACH}
    for count, folder in folders.items():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = f"127.0.0.1:{free.getsockname()[1]},2,"
        arguments = [(str(sounds), str(folder), str(count), f"{place}{index}") for index in (0, 1)]
        first, second = script_server.run_together("tests/every_mode.py", arguments)
        assert first.returncode == second.returncode == 0, first.stderr + second.stderr
        assert "accuracy" in first.stdout and "accuracy" not in second.stdout
    return folders


def read(path: pathlib.Path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("count", COUNTS)
def test_every_mode_has_its_results(results, count):
    folder = results[count]
    assert read(folder / "trained" / "environment.json")["device"]["count"] == count
    assert read(folder / "trained" / "results.json")["num_tested"] == 2
    assert read(folder / "evaluated" / "results.json")["num_tested"] == 2
    assert len(read(folder / "predicted" / "predictions.json")) == len(LENGTHS)
    outputs = {"transfer_18": 18, "sweep/takes/000": 12, "sweep/takes/001": 12}
    for name, seconds in outputs.items():
        assert soundfile.info(folder / name / "output.wav").duration == seconds
        assert set(read(folder / name / "metrics.json")["genres"]) == {"content", "output"}
    assert (folder / "embedded" / "embedding.csv").is_file()


@pytest.mark.parametrize("count", COUNTS[1:])
def test_results_are_those_of_one_device(results, count):
    one, several = results[1], results[count]
    check_the_same(one, several)
    ours, theirs = (read(folder / "predicted" / "predictions.json") for folder in (one, several))
    for path, predicted in ours.items():
        assert theirs[path]["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-4)


@pytest.mark.parametrize("count", OF_EACH)
def test_two_processes_have_the_results_of_one(results, of_two, count):
    one, two = results[1], of_two[count]
    assert read(two / "trained" / "environment.json")["device"]["count"] == 2 * count
    check_the_same(one, two)
    assert len(list(two.glob("sweep/takes/*/metrics.json"))) == 2
    assert (two / "sweep" / "takes.csv").is_file()


def check_the_same(one: pathlib.Path, several: pathlib.Path) -> None:
    """Weights and scores, and outputs of a sweep, are equal but for rounding."""
    ours, theirs = (
        Run.load(folder / "trained").restore("seed_0")[0].variables for folder in (one, several)
    )
    jax.tree.map(
        lambda mine, other: np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4),
        ours,
        theirs,
    )
    for name in ("trained", "evaluated"):
        ours, theirs = (read(folder / name / "results.json") for folder in (one, several))
        assert ours["confusion"] == theirs["confusion"]
        [ours], [theirs] = ours["seeds"], theirs["seeds"]
        assert ours["log_loss"] == pytest.approx(theirs["log_loss"], rel=1e-3)
    for path in several.glob("**/output.wav"):
        ours, _ = soundfile.read(one / path.relative_to(several))
        theirs, _ = soundfile.read(path)
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
