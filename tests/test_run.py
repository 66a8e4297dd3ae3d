"""Runs: which one is meant, what is loaded of it, and which tracks it was trained on."""

import dataclasses
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

from research.data.front_ends.images import ImageConfig
from research.data.front_ends.mel import MelConfig
from research.data.segments import SegmentConfig
from research.data.tracks import Collection, Track
from research.errors import InputError
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network
from research.settings import freeze, to_config_dict
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.loop import StepConfig, start_state, to_saved
from research.training.run import (
    SHIPPED,
    Run,
    find_audio_run,
    find_run,
    fingerprint,
    was_trained,
)
from research.workdir import claim_config


def test_shipped_is_a_name_and_every_other_a_folder(untrained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped").mkdir()
    assert find_run("shipped").folder == SHIPPED
    assert find_run(str(untrained)) == Run.load(untrained)
    assert was_trained(SHIPPED) and was_trained(untrained) and not was_trained(tmp_path)
    for name, words in {"": "is empty", "none": "is no folder", ".": "holds no training"}.items():
        with pytest.raises(InputError, match=rf"^config\.checkpoint .*{words}; give shipped, or"):
            find_run(name)


def test_the_shipped_networks_are_used_on_audio():
    run = find_audio_run("shipped")
    assert run.folder == SHIPPED
    assert run.config.spectrogram.from_audio and run.config.segment_frames == 128
    assert run.front_end == "picture" == find_run("shipped").config.spectrogram.name
    assert len(run.genres) == 10


def save_run(folder: pathlib.Path, config: TrainConfig, **manifest) -> pathlib.Path:
    (folder / "config.json").write_text(to_config_dict(config).to_json())
    manifest = {"genres": ["a", "b", "c"], "tracks": {"a/1": ""}, "fits": {"seed_0": {}}} | manifest
    (folder / "data.json").write_text(json.dumps(manifest))
    return folder


def test_keys_that_a_run_lacks_take_their_defaults(tmp_path):
    config = TrainConfig(num_epochs=3, model=MultiChannelConfig(width=5))
    saved = json.loads(to_config_dict(config).to_json())
    for key in ("optimiser", "schedule", "averaging", "pca", "checkpoint", "seeds"):
        del saved[key]
    del saved["spectrogram"]["name"], saved["augment"]["shift"], saved["segments"]["overlap"]
    save_run(tmp_path, config)
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert Run.load(tmp_path).config == config
    claim_config(tmp_path / "config.json", config, binding=True)
    assert json.loads((tmp_path / "config.json").read_text())["optimiser"] == "adamw"


def test_a_config_binds_but_for_the_fields_that_say_otherwise(tmp_path):
    path = tmp_path / "config.json"
    claim_config(path, TrainConfig(), binding=True)
    free = TrainConfig(tensorboard=True, checkpoint="x")
    free = dataclasses.replace(free, data=dataclasses.replace(free.data, root="b", cache="c"))
    free = dataclasses.replace(free, pca=dataclasses.replace(free.pca, max_components=3))
    claim_config(path, free, binding=True)
    other = TrainConfig(optimiser="sgd")
    with pytest.raises(InputError, match=r"another run: optimiser is 'adamw' in its config\.json"):
        claim_config(path, other, binding=True)
    claim_config(path, other, binding=False)
    path.write_text("[3]")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        claim_config(path, other, binding=True)


def test_changes_take_the_place_of_values_of_the_run(tmp_path):
    save_run(tmp_path, TrainConfig())
    run = Run.load(tmp_path, {"data.files.test": "list.txt", "data.root": "x", "pca": {}})
    assert (run.config.data.files.test, run.config.data.root) == ("list.txt", "x")
    assert Run.load(tmp_path).config == TrainConfig()
    with pytest.raises(InputError, match=r"^config\.data\.split is 'x'; give one of"):
        Run.load(tmp_path, {"data.split": "x"})


def collection(**digests: str) -> Collection:
    """Tracks of blues by what they hold."""
    tracks = (Track(f"blues/{name}", 0, digest, 9) for name, digest in digests.items())
    return Collection("root", ("blues",), tuple(tracks), {})


def run_of(tracks: dict, fits: dict, config: TrainConfig, front_end: str) -> Run:
    return Run(pathlib.Path("folder"), config, ("blues",), tracks, fits, front_end)


def test_subsets_are_those_of_the_training_whatever_a_track_is_called_now():
    tracks = {"a/1": "one", "a/2": "two", "b/3": "three", "b/4": "four"}
    # Segments of one track may be in all subsets.
    fits = {"f": {"train": ["a/1"], "validation": ["a/1", "a/2"], "test": ["a/1", "b/3"]}}
    run = run_of(tracks, fits, TrainConfig(), "stft")
    now = collection(x="two", y="three", z="never seen")
    assert run.subsets_of(now) == {"f": {"one": "train", "two": "validation"}}


@pytest.mark.parametrize("call", [str, fingerprint], ids=["by name", "by a hash of it"])
def test_audio_is_recognised_by_the_names_of_its_images(call):
    names = [call(f"blues/blues{number:05d}.png") for number in range(3)]
    tracks = {name: f"image {name}" for name in names}
    fits = {"f": {"train": names[:1], "validation": names[1:2], "test": names[2:]}}
    audio = collection(**{f"blues.{number:05d}.wav": f"sound {number}" for number in range(4)})
    on_audio, on_images = (
        run_of(tracks, fits, TrainConfig(spectrogram=front_end), "picture").subsets_of(audio)["f"]
        for front_end in (MelConfig(), ImageConfig())
    )
    assert {on_audio.get(digest) for digest in ("sound 2", "sound 3")} == {None}
    assert (on_audio["sound 0"], on_audio["sound 1"]) == ("train", "validation")
    # Other images of the same names may be copies.
    assert on_images == on_audio


def test_a_network_is_used_with_its_average_where_one_was_kept(tmp_path):
    model = MultiChannelConfig(num_filters=(2,), width=3)
    config = TrainConfig(model=model, segments=SegmentConfig(0.5), averaging=0.5)
    shape = config.segment_frames, config.spectrogram.num_bins
    network = Network.init(model, shape, 3, 0)
    state = start_state(network, StepConfig.of(config))
    state = state._replace(average=jax.tree.map(lambda leaf: leaf + 1, network.variables))
    save_run(tmp_path, config)
    (tmp_path / "checkpoints").mkdir()
    with Checkpoints(tmp_path / "checkpoints" / "seed_0") as checkpoints:
        checkpoints.save(4, to_saved(state), 0.5, [])
    found, step = Run.load(tmp_path).restore("seed_0")
    assert step == 4
    jax.tree.map(np.testing.assert_array_equal, found.variables, state.average)


def test_missing_weights_are_told_by_their_name(tmp_path):
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    (copy / "weights" / "seed_1.npz").unlink()
    with pytest.raises(InputError, match=r"weights/seed_1\.npz cannot be read"):
        Run.load(copy).restore("seed_1")


def test_shipped_weights_of_another_shape_are_told(tmp_path):
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    text = (copy / "config.json").read_text()
    assert '"stem": 16' in text
    (copy / "config.json").write_text(text.replace('"stem": 16', '"stem": 8'))
    with pytest.raises(InputError, match=r"seed_0\.npz is of another network: params/") as error:
        Run.load(copy).restore("seed_0")
    assert "\n" not in str(error.value)


def test_slices_and_copies_are_recognised_by_the_names_of_their_recordings():
    names = [fingerprint(f"blues/blues{number:05d}.png") for number in range(3)]
    fits = {"f": {"train": names[:1], "validation": names[1:2], "test": names[2:]}}
    run = run_of({name: f"image {name}" for name in names}, fits, TrainConfig(), "stft")
    now = {"blues.00000.3.wav", "BLUES_00000.mp3", "x/blues.00000.wav", "blues.00000/4.wav"}
    others = {"blues.00002.1.wav", "blues.00003.wav", "blue.00000.wav", "caf\udce9.wav"}
    found = run.subsets_of(collection(**{name: name for name in now | others}))["f"]
    assert {name: found.get(name) for name in now} == dict.fromkeys(now, "train")
    assert not others & found.keys()
    assert run.by_names(collection())


def test_copies_in_another_format_are_recognised_by_their_names():
    fits = {"f": {"train": ["blues/blues.00001.wav"], "validation": [], "test": []}}
    config = TrainConfig()
    own = run_of({"blues/blues.00001.wav": "one", "blues/2.wav": "two"}, fits, config, "stft")
    # A run knows its own files by what they hold.
    same = collection(**{"blues.00001.wav": "two"})
    assert not own.by_names(same) and own.subsets_of(same) == {"f": {"one": "train"}}
    copies = collection(**{"blues.00001.mp3": "1 lossy", "blues.00001.2.wav": "a slice"})
    assert own.by_names(copies)
    found = own.subsets_of(copies)["f"]
    assert found["1 lossy"] == found["a slice"] == "train"
    # If the names mislead, they say nothing.
    files = dataclasses.replace(config.data, recordings="files")
    own = dataclasses.replace(own, config=dataclasses.replace(config, data=files))
    assert not own.by_names(copies) and own.subsets_of(copies) == {"f": {"one": "train"}}


def test_runs_of_before_split_files_whatever_their_names(tmp_path):
    save_run(tmp_path, TrainConfig())
    assert Run.load(tmp_path).config.data.recordings == "names"
    saved = json.loads((tmp_path / "config.json").read_text())
    del saved["data"]["recordings"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert Run.load(tmp_path).config.data.recordings == "files"
    claim_config(tmp_path / "config.json", TrainConfig(), binding=True)


@pytest.mark.parametrize("key", ["root", "cache", "files.train", "files.validation", "files.test"])
def test_paths_are_not_empty(key):
    config = to_config_dict(TrainConfig())
    for value in ("", " "):
        config.update_from_flattened_dict({f"data.{key}": value})
        with pytest.raises(InputError, match=rf"^config\.data\.{key} is empty .*; give a path"):
            freeze(TrainConfig, config)
