"""The modes of run_train.py on small folders of tones, and the script as a user runs it."""

import dataclasses
import functools
import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import jax
import numpy as np
import pytest
import soundfile
from conftest import ROOT

from research.audio.stft import StftConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig
from research.data.splits import FileLists
from research.data.tracks import SkippedFileWarning
from research.errors import InputError
from research.files import exclusive_lock
from research.models.multi_channel import MultiChannelConfig
from research.settings import to_config_dict
from research.training import commands
from research.training.augment import AugmentConfig
from research.training.config import TrainConfig
from research.training.run import Run

RATE = 8000
PITCHES = {"high": 2000.0, "low": 200.0, "middle": 700.0}
SMALL = TrainConfig(
    spectrogram=SpectrogramConfig(RATE, StftConfig(n_fft=256, hop_length=128)),
    segments=SegmentConfig(seconds=0.5),
    batch_size=8,
    model=MultiChannelConfig(dropout=0.2),
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
def small(tones, tmp_path_factory) -> Callable[..., TrainConfig]:
    """Makes a small config on the tones; keyword arguments replace keys, those of `data` too."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def make(data: dict | None = None, **changes) -> TrainConfig:
        data = {"root": str(tones), "cache": cache} | (data or {})
        return dataclasses.replace(SMALL, data=dataclasses.replace(SMALL.data, **data), **changes)

    return make


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_train.py")


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory) -> pathlib.Path:
    """The workdir of a run with validation."""
    workdir = tmp_path_factory.mktemp("run") / "work"
    commands.train(small({"validation_share": 0.25}, num_epochs=8), workdir)
    return workdir


def evaluate(workdir: pathlib.Path, **changes) -> None:
    """Test as the script does; dots in the keys of changes are written as `__`."""
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    commands.evaluate(TrainConfig(), workdir, changes)


def read(workdir: pathlib.Path, name: str = "results.json") -> dict:
    return json.loads((workdir / name).read_text())


def weights(workdir: pathlib.Path, name: str = "seed_0") -> list[np.ndarray]:
    """All arrays of the network that a run ended with."""
    network, _ = Run.load(workdir).restore(name)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(network)]


def test_a_training_leaves_results_and_checkpoints(trained, tones):
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


def test_the_subsets_share_no_track(trained):
    subsets = read(trained, "data.json")["fits"]["seed_0"]
    names = [name for subset in ("train", "validation", "test") for name in subsets[subset]]
    assert len(names) == len(set(names)) == 18


def test_evaluating_again_gives_the_same_results(trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    (workdir / "results.json").unlink()
    chosen = read(workdir, "config.json")
    assert chosen["spectrogram"].pop("name") == "stft"  # Runs had no choice of it at first.
    (workdir / "config.json").write_text(json.dumps(chosen))
    evaluate(workdir)
    assert read(workdir) == read(trained)


def test_evaluates_on_other_data_and_says_what_was_trained_on(trained, tones, tmp_path, capsys):
    workdir = shutil.copytree(trained, tmp_path / "work")
    other = tmp_path / "other"
    source = tones / "genres_original"
    for genre in ("low", "middle"):
        write_track(other / genre / "new.flac", PITCHES[genre], 99)
    known = read(trained, "data.json")["fits"]["seed_0"]["train"]
    shutil.copy(source / next(name for name in known if name.startswith("low")), other / "low")
    evaluate(workdir, data__root=str(other), data__split="all")
    results = read(workdir)
    assert results["protocol"] == "every track for testing"
    assert results["num_tracks"] == {"train": 0, "validation": 0, "test": 3}
    assert np.sum(results["confusion"]) == 3
    assert np.sum(results["confusion"][0]) == 0  # None of the genre "high".
    assert results["num_used_in_training"] == 1
    assert "1 of these tracks were used in training" in capsys.readouterr().out
    assert read(workdir, "results_of_training.json") == read(trained)


def test_results_of_another_test_are_not_kept_as_those_of_the_training(small, tones, tmp_path):
    names = sorted(f"{path.parent.name}/{path.stem}" for path in tones.rglob("*.wav"))
    (tmp_path / "train.txt").write_text("\n".join(set(names) - set(names[::3])))
    (tmp_path / "test.txt").write_text("\n".join(names[::3]))
    files = FileLists(train=str(tmp_path / "train.txt"))
    work = tmp_path / "work"
    commands.train(small({"split": "files", "files": files}, num_epochs=1), work)
    assert not (work / "results.json").exists()
    words = "config.data.files.test is not given", "to test on"
    assert_refused_by(lambda: evaluate(work), *words)
    for _ in range(2):  # The second replaces the results of the first, not of the training.
        evaluate(work, data__files__test=str(tmp_path / "test.txt"))
    assert not read(work)["of_training"]
    assert not (work / "results_of_training.json").exists()


def test_a_list_that_was_changed_is_not_tested_as_if_it_had_not(small, tones, tmp_path):
    names = sorted(f"{path.parent.name}/{path.stem}" for path in tones.rglob("*.wav"))
    (tmp_path / "train.txt").write_text("\n".join(set(names) - set(names[::3])))
    (tmp_path / "test.txt").write_text("\n".join(names[::3]))
    files = FileLists(train=str(tmp_path / "train.txt"), test=str(tmp_path / "test.txt"))
    work = tmp_path / "work"
    commands.train(small({"split": "files", "files": files}, num_epochs=1), work)
    before = read(work)
    assert before["of_training"]
    (tmp_path / "test.txt").write_text("\n".join(names[3::3]))
    words = "the split is not that of the training", f"{names[0]}.wav was in the test subset"
    assert_refused_by(lambda: evaluate(work), *words)
    assert read(work) == before


def test_copies_of_what_was_trained_on_are_told(trained, tones, tmp_path, capsys):
    known = read(trained, "data.json")["fits"]["seed_0"]["train"]
    workdir = shutil.copytree(trained, tmp_path / "work")
    for path in tones.rglob("*.wav"):
        samples, rate = soundfile.read(path)
        copy = tmp_path / "copies" / path.parent.name / f"{path.stem}.mp3"
        copy.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(copy, samples, rate)
    evaluate(workdir, data__root=str(tmp_path / "copies"), data__split="all")
    used = len(known) + 3  # And those that chose the checkpoint.
    assert read(workdir)["num_used_in_training"] == used
    assert (
        f"{used} of these tracks were used in training, by their contents or"
        in capsys.readouterr().out
    )


def test_one_genre_alone_can_be_tested(trained, tones, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    write_track(tmp_path / "music" / "low" / "new.wav", PITCHES["low"], 99)
    evaluate(workdir, data__root=str(tmp_path / "music"), data__split="all")
    assert np.sum(read(workdir)["confusion"]) == 1


def test_a_training_of_its_own_keeps_its_results(trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    config = TrainConfig(checkpoint=str(trained))
    with pytest.raises(InputError, match=r"holds a training of its own, .* another --workdir"):
        commands.evaluate(config, workdir, {"checkpoint": str(trained)})
    assert read(workdir) == read(trained)
    commands.evaluate(config, tmp_path / "new", {"checkpoint": str(trained)})
    assert read(tmp_path / "new") == read(trained)


def test_predicts_files_of_any_length_and_names_the_bad_one(trained, tmp_path):
    folder = tmp_path / "music"
    write_track(folder / "low.ogg", 200.0, 7)
    write_track(folder / "stereo.wav", 2000.0, 8, rate=44100)
    soundfile.write(folder / "short.wav", np.sin(np.arange(3300) / 2), 6000)
    long = np.sin(2 * np.pi * 700 * np.arange(40 * RATE) / RATE)
    soundfile.write(folder / "long.flac", np.stack([long, long], 1), RATE)
    (folder / "broken.wav").write_text("no audio")
    (folder / "cover.jpg").write_text("no audio")
    with pytest.warns(UserWarning) as warned:
        commands.predict(TrainConfig(), trained, {}, str(folder))
    assert len(warned) == 1
    assert "broken.wav" in str(warned[0].message)
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


# Trains twice in the workdir of its arguments, in processes that die at a step, or soon after it.
_TRAIN_AND_DIE = """
import functools, json, os, pathlib, signal, sys, threading
from research.settings import freeze
from research.training import commands, loop
from research.training.config import TrainConfig

config, workdir = sys.argv[1:]
fit = loop.fit

def dying(*arguments, last, delay, on_step, **options):
    def die(step):
        on_step(step)
        if step == last:
            end = functools.partial(os.kill, os.getpid(), signal.SIGKILL)
            threading.Timer(delay, end).start() if delay else end()
    fit(*arguments, on_step=die, **options)

for last, delay in ((6, 0), (16, 0.01)):
    process = os.fork()
    if process == 0:
        loop.fit = functools.partial(dying, last=last, delay=delay)
        commands.train(freeze(TrainConfig, json.loads(config)), pathlib.Path(workdir))
        os._exit(1)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""


def test_a_killed_run_ends_with_the_same_weights(small, script_environment, tmp_path):
    config = small(
        num_epochs=12,
        model=MultiChannelConfig(dropout=0.2, batch_norm=True),
        augment=AugmentConfig(crop=True, mixup=0.3, gain_db=6.0),
    )
    commands.train(config, tmp_path / "whole")
    killed = tmp_path / "killed"
    died = subprocess.run(
        [sys.executable, "-c", _TRAIN_AND_DIE, to_config_dict(config).to_json(), str(killed)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env=script_environment,
    )
    assert died.returncode == 0, died.stderr
    assert 3 <= (killed / "metrics.jsonl").read_text().count("\n") < 12
    assert not (killed / "results.json").exists()
    commands.train(config, killed)
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


def test_a_training_goes_on_where_its_data_moved(small, tones, tmp_path):
    for place in ("here", "there"):
        root = shutil.copytree(tones / "genres_original", tmp_path / place)
        (root / "low" / "broken.wav").write_bytes(b"RIFF" + bytes(2000))
    for place in ("here", "there"):
        with pytest.warns(SkippedFileWarning, match="broken"):
            commands.train(small({"root": str(tmp_path / place)}, num_epochs=1), tmp_path / "work")
    (root / "low" / "broken.wav").unlink()
    commands.train(small({"root": str(root)}, num_epochs=1), tmp_path / "work")
    assert read(tmp_path / "work", "data.json")["root"] == str(tmp_path / "there")


def test_folds_and_seeds_test_every_track_once_a_seed(small, tmp_path):
    config = small({"split": "kfold", "num_folds": 2}, seeds=2, num_epochs=1)
    commands.train(config, tmp_path / "work")
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


def test_leaking_numbers_are_labelled(small, tmp_path, capsys):
    commands.train(small({"split": "segment"}, num_epochs=1), tmp_path / "work")
    assert "LEAKS" in capsys.readouterr().out
    assert read(tmp_path / "work")["leaks"]
    assert read(tmp_path / "work")["protocol"].startswith("LEAKS")


def test_messy_folder_of_music(small, tones, tmp_path):
    root = tmp_path / "genres"
    shutil.copytree(tones / "genres_original", root)
    (root / "low" / "broken.wav").write_bytes(b"RIFF" + bytes(2000))
    (root / "low" / "notes.txt").write_text("not audio")
    shutil.copy(root / "low" / "low.00000.wav", root / "middle" / "copy.wav")
    samples, _ = soundfile.read(root / "low" / "low.00001.wav")
    soundfile.write(root / "high" / "stereo.flac", np.stack([samples] * 2, 1), 2 * RATE)
    with pytest.warns(SkippedFileWarning) as warned:
        commands.train(small({"root": str(tmp_path)}, num_epochs=1), tmp_path / "work")
    messages = " ".join(str(warning.message) for warning in warned)
    for name in ("broken.wav", "notes.txt"):
        assert f"low/{name}" in messages
    results = read(tmp_path / "work")
    assert set(results["skipped"]) == {"low/broken.wav", "low/notes.txt"}
    assert results["duplicates"] == [["low/low.00000.wav", "middle/copy.wav"]]
    assert results["num_files"] == 18 + 4 == sum(results["num_tracks"].values()) + 2
    subsets = read(tmp_path / "work", "data.json")["fits"]["seed_0"]
    pair = {"low/low.00000.wav", "middle/copy.wav"}
    assert any(pair <= set(subsets[subset]) for subset in subsets)


def test_the_default_is_a_synthetic_set_and_says_so(run, script_environment, tmp_path):
    result = run("--config=configs/multi_channel.py:smoke", f"--workdir={tmp_path / 'work'}")
    assert result.returncode == 0, result.stderr
    assert "synthetic" in result.stdout
    results = read(tmp_path / "work")
    assert results["synthetic"]
    assert results["protocol"].startswith("synthetic")
    assert len(results["genres"]) == 10
    # Once more, in this process.
    config = Run.load(tmp_path / "work").config
    caches = pathlib.Path(script_environment["XDG_CACHE_HOME"]) / "music_style_transfer_jax"
    data = dataclasses.replace(config.data, cache=str(caches / "spectrograms"))
    commands.train(dataclasses.replace(config, data=data), tmp_path / "again")
    for ours, theirs in zip(weights(tmp_path / "work"), weights(tmp_path / "again"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        ({"root": "{}/none"}, {}, ["config.data.root", "none", "does not exist"]),
        ({"root": "{}/one"}, {}, ["one genre only", "low"]),
        ({"root": "{}/lone"}, {}, ["low", "1 different track"]),
        ({"split": "kfold", "num_folds": 7}, {}, ["6", "7 folds"]),
        (
            {},
            {"segments": SegmentConfig(seconds=60)},
            ["shorter than a segment", "config.segments.seconds"],
        ),
        ({"split": "all"}, {}, ["no training subset", "--mode=evaluate"]),
        ({"split": "files"}, {}, ["config.data.files.train"]),
        ({}, {"checkpoint": "shipped"}, ["config.checkpoint names networks to use"]),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused_in_one_line(
    small, data, changes, words, tmp_path
):
    write_track(tmp_path / "one" / "low" / "low.wav", 200.0, 0)
    for genre, count in (("low", 1), ("high", 2)):
        for i in range(count):
            write_track(tmp_path / "lone" / genre / f"{i}.wav", PITCHES[genre], i)
    if "root" in data:
        data = {"root": data["root"].format(tmp_path)}
    assert_refused_by(lambda: commands.train(small(data, **changes), tmp_path / "work"), *words)
    assert not (tmp_path / "work" / "results.json").exists()


def assert_refused_by(command: Callable[[], None], *words: str) -> None:
    with pytest.raises(InputError) as error:
        command()
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_predicting_needs_an_input_and_networks(tmp_path):
    predict, work = commands.predict, tmp_path / "work"
    assert_refused_by(lambda: predict(TrainConfig(), work, {}, None), "--input")
    config = TrainConfig(checkpoint=str(tmp_path))
    assert_refused_by(lambda: predict(config, work, {}, str(tmp_path)), "holds no training")
    assert not work.exists()


def test_predicting_by_the_synthetic_set_is_told(untrained, tmp_path):
    write_track(tmp_path / "song.wav", 200.0, 0)
    with pytest.warns(UserWarning, match=r"were trained on the synthetic set, .*=shipped"):
        commands.predict(TrainConfig(), untrained, {}, str(tmp_path / "song.wav"))
    (untrained / "predictions.json").unlink()


REFUSED = [
    (["--config.modle.dropout=0.1"], ["modle", 'Did you mean "model"']),
    (["--config=configs/multi_channel.py:txet"], ["txet", "text"]),
    (["--mode=predict"], ["--input"]),
    (["--input=song.mp3"], ["--input does not apply to --mode=train", "--mode=predict"]),
    (["--config.data.files.train=list.txt"], ["config.data.files.train", "data.split=files"]),
]


@pytest.fixture(scope="module")
def refused(run, tmp_path_factory) -> list[tuple]:
    """How the script ended with each of the arguments, and its workdir."""
    workdirs = [tmp_path_factory.mktemp("refused") / "work" for _ in REFUSED]
    return [
        (run(*arguments, f"--workdir={workdir}"), workdir)
        for (arguments, _), workdir in zip(REFUSED, workdirs, strict=True)
    ]


@pytest.mark.parametrize("case", range(len(REFUSED)), ids=[given[0] for given, _ in REFUSED])
def test_the_script_refuses_bad_input_in_one_line(case, refused, assert_refused):
    result, workdir = refused[case]
    assert_refused(result, *REFUSED[case][1])
    assert not workdir.exists()


def test_a_workdir_of_another_run_is_left_alone(small, trained):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    words = "data.validation_share", "another --workdir"
    assert_refused_by(lambda: commands.train(small(num_epochs=8), trained), *words)
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}


def test_a_start_that_came_to_nothing_does_not_bind(small, tmp_path):
    work = tmp_path / "work"
    assert_refused_by(
        lambda: commands.train(small(learning_rate=1e30), work), "config.learning_rate"
    )
    commands.train(small(num_epochs=1), work)
    assert len((work / "metrics.jsonl").read_text().splitlines()) == 1


def test_folds_are_not_tested_where_none_were_trained(trained):
    words = "seed_0", "--config.data.split=track or all"
    assert_refused_by(lambda: evaluate(trained, data__split="kfold"), *words)


def test_a_damaged_checkpoint_is_refused_by_name(trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    step = read(workdir)["fits"][0]["checkpoint_step"]
    folder = workdir / "checkpoints" / "seed_0" / str(step)
    largest = max(folder.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    assert_refused_by(lambda: evaluate(workdir), str(folder), "damaged")


def test_a_folder_that_changed_is_not_tested_as_if_it_had_not(trained, tones, tmp_path):
    root = shutil.copytree(tones, tmp_path / "tones")
    write_track(root / "genres_original" / "low" / "low.00006.wav", 200.0, 6)
    before = (trained / "results.json").read_bytes()
    words = "low/low.00006.wav", "--config.data.split=all"
    assert_refused_by(lambda: evaluate(trained, data__root=str(root)), *words)
    assert (trained / "results.json").read_bytes() == before


def test_a_workdir_in_use_is_left_alone(small, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    with exclusive_lock(work):
        words = "another process works in", "--workdir"
        assert_refused_by(lambda: commands.train(small(), work), *words)
    assert not list(work.iterdir())


def test_testing_leaves_a_checkpoint_in_the_making_alone(trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "work")
    making = workdir / "checkpoints" / "seed_0" / "99.orbax-checkpoint-tmp"
    making.mkdir()
    weights(workdir)
    assert making.is_dir()


@pytest.mark.parametrize("mode", ["evaluate", "predict", "embed", "pca"])
def test_settled_keys_cannot_be_changed_where_nothing_is_trained(trained, mode):
    rest = {"predict": ["song.wav"], "embed": [{}]}.get(mode, [])
    for key in ("model.width", "data.num_folds", *["data.root"] * (mode == "predict")):
        assert_refused_by(
            lambda key=key: getattr(commands, mode)(TrainConfig(), trained, {key: 5}, *rest),
            f"config.{key}",
            "settled in training",
            f"--mode={mode}",
            "config.checkpoint" if mode == "predict" else "config.data.root",
        )


def test_an_overlap_beside_a_count_is_refused(tmp_path):
    config = TrainConfig(segments=SegmentConfig(count=6, overlap=0.5))
    changes = {"segments.overlap": 0.5}
    assert_refused_by(
        lambda: commands.train(config, tmp_path / "work", changes),
        "config.segments.overlap does not apply where config.segments.count is 6",
        "config.segments.count=0",
    )
    assert not (tmp_path / "work").exists()
