"""The shipped weights: their size, the script that trains them, and the modes that use them."""

import functools
import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import jax
import numpy as np
import pytest
from conftest import ROOT
from drawing import write_noise

from research.data.front_ends.images import ImageConfig
from research.data.front_ends.mel import MelConfig
from research.errors import InputError
from research.training import commands
from research.training.config import TrainConfig
from research.training.predict import Ensemble, predict_files
from research.training.run import SHIPPED, Run, fingerprint

GTZAN = ROOT.parent / "shared" / "data" / "gtzan"


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_train.py")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> pathlib.Path:
    """Two pictures of noise of each genre."""
    return write_noise(tmp_path_factory.mktemp("pictures"), per_genre=2)


def test_they_are_small_and_know_no_place():
    files = [file for file in SHIPPED.rglob("*.*") if "__pycache__" not in file.parts]
    notes, classifiers = 0, 0
    for file in files:
        if "note_network" in file.parts and file.suffix == ".py":
            continue  # How they are trained.
        if "note_network" in file.parts:
            notes += file.stat().st_size
        else:
            classifiers += file.stat().st_size
    assert classifiers < 5e6 and notes < 0.2e6
    names = {file.name for file in files}
    assert {"config.json", "data.json", "make_weights.py", "seed_0.npz"} <= names
    chosen = json.loads((SHIPPED / "config.json").read_text())
    assert chosen["data"]["root"] is chosen["data"]["cache"] is None
    assert set(chosen["data"]["files"].values()) == {None}
    manifest = json.loads((SHIPPED / "data.json").read_text())
    assert set(manifest) == {"genres", "tracks", "fits"}
    subsets = manifest["fits"]["seed_0"]
    assert [len(subsets[subset]) for subset in ("train", "validation")] == [639, 0]
    assert len(manifest["tracks"]) == 639
    assert {f"{name}.npz" for name in manifest["fits"]} == {
        file.name for file in SHIPPED.glob("weights/*")
    }


@pytest.mark.parametrize("num_devices", ["1", "3", "8"])
def test_predicts_where_nothing_was_trained(run, clips, tmp_path, num_devices):
    """A clip has fewer segments than a batch of the training, and may have fewer than devices."""
    arguments = (f"--input={clips['band']}", f"--workdir={tmp_path / 'new'}")
    result = run("--mode=predict", *arguments, JAX_NUM_CPU_DEVICES=num_devices)
    assert result.returncode == 0, result.stderr
    first = f"warning: no training in {tmp_path / 'new'}: the shipped weights are used\n"
    assert result.stderr.endswith(first)
    line, _ = result.stdout.splitlines()
    assert line.startswith(f"{clips['band']}: ")
    [answer] = json.loads((tmp_path / "new" / "predictions.json").read_text()).values()
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert max(answer["probabilities"], key=answer["probabilities"].get) in ("rock", "disco")


def test_an_image_is_read_as_an_image(pictures, tmp_path, capsys):
    picture = pictures / "jazz" / "jazz00200.png"
    with pytest.warns(UserWarning, match="the shipped weights are used"):
        commands.predict(TrainConfig(), tmp_path, {}, str(picture))
    assert capsys.readouterr().out.startswith(f"{picture}: ")


def test_scores_every_picture_in_a_folder(run, pictures, tmp_path):
    result = run(
        "--mode=evaluate",
        "--config=configs/pictures.py",
        f"--config.data.root={pictures}",
        "--config.data.split=all",
        f"--workdir={tmp_path}",
    )
    assert result.returncode == 0, result.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["protocol"] == "every track for testing"
    assert (results["num_tested"], results["num_used_in_training"]) == (4, 0)
    assert np.array(results["confusion"]).shape == (10, 10)
    assert len(results["seeds"]) == len(list(SHIPPED.glob("weights/*")))
    header, *rows = (tmp_path / "tracks.csv").read_text().splitlines()
    assert header == "track,genre,predicted,probability,used_in_training"
    assert [row.split(",")[0] for row in rows] == [
        f"{genre}/{genre}0020{i}.png" for genre in ("jazz", "metal") for i in (0, 1)
    ]
    right = np.mean([row.split(",")[1] == row.split(",")[2] for row in rows])
    assert right == results["together"]["accuracy"]


def test_a_genre_that_they_do_not_know_is_refused(pictures, tmp_path):
    root = shutil.copytree(pictures, tmp_path / "root")
    (root / "metal").rename(root / "polka")
    config = TrainConfig(spectrogram=ImageConfig(), checkpoint="shipped")
    with pytest.raises(InputError, match="has the genre polka, which the classifier does not know"):
        commands.evaluate(config, tmp_path / "work", {"data.root": str(root)})
    assert not (tmp_path / "work").exists()


def test_testing_them_needs_data(tmp_path):
    config = TrainConfig(checkpoint="shipped")
    with pytest.raises(InputError, match=r"--mode=evaluate needs --config\.data\.root .* blues"):
        commands.evaluate(config, tmp_path, {"checkpoint": "shipped"})


def test_the_script_trains_and_ships(pictures, run_script, tmp_path):
    tracks = tmp_path / "train.txt"
    tracks.write_text("\n".join(f"{genre}/{genre}.00200.wav" for genre in ("jazz", "metal")))
    done = run_script(
        "research.shipped.make_weights",
        f"--root={pictures}",
        f"--train={tracks}",
        "--seeds=1",
        f"--workdir={tmp_path / 'work'}",
        f"--destination={tmp_path / 'weights'}",
        *("--", "--config.num_epochs=1", "--config.model.stem=2", "--config.model.widths=(4,)"),
        "--config.model.atoms=4",
    )
    assert done.returncode == 0, done.stderr
    assert "No tracks to test on: config.data.files.test is not given" in done.stderr + done.stdout
    assert not (tmp_path / "work" / "results.json").exists()
    assert f"Wrote {tmp_path / 'weights'}: " in done.stdout
    shipped = {file.name for file in (tmp_path / "weights").rglob("*.*")}
    assert shipped == {"config.json", "data.json", "seed_0.npz"}
    files = (tmp_path / "weights").glob("*.json")
    text = "".join(file.read_text() for file in files)
    assert not any(word in text for word in (str(tmp_path), str(pictures), "jazz0020", "00200"))
    manifest = json.loads((tmp_path / "weights" / "data.json").read_text())
    names = sorted(fingerprint(f"{genre}/{genre}00200.png") for genre in ("jazz", "metal"))
    assert manifest["fits"] == {"seed_0": {"train": names, "validation": []}}
    assert list(manifest["tracks"]) == names
    networks = [
        Run.load(folder).restore("seed_0")[0]
        for folder in (tmp_path / "work", tmp_path / "weights")
    ]
    for trained, shipped in zip(*map(jax.tree.leaves, networks), strict=True):
        np.testing.assert_allclose(shipped, trained, rtol=1e-3, atol=1e-6)


def test_keys_that_the_script_sets_by_flags_are_refused(run_script, tmp_path):
    done = run_script(
        "research.shipped.make_weights",
        *("--root=images", "--train=both.txt", f"--workdir={tmp_path / 'work'}"),
        "--config.seeds=1",
    )
    assert done.returncode == 1
    assert done.stderr == "make_weights.py: --config.seeds is set by --seeds; give that\n"
    assert not (tmp_path / "work").exists()


@pytest.mark.skipif(
    not (GTZAN / "images_original").is_dir(), reason="there are no real tracks here"
)
def test_audio_is_predicted_as_its_images():
    """The weights were trained on most of these images, and on none of the audio."""
    run = Run.load(SHIPPED)
    by_audio = Ensemble.restore(run.with_front_end(MelConfig()))
    by_image = Ensemble.restore(run.with_front_end(ImageConfig()))
    same, apart = [], []
    for image in sorted((GTZAN / "images_original").rglob("*.png")):
        name = f"{image.stem[:-5]}.{image.stem[-5:]}"
        for file in GTZAN.glob(f"genres_original/*/{name}.*"):
            found = [
                [prediction["probabilities"] for _, prediction in predict_files(ensemble, [path])]
                for ensemble, path in ((by_audio, file), (by_image, image))
            ]
            first, second = (np.array(list(one.values())) for [one] in found)
            same.append(first.argmax() == second.argmax())
            apart.append(np.abs(first - second).sum() / 2)
    assert len(same) > 40
    assert np.mean(same) >= 0.88
    assert np.mean(apart) < 0.06
