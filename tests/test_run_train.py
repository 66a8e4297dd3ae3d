"""The real training script, run as a user runs it, on small folders of tones."""

import functools
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import numpy as np
import pytest
import soundfile

from research.files import held_alone
from research.settings import freeze
from research.training.config import TrainConfig
from research.training.run import restore

ROOT = pathlib.Path(__file__).parent.parent
RATE = 8000
PITCHES = {"high": 2000.0, "low": 200.0, "middle": 700.0}
SMALL = (
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.stft.n_fft=256",
    "--config.spectrogram.stft.hop_length=128",
    "--config.segments.seconds=0.5",
    "--config.batch_size=8",
    "--config.model.dropout=0.2",
)


def write_track(path: pathlib.Path, pitch: float, seed: int, rate: int = RATE, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    time = np.arange(round(1.2 * rate)) / rate
    tone = np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * time)
    soundfile.write(path, 0.3 * tone + 0.02 * random.standard_normal(time.size), rate, **options)


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> pathlib.Path:
    """A set of three genres, six tracks each, in GTZAN's layout."""
    root = tmp_path_factory.mktemp("tones")
    for genre, pitch in PITCHES.items():
        for i in range(6):
            path = root / "genres_original" / genre / f"{genre}.{i:05d}.wav"
            write_track(path, pitch, i, subtype="PCM_16")
    return root


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_train.py")


@pytest.fixture(scope="module")
def trained(run, tones, tmp_path_factory) -> pathlib.Path:
    """The workdir of a run with validation."""
    workdir = tmp_path_factory.mktemp("run") / "work"
    result = run(
        *SMALL,
        f"--config.data.root={tones}",
        "--config.data.validation_share=0.25",
        "--config.num_epochs=8",
        f"--workdir={workdir}",
    )
    assert result.returncode == 0, result.stderr
    assert "seed_0 epoch 8/8" in result.stdout
    return workdir


def read(workdir: pathlib.Path, name: str = "results.json") -> dict:
    return json.loads((workdir / name).read_text())


def weights(workdir: pathlib.Path, name: str = "seed_0") -> list[np.ndarray]:
    """All arrays of the network that a run ended with."""
    config = freeze(TrainConfig, read(workdir, "config.json"))
    genres = read(workdir, "data.json")["genres"]
    network, _ = restore(config, workdir, name, len(genres))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(network)]


def test_leaves_what_it_promises(trained, tones):
    assert {path.name for path in trained.iterdir()} == {
        "checkpoints",
        "config.json",
        "confusion.png",
        "curves.png",
        "data.json",
        "environment.json",
        "metrics.jsonl",
        "results.json",
        "tracks.csv",
    }
    results = read(trained)
    assert results["num_tracks"] == {"train": 12, "validation": 3, "test": 3}
    assert results["num_segments"] == {"train": 24, "validation": 6, "test": 6}
    assert results["num_files"] == sum(results["num_tracks"].values())
    assert results["protocol"].startswith("by track")
    assert not results["leaks"]
    assert not results["synthetic"]
    assert results["root"] == str(tones)
    assert np.sum(results["confusion"]) == 3
    assert results["accuracy"] == np.trace(results["confusion"]) / 3
    low, high = results["accuracy_interval"]
    assert low <= results["accuracy"] <= high
    assert set(results["per_genre"]) == set(PITCHES)
    assert [entry["seed"] for entry in results["seeds"]] == [0]
    assert {"segment_accuracy", "macro_f1", "log_loss"} <= set(results)
    assert results["together"] is None  # It is one network.
    log = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in log] == list(range(1, 9))
    assert log[-1]["step"] == 24
    assert log[-1]["loss"] < log[0]["loss"]
    best = max(log, key=lambda entry: (entry["validation_accuracy"], entry["step"]))
    assert results["fits"][0]["checkpoint_step"] == best["step"]
    assert read(trained, "environment.json")["packages"]["flax"]
    for name in ("confusion.png", "curves.png"):
        assert (trained / name).read_bytes().startswith(b"\x89PNG")


def test_learns_three_tones(trained):
    assert read(trained)["segment_accuracy"] > 0.6


def test_the_parts_share_no_track(trained):
    parts = read(trained, "data.json")["fits"]["seed_0"]
    names = [name for part in ("train", "validation", "test") for name in parts[part]]
    assert len(names) == len(set(names)) == 18


def test_evaluating_again_gives_the_same_results(run, trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    (workdir / "results.json").unlink()
    chosen = read(workdir, "config.json")
    assert chosen["spectrogram"].pop("name") == "stft"  # Runs had no choice of it at first.
    (workdir / "config.json").write_text(json.dumps(chosen))
    result = run("--mode=evaluate", f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    assert read(workdir) == read(trained)


def test_evaluates_on_other_data_and_says_what_was_trained_on(run, trained, tones, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    other = tmp_path / "other"
    source = tones / "genres_original"
    for genre in ("low", "middle"):
        write_track(other / genre / "new.flac", PITCHES[genre], 99)
    known = read(trained, "data.json")["fits"]["seed_0"]["train"]
    shutil.copy(source / next(name for name in known if name.startswith("low")), other / "low")
    result = run(
        "--mode=evaluate",
        f"--workdir={workdir}",
        f"--config.data.root={other}",
        "--config.data.split=all",
    )
    assert result.returncode == 0, result.stderr
    results = read(workdir)
    assert results["protocol"] == "every track for testing"
    assert results["num_tracks"] == {"train": 0, "validation": 0, "test": 3}
    assert np.sum(results["confusion"]) == 3
    assert np.sum(results["confusion"][0]) == 0  # None of the genre "high".
    assert results["num_used_in_training"] == 1
    assert "1 of these tracks were used in training" in result.stdout
    assert read(workdir, "results_of_training.json") == read(trained)


def test_predicts_files_of_any_length_and_names_the_bad_one(run, trained, tmp_path):
    folder = tmp_path / "music"
    write_track(folder / "low.ogg", 200.0, 7)
    write_track(folder / "stereo.wav", 2000.0, 8, rate=44100)
    soundfile.write(folder / "short.wav", np.sin(np.arange(3300) / 2), 6000)
    long = np.sin(2 * np.pi * 700 * np.arange(40 * RATE) / RATE)
    soundfile.write(folder / "long.flac", np.stack([long, long], 1), RATE)
    (folder / "broken.wav").write_text("no audio")
    (folder / "cover.jpg").write_text("no audio")
    result = run("--mode=predict", f"--workdir={trained}", f"--input={folder}")
    assert result.returncode == 0, result.stderr
    assert "broken.wav" in result.stderr
    assert "cover.jpg" not in result.stderr
    predictions = read(trained, "predictions.json")
    assert {pathlib.Path(name).name for name in predictions} == {
        "low.ogg",
        "stereo.wav",
        "short.wav",
        "long.flac",
    }
    for answer in predictions.values():
        assert set(answer["probabilities"]) == set(PITCHES)
        assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
    assert len(predictions[str(folder / "short.wav")]["segments"]) == 1
    assert len(predictions[str(folder / "long.flac")]["segments"]) == 80
    assert predictions[str(folder / "long.flac")]["segments"][-1]["seconds"] == pytest.approx(
        39.5, abs=0.05
    )
    (trained / "predictions.json").unlink()


def test_a_killed_run_ends_with_the_same_weights(run, tones, script_environment, tmp_path):
    arguments = (
        *SMALL,
        "--config.model.batch_norm=true",
        "--config.augment.crop=true",
        "--config.augment.mixup=0.3",
        "--config.augment.gain_db=6",
        f"--config.data.root={tones}",
        "--config.num_epochs=12",
    )
    assert run(*arguments, f"--workdir={tmp_path / 'whole'}").returncode == 0
    killed = tmp_path / "killed"
    command = [sys.executable, str(ROOT / "run_train.py"), *arguments, f"--workdir={killed}"]
    log = killed / "metrics.jsonl"
    for lines, delay in ((1, 0.01), (6, 0.03)):
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=script_environment,
        )
        while not log.exists() or log.read_text().count("\n") < lines:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert not (killed / "results.json").exists()
    result = run(*arguments, f"--workdir={killed}")
    assert result.returncode == 0, result.stderr
    for ours, theirs in zip(weights(killed), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    logs = [
        [
            {key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        ]
        for name in ("killed", "whole")
    ]
    assert logs[0] == logs[1]
    assert read(killed) == read(tmp_path / "whole")


def test_one_and_four_devices_agree(run, tones, tmp_path):
    for devices in ("1", "4"):
        result = run(
            *SMALL,
            "--config.model.batch_norm=true",
            f"--config.data.root={tones}",
            "--config.num_epochs=2",
            f"--workdir={tmp_path / devices}",
            JAX_NUM_CPU_DEVICES=devices,
        )
        assert result.returncode == 0, result.stderr
        assert read(tmp_path / devices, "environment.json")["device"]["count"] == int(devices)
    for one, four in zip(weights(tmp_path / "1"), weights(tmp_path / "4"), strict=True):
        np.testing.assert_allclose(one, four, rtol=1e-3, atol=1e-4)


def test_folds_and_seeds_test_every_track_once_a_seed(run, tones, tmp_path):
    result = run(
        *SMALL,
        f"--config.data.root={tones}",
        "--config.data.split=kfold",
        "--config.data.num_folds=2",
        "--config.seeds=2",
        "--config.num_epochs=1",
        f"--workdir={tmp_path / 'work'}",
    )
    assert result.returncode == 0, result.stderr
    results = read(tmp_path / "work")
    assert [entry["name"] for entry in results["fits"]] == [
        "seed_0_fold_0",
        "seed_0_fold_1",
        "seed_1_fold_0",
        "seed_1_fold_1",
    ]
    assert np.sum(results["confusion"]) == 2 * 18
    assert results["num_tested"] == 18
    assert results["accuracy"] == pytest.approx(
        np.mean([entry["accuracy"] for entry in results["seeds"]])
    )
    assert results["spread"]["accuracy"] == pytest.approx(
        np.std([entry["accuracy"] for entry in results["seeds"]], ddof=1)
    )


def test_leaking_numbers_are_labelled(run, tones, tmp_path):
    result = run(
        *SMALL,
        f"--config.data.root={tones}",
        "--config.data.split=segment",
        "--config.num_epochs=1",
        f"--workdir={tmp_path / 'work'}",
    )
    assert result.returncode == 0, result.stderr
    assert "LEAKS" in result.stdout
    assert read(tmp_path / "work")["leaks"]
    assert read(tmp_path / "work")["protocol"].startswith("LEAKS")


def test_messy_folder_of_music(run, tones, tmp_path):
    root = tmp_path / "genres"
    shutil.copytree(tones / "genres_original", root)
    (root / "low" / "broken.wav").write_bytes(b"RIFF" + bytes(2000))
    (root / "low" / "notes.txt").write_text("not audio")
    shutil.copy(root / "low" / "low.00000.wav", root / "middle" / "copy.wav")
    samples, _ = soundfile.read(root / "low" / "low.00001.wav")
    soundfile.write(root / "high" / "stereo.flac", np.stack([samples] * 2, 1), 2 * RATE)
    result = run(
        *SMALL,
        f"--config.data.root={tmp_path}",
        "--config.num_epochs=1",
        f"--workdir={tmp_path / 'work'}",
    )
    assert result.returncode == 0, result.stderr
    for name in ("broken.wav", "notes.txt"):
        assert f"low/{name}" in result.stderr
    results = read(tmp_path / "work")
    assert set(results["skipped"]) == {"low/broken.wav", "low/notes.txt"}
    assert results["duplicates"] == [["low/low.00000.wav", "middle/copy.wav"]]
    assert results["num_files"] == 18 + 4 == sum(results["num_tracks"].values()) + 2
    parts = read(tmp_path / "work", "data.json")["fits"]["seed_0"]
    assert any({"low/low.00000.wav", "middle/copy.wav"} <= set(parts[part]) for part in parts)


def test_the_default_is_a_synthetic_set_and_says_so(run, tmp_path):
    result = run("--config=configs/multi_channel.py:smoke", f"--workdir={tmp_path / 'work'}")
    assert result.returncode == 0, result.stderr
    assert "synthetic" in result.stdout
    results = read(tmp_path / "work")
    assert results["synthetic"]
    assert results["protocol"].startswith("synthetic")
    assert len(results["genres"]) == 10
    again = run("--config=configs/multi_channel.py:smoke", f"--workdir={tmp_path / 'again'}")
    assert again.returncode == 0
    for ours, theirs in zip(weights(tmp_path / "work"), weights(tmp_path / "again"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.data.root={}/none"], ["config.data.root", "none", "does not exist"]),
        (["--config.data.root={}/one"], ["one class only", "low"]),
        (["--config.data.root={}/lone"], ["low", "1 different track"]),
        (["--config.data.split=kfold", "--config.data.num_folds=7"], ["6", "7 folds"]),
        (["--config.segments.seconds=60"], ["shorter than a segment", "config.segments.seconds"]),
        (["--config.data.split=all"], ["no training part", "--mode=evaluate"]),
        (["--config.data.split=files"], ["config.data.files.train"]),
        (["--config.modle.dropout=0.1"], ["modle", 'Did you mean "model"']),
        (["--config=configs/multi_channel.py:txet"], ["txet", "text"]),
        (["--mode=predict"], ["--input"]),
        (["--mode=predict", "--input={}", "--config.checkpoint={}"], ["holds no training"]),
        (["--config.checkpoint=shipped"], ["config.checkpoint names networks to use"]),
    ],
)
def test_bad_input_is_refused_in_one_line(run, assert_refused, tones, arguments, words, tmp_path):
    write_track(tmp_path / "one" / "low" / "low.wav", 200.0, 0)
    for genre, count in (("low", 1), ("high", 2)):
        for i in range(count):
            write_track(tmp_path / "lone" / genre / f"{i}.wav", PITCHES[genre], i)
    arguments = [argument.format(tmp_path) for argument in arguments]
    small = () if any("--mode=predict" in argument for argument in arguments) else SMALL
    if any(argument.startswith("--config=") for argument in arguments):
        small = ()
    elif not any(argument.startswith("--config.data.root") for argument in arguments):
        small = (*small, f"--config.data.root={tones}")
    assert_refused(run(*small, *arguments, f"--workdir={tmp_path / 'work'}"), *words)
    assert not (tmp_path / "work" / "results.json").exists()


def test_a_workdir_of_another_run_is_left_alone(run, assert_refused, trained, tones):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    arguments = (*SMALL, f"--config.data.root={tones}", f"--workdir={trained}")
    assert_refused(
        run(*arguments, "--config.num_epochs=8"), "data.validation_share", "another --workdir"
    )
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}


def test_a_start_that_came_to_nothing_does_not_bind(run, assert_refused, tones, tmp_path):
    arguments = (*SMALL, f"--config.data.root={tones}", f"--workdir={tmp_path / 'work'}")
    assert_refused(run(*arguments, "--config.learning_rate=1e30"), "config.learning_rate")
    result = run(*arguments, "--config.num_epochs=1")
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / "work" / "metrics.jsonl").read_text().splitlines()) == 1


def test_folds_are_not_tested_where_none_were_trained(run, assert_refused, trained):
    result = run("--mode=evaluate", f"--workdir={trained}", "--config.data.split=kfold")
    assert_refused(result, "seed_0", "--config.data.split=track or all")


def test_a_damaged_checkpoint_is_refused_by_name(run, trained, tmp_path, assert_refused):
    workdir = shutil.copytree(trained, tmp_path / "work")
    step = read(workdir)["fits"][0]["checkpoint_step"]
    folder = workdir / "checkpoints" / "seed_0" / str(step)
    largest = max(folder.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    result = run("--mode=evaluate", f"--workdir={workdir}")
    assert_refused(result, str(folder), "damaged")


def test_a_folder_that_changed_is_not_tested_as_if_it_had_not(
    run, trained, tones, assert_refused, tmp_path
):
    root = shutil.copytree(tones, tmp_path / "tones")
    write_track(root / "genres_original" / "low" / "low.00006.wav", 200.0, 6)
    before = (trained / "results.json").read_bytes()
    result = run("--mode=evaluate", f"--workdir={trained}", f"--config.data.root={root}")
    assert_refused(result, "low/low.00006.wav", "--config.data.split=all")
    assert (trained / "results.json").read_bytes() == before


def test_a_workdir_in_use_is_left_alone(run, tones, assert_refused, tmp_path):
    (tmp_path / "work").mkdir()
    with held_alone(tmp_path / "work"):
        result = run(*SMALL, f"--config.data.root={tones}", f"--workdir={tmp_path / 'work'}")
    assert_refused(result, "another process works in", "--workdir")
    assert not list((tmp_path / "work").iterdir())


def test_testing_leaves_a_checkpoint_in_the_making_alone(trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    making = workdir / "checkpoints" / "seed_0" / "99.orbax-checkpoint-tmp"
    making.mkdir()
    weights(workdir)
    assert making.is_dir()


def test_settled_keys_cannot_be_changed_when_evaluating(run, trained, assert_refused):
    result = run("--mode=evaluate", f"--workdir={trained}", "--config.model.width=5")
    assert_refused(result, "config.model.width", "settled in training")
