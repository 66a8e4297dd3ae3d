"""Every mode on 1, 2, 3 and 8 devices, with recordings of 5, 12 and 18 s."""

import json
import pathlib

import numpy as np
import pytest
import soundfile
from every_mode import RATE

LENGTHS = (5, 12, 18)  # Seconds; a segment is one.
GENRES = {"high": 900.0, "low": 150.0}
COUNTS = (1, 2, 3, 8)


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


def read(path: pathlib.Path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("count", COUNTS)
def test_every_mode_has_its_results(results, count):
    folder = results[count]
    assert read(folder / "trained" / "environment.json")["device"]["count"] == count
    assert read(folder / "trained" / "results.json")["num_tested"] == 2
    assert read(folder / "evaluated" / "results.json")["num_tested"] == 2
    assert len(read(folder / "predicted" / "predictions.json")) == len(LENGTHS)
    outputs = {"transfer_5": 5, "transfer_18": 18, "sweep/takes/000": 12, "sweep/takes/001": 12}
    for name, seconds in outputs.items():
        assert soundfile.info(folder / name / "output.wav").duration == seconds
        assert set(read(folder / name / "metrics.json")["genres"]) == {"content", "output"}
    assert (folder / "embedded" / "embedding.png").is_file()


@pytest.mark.parametrize("count", COUNTS[1:])
def test_results_are_those_of_one_device(results, count):
    one, several = results[1], results[count]
    for name in ("trained", "evaluated"):
        ours, theirs = (read(folder / name / "results.json") for folder in (one, several))
        assert ours["confusion"] == theirs["confusion"]
        [ours], [theirs] = ours["seeds"], theirs["seeds"]
        assert ours["log_loss"] == pytest.approx(theirs["log_loss"], rel=1e-3)
    ours, theirs = (read(folder / "predicted" / "predictions.json") for folder in (one, several))
    for path, predicted in ours.items():
        assert theirs[path]["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-4)
    for pattern in ("transfer_*/output.wav", "sweep/takes/*/output.wav"):
        for path in sorted(one.glob(pattern)):
            ours, _ = soundfile.read(path)
            theirs, _ = soundfile.read(several / path.relative_to(one))
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
