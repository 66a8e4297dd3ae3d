"""GTZAN's images against a colour map and margins put on by hand, and the real script on them."""

import functools
import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
import soundfile
from conftest import ROOT
from drawing import write_picture
from PIL import Image

from configs import pictures as config_file
from research.data.front_ends.images import ImageConfig, load_image
from research.data.front_ends.mel import MelConfig
from research.data.front_ends.registry import for_input
from research.data.front_ends.stft import SpectrogramConfig
from research.data.spectrogram_cache import SpectrogramCache
from research.data.splits import FileLists, SplitConfig, make_splits
from research.errors import InputError
from research.settings import freeze
from research.training.config import TrainConfig
from research.training.experiment import load_data, plan
from research.training.run import find_audio_run

GTZAN = ROOT.parent / "shared" / "data" / "gtzan"
VIRIDIS = matplotlib.colormaps["viridis"](np.arange(256), bytes=True)
# As the published images have them.
ROUNDED = np.round(255 * matplotlib.colormaps["magma"](np.arange(256))).astype(np.uint8)


def random_levels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (216, 334)).astype(np.uint8)


def write_genres(root: pathlib.Path, count: int) -> pathlib.Path:
    """Images as GTZAN names them: low ones are loud below, high ones above."""
    for genre, rows in (("low", slice(0, 100)), ("high", slice(116, 216))):
        for i in range(count):
            levels = random_levels(i) // 4
            levels[rows] += 128
            write_picture(root / "images_original" / genre / f"{genre}{i:05d}.png", levels)
    return root


@pytest.fixture(scope="module")
def genres(tmp_path_factory) -> pathlib.Path:
    return write_genres(tmp_path_factory.mktemp("gtzan"), 4)


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_levels_come_back_and_margins_and_edge_do_not(tmp_path, mode):
    levels = random_levels()
    found = load_image(write_picture(tmp_path / "a.png", levels, mode=mode))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, levels)


def test_rounded_colours_are_at_most_a_level_off(tmp_path):
    levels = random_levels()
    found = load_image(write_picture(tmp_path / "a.png", levels, ROUNDED))
    np.testing.assert_allclose(found.astype(int), levels, rtol=0, atol=1)


def test_the_published_images_come_out_as_others_inverted_them():
    files = sorted((GTZAN / "images_original").rglob("*.png"))
    if not files:
        pytest.skip("there are no published images here")
    known = {}
    for part in ("train", "valid"):
        with np.load(GTZAN / f"images_{part}.npz") as archive:
            known |= dict(zip(archive["names"].tolist(), archive["images"], strict=True))
    for file in files:
        np.testing.assert_array_equal(load_image(file), known[f"{file.stem[:-5]}.{file.stem[-5:]}"])


def test_frames_are_columns_from_0_to_1_and_kept(genres, tmp_path, monkeypatch):
    files = sorted(genres.rglob("*.png"))
    cache = SpectrogramCache(tmp_path, ImageConfig())
    entries = cache.add(files)
    assert [frames for _, frames in entries] == [334] * 8
    assert len({digest for digest, _ in entries}) == 8
    found = np.empty((100, 128), np.float16)
    cache.read(entries[3][0], 50, found)
    levels = load_image(files[3])[:, 50:150]
    rows = [0, 1, 3, 5, 6, 8, 215]  # First of each band, counted in published ones.
    bands = [*range(6), 127]
    np.testing.assert_array_equal(
        np.round(255 * found.astype(np.float64))[:, bands], levels[rows].T
    )
    monkeypatch.setattr(ImageConfig, "decode", None)
    assert cache.add(files) == entries
    assert SpectrogramConfig().folder not in cache.folder.name


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_text("no image"), ["is no PNG file"]),
        (
            lambda path: Image.new("RGB", (432, 288), "white").save(path, "JPEG"),
            ["is no PNG file"],
        ),
        (
            lambda path: Image.new("RGB", (640, 480), "black").save(path),
            ["has 640 by 480 pixels, not 432 by 288"],
        ),
        (
            lambda path: Image.new("RGB", (432, 288), "white").save(path),
            ["not in the colour map magma, such as (255, 255, 255), in 100.0%"],
        ),
        (
            lambda path: write_picture(path, random_levels(), VIRIDIS),
            ["not in the colour map magma, such as"],
        ),
        (
            lambda path: path.write_bytes(write_picture(path, random_levels()).read_bytes()[:9000]),
            ["cannot be read"],
        ),
        (lambda path: path.mkdir(), ["cannot be read"]),
    ],
)
def test_what_is_no_such_image_is_named_in_one_line(tmp_path, write, words):
    path = tmp_path / "a.png"
    write(path)
    with pytest.raises(InputError) as error:
        load_image(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{path} ")
    assert text.endswith("; give GTZAN's pictures of spectrograms as published")
    assert all(word in text for word in words), text


def test_lists_of_audio_files_split_images(genres, tmp_path):
    lists = {"train": ["00000", "00001"], "validation": ["00003"], "test": ["00002"]}
    for part, numbers in lists.items():
        lines = [f"{genre}/{genre}.{number}.wav" for genre in ("low", "high") for number in numbers]
        (tmp_path / part).write_text("\n".join(lines))
    collection, cache = ImageConfig().load_tracks(
        str(genres), tmp_path, max_bad_share=0.0, min_frames=56
    )
    files = FileLists(**{part: str(tmp_path / part) for part in lists})
    config = freeze(TrainConfig, config_file.get_config("plain"))
    [fit] = plan(config, collection, cache)
    [split] = make_splits(collection, fit.reader.segments, SplitConfig("files", files=files), 0)
    assert not split.left_out
    for part, numbers in lists.items():
        tracks = {collection.tracks[i].name for i in fit.reader.segments.track[split.subsets[part]]}
        assert tracks == {f"{genre}/{genre}{n}.png" for genre in ("low", "high") for n in numbers}
        assert len(split.subsets[part]) == 6 * len(tracks)  # Of 5 s in 30 s.


def test_bad_images_are_told_and_others_used(genres, tmp_path):
    root = shutil.copytree(genres, tmp_path / "root")
    (root / "images_original" / "low" / "low00009.png").write_text("no image")
    (root / "images_original" / "low" / "low00009.wav").write_text("no image")
    with pytest.warns(UserWarning, match="no PNG") as warned:
        collection, _ = ImageConfig().load_tracks(
            str(root), tmp_path / "cache", max_bad_share=0.2, min_frames=334
        )
    assert len(warned) == 2
    assert set(collection.skipped) == {"low/low00009.png", "low/low00009.wav"}
    assert len(collection.tracks) == 8
    with pytest.raises(InputError, match=r"1 of the 9 PNG files .*/low00009\.png is no PNG file"):
        ImageConfig().load_tracks(str(root), tmp_path, max_bad_share=0.0, min_frames=1)


def test_a_folder_of_other_files_is_told(tmp_path):
    for genre in ("low", "high"):
        (tmp_path / genre).mkdir()
        (tmp_path / genre / "a.wav").touch()
    with pytest.raises(InputError, match=r"holds no PNG files, only others \(high/a\.wav, "):
        ImageConfig().load_tracks(str(tmp_path), tmp_path, max_bad_share=0.5, min_frames=1)


def test_inputs_are_images_by_name(genres, tmp_path):
    config = ImageConfig()
    (genres / "notes.txt").write_text("no image")
    files = config.find_inputs(str(genres), "--input")
    assert len(files) == 8
    (name, frames), *_ = config.read_inputs(files)
    assert name == files[0]
    assert frames.shape == (334, 128)
    (tmp_path / "music").mkdir()
    for front_end in (config, MelConfig()):
        for path in (genres, files[0]):
            assert for_input(front_end, str(path)) == config
        for path in (tmp_path / "music", "none.wav"):
            assert for_input(front_end, str(path)) == MelConfig()
    with pytest.raises(InputError, match=r"--input .* holds no PNG; give a PNG file or a folder"):
        config.find_inputs(str(tmp_path / "music"), "--input")


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_train.py")


@pytest.fixture(scope="module")
def trained(run, genres, tmp_path_factory) -> pathlib.Path:
    """The workdir of a run on images."""
    workdir = tmp_path_factory.mktemp("run") / "work"
    result = run(
        "--config=configs/pictures.py:plain",
        f"--config.data.root={genres}",
        "--config.data.test_share=0.5",
        "--config.model.num_filters=(2, 2)",
        "--config.model.num_features=8",
        "--config.segments.seconds=15",
        "--config.augment.time_mask=8",
        "--config.batch_size=2",
        "--config.num_epochs=6",
        "--config.learning_rate=0.01",
        "--config.model.dropout=0.0",
        f"--workdir={workdir}",
    )
    assert result.returncode == 0, result.stderr
    return workdir


def test_learns_low_and_high(trained):
    results = json.loads((trained / "results.json").read_text())
    assert results["num_tracks"] == {"train": 4, "validation": 0, "test": 4}
    assert results["num_segments"] == {"train": 8, "validation": 0, "test": 8}
    assert results["accuracy"] == 1.0


def test_predicts_a_folder_of_images(run, trained, genres, tmp_path):
    folder = shutil.copytree(genres / "images_original" / "high", tmp_path / "new")
    (folder / "bad.png").write_text("no image")
    result = run("--mode=predict", f"--workdir={trained}", f"--input={folder}")
    assert result.returncode == 0, result.stderr
    assert f"skipped: {folder / 'bad.png'} is no PNG file" in result.stderr
    predictions = json.loads((trained / "predictions.json").read_text())
    assert set(predictions) == {str(path) for path in folder.glob("high*.png")}
    for answer in predictions.values():
        assert max(answer["probabilities"], key=answer["probabilities"].get) == "high"
        assert [one["seconds"] for one in answer["segments"]] == pytest.approx(
            [0.0, 15.0], abs=0.05
        )


def test_what_is_for_audio_is_refused_in_one_line(run, assert_refused, trained):
    result = run("--mode=pca", f"--workdir={trained}")
    assert_refused(result, "--mode=pca is for spectrograms", "spectrogram.name is picture")


def test_there_are_no_synthetic_images():
    config = freeze(TrainConfig, config_file.get_config())
    with pytest.raises(
        InputError, match=r"config\.data\.root is not given; give a folder of GTZAN"
    ):
        load_data(config, lambda what, done, total: None)


def test_networks_of_images_hear_audio_too(run, trained, tmp_path):
    config = find_audio_run(str(trained)).config
    assert config.spectrogram == MelConfig()
    assert config.segment_frames == 167
    chirp = np.sin(2 * np.pi * 6000 * np.arange(22050) / 22050)
    soundfile.write(tmp_path / "high.wav", chirp, 22050)
    given = ("--mode=predict", f"--config.checkpoint={trained}", f"--workdir={tmp_path / 'new'}")
    result = run(*given, f"--input={tmp_path / 'high.wav'}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path / 'high.wav'}: high ")
    [answer] = json.loads((tmp_path / "new" / "predictions.json").read_text()).values()
    assert len(answer["segments"]) == 1  # It is repeated until a segment is full.


def test_every_band_is_drawn_in_its_rows():
    files = sorted((GTZAN / "images_original").rglob("*.png"))
    if not files:
        pytest.skip("there are no published images here")
    for file in files[::10]:
        levels = load_image(file)
        frames = np.round(255 * ImageConfig().decode(file)[1]().astype(np.float64)).T
        # Rows are equal to the row before or begin a band.
        begins = [0, *(1 + np.flatnonzero((levels[1:] != levels[:-1]).any(1)))]
        assert set(begins) <= set(np.flatnonzero((levels[:, None] == frames).all(2).any(1)))
        assert len(begins) <= len(frames) == 128
        np.testing.assert_array_equal(np.unique(levels, axis=0), np.unique(frames, axis=0))
