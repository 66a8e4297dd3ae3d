"""Every mode on 1, 2, 3 and 8 devices, with recordings of 5, 12 and 18 s."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import ROOT

RATE = 4000
LENGTHS = (5, 12, 18)  # Seconds; a segment is one.
GENRES = {"high": 900.0, "low": 150.0}
COUNTS = (1, 2, 3, 8)


def work(sounds: pathlib.Path, results: pathlib.Path) -> None:
    """Train, evaluate, predict, embed, transfer and sweep, in the order of their needs."""
    from configs import multi_channel
    from configs.transfer import get_config
    from research.settings import freeze
    from research.training import commands as training
    from research.training.config import TrainConfig
    from research.transfer import commands as transfers
    from research.transfer.config import TransferConfig
    from research.transfer.recordings import load_recordings

    chosen = multi_channel.get_config("smoke")
    chosen.update_from_flattened_dict(
        {
            "data.root": str(sounds),
            "data.cache": str(results / "cache"),
            "data.test_share": 0.34,
            "data.validation_share": 0.34,
            "spectrogram.sample_rate": RATE,
            "spectrogram.stft.n_fft": 256,
            "spectrogram.stft.hop_length": 128,
            "segments.seconds": 1.0,
            "batch_size": 6,  # 8 devices do not divide it.
            "num_epochs": 1,
        }
    )
    trained = results / "trained"
    training.train(freeze(TrainConfig, chosen), trained)
    training.evaluate(TrainConfig(checkpoint=str(trained)), results / "evaluated", {})
    training.predict(
        TrainConfig(checkpoint=str(trained)), results / "predicted", {}, str(sounds / "high")
    )
    chosen = get_config()
    chosen.update_from_flattened_dict(
        {
            **{f"style.{name}": 0.0 for name in chosen.style},
            **{f"content.{name}": 0.0 for name in chosen.content},
            "content.spectrogram": 1.0,
            "style.spectrum": 1.0,
            "sample_rate": RATE,
            "init": "content",
            "phase.num_iterations": 2,
            "num_iterations": 1,
            "optimiser.name": "adam",
            "optimiser.log_every": 1,
            "checkpoint": "",
        }
    )
    style = str(results / "style.npz")  # Without audio of the style, nothing is judged.
    transfers.save_style(style, str(sounds / "low"), freeze(TransferConfig, chosen))
    pairs = [(str(sounds / "high" / f"{seconds}.wav"), style) for seconds in LENGTHS]
    for pair, seconds in zip(pairs, LENGTHS, strict=True):
        transfers.transfer(freeze(TransferConfig, chosen), [pair], results / f"transfer_{seconds}")
    chosen.sweep.style_weight = (0.5, 2.0)
    transfers.transfer(freeze(TransferConfig, chosen), pairs, results / "sweep")
    recordings = load_recordings(str(results / "transfer_18"))
    training.embed(TrainConfig(checkpoint=str(trained)), results / "embedded", {}, recordings)


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
def results(sounds, tmp_path_factory) -> dict[int, pathlib.Path]:
    """What is left by each number of devices."""
    folders = {}
    for count in COUNTS:
        folders[count] = tmp_path_factory.mktemp(f"devices_{count}")
        done = subprocess.run(
            [sys.executable, __file__, sounds, folders[count]],
            env=os.environ | {"JAX_NUM_CPU_DEVICES": str(count), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{count} devices: {done.stderr}"
        assert "Traceback" not in done.stderr
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
    for number in range(2 * len(LENGTHS)):
        output = soundfile.info(folder / "sweep" / "takes" / f"{number:03}" / "output.wav")
        assert output.duration == LENGTHS[number // 2]
    for seconds in LENGTHS:
        output = soundfile.info(folder / f"transfer_{seconds}" / "output.wav")
        assert output.duration == seconds
    assert (folder / "embedded" / "embedding.png").is_file()


@pytest.mark.parametrize("count", COUNTS[1:])
def test_results_are_those_of_one_device(results, count):
    one, several = results[1], results[count]
    for name in ("trained", "evaluated"):
        ours, theirs = (read(folder / name / "results.json") for folder in (one, several))
        assert ours["confusion"] == theirs["confusion"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
    ours, theirs = (read(folder / "predicted" / "predictions.json") for folder in (one, several))
    for path, predicted in ours.items():
        assert theirs[path]["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-4)
    for pattern in ("transfer_*/output.wav", "sweep/takes/*/output.wav"):
        for path in sorted(one.glob(pattern)):
            ours, _ = soundfile.read(path)
            theirs, _ = soundfile.read(several / path.relative_to(one))
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


if __name__ == "__main__":
    work(*map(pathlib.Path, sys.argv[1:]))
