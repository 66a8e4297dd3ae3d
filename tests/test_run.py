"""What a training left: which networks are meant, what they see, and what they were trained on."""

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
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.loop import StepConfig, start_state, to_saved
from research.training.run import (
    SHIPPED,
    find_checkpoint,
    fingerprint,
    load_checkpoint,
    restore,
    training_parts,
    was_trained,
)


def test_shipped_is_a_name_and_every_other_a_folder(untrained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped").mkdir()
    assert find_checkpoint("shipped") == SHIPPED
    assert find_checkpoint(str(untrained)) == untrained
    assert was_trained(SHIPPED) and was_trained(untrained) and not was_trained(tmp_path)
    for name, words in {"": "is empty", "none": "is no folder", ".": "holds no training"}.items():
        with pytest.raises(InputError, match=rf"^config\.checkpoint .*{words}; give shipped, or"):
            find_checkpoint(name)


def test_the_shipped_networks_hear():
    workdir, config, manifest = load_checkpoint("shipped")
    assert workdir == SHIPPED
    assert config.spectrogram.from_audio and config.segment_frames == 128
    assert len(manifest["genres"]) == 10


def collection(**digests: str) -> Collection:
    """Tracks of blues by what they hold."""
    tracks = (Track(f"blues/{name}", 0, digest, 9) for name, digest in digests.items())
    return Collection("root", ("blues",), tuple(tracks), {})


def test_parts_are_those_of_the_training_whatever_a_track_is_called_now():
    manifest = {
        "tracks": {"a/1": "one", "a/2": "two", "b/3": "three", "b/4": "four"},
        # Pieces of one track may be on all sides.
        "fits": {"f": {"train": ["a/1"], "validation": ["a/1", "a/2"], "test": ["a/1", "b/3"]}},
    }
    now = collection(x="two", y="three", z="never seen")
    parts = training_parts(TrainConfig(), manifest, now)
    assert parts == {"f": {"one": "train", "two": "validation"}}


@pytest.mark.parametrize("call", [str, fingerprint], ids=["by name", "by a hash of it"])
def test_sounds_are_known_by_what_their_pictures_are_called(call):
    names = [call(f"blues/blues{number:05d}.png") for number in range(3)]
    manifest = {
        "tracks": {name: f"picture {name}" for name in names},
        "fits": {"f": {"train": names[:1], "validation": names[1:2], "test": names[2:]}},
        "saw": "picture",
    }
    sounds = {f"blues.{number:05d}.wav": f"sound {number}" for number in range(4)}
    heard, seen = (TrainConfig(spectrogram=kind) for kind in (MelConfig(), ImageConfig()))
    parts = training_parts(heard, manifest, collection(**sounds))["f"]
    assert {parts.get(digest) for digest in ("sound 2", "sound 3")} == {None}
    assert (parts["sound 0"], parts["sound 1"]) == ("train", "validation")
    assert ("sound 0" in training_parts(seen, manifest, collection(**sounds))["f"]) == (
        call is fingerprint
    )  # Other pictures may be called the same.


def test_a_network_is_used_with_its_average_where_one_was_kept(tmp_path):
    model = MultiChannelConfig(num_filters=(2,), width=3)
    config = TrainConfig(model=model, segments=SegmentConfig(0.5), averaging=0.5)
    shape = config.segment_frames, config.spectrogram.num_bins
    network = Network.init(model, shape, 3, 0)
    state = start_state(network, StepConfig.of(config))
    state = state._replace(average=jax.tree.map(lambda leaf: leaf + 1, network.variables))
    (tmp_path / "checkpoints").mkdir()
    with Checkpoints(tmp_path / "checkpoints" / "seed_0") as checkpoints:
        checkpoints.save(4, to_saved(state), 0.5, [])
    found, step = restore(config, tmp_path, "seed_0", 3)
    assert step == 4
    jax.tree.map(np.testing.assert_array_equal, found.variables, state.average)


def test_missing_weights_are_told_by_their_name(tmp_path):
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    (copy / "weights" / "seed_2.npz").unlink()
    _, config, manifest = load_checkpoint(str(copy))
    with pytest.raises(InputError, match=r"weights/seed_2\.npz cannot be read"):
        restore(config, copy, "seed_2", len(manifest["genres"]))


def test_shipped_weights_of_another_shape_are_told(tmp_path):
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    text = (copy / "config.json").read_text()
    assert '"stem": 16' in text
    (copy / "config.json").write_text(text.replace('"stem": 16', '"stem": 8'))
    _, config, manifest = load_checkpoint(str(copy))
    with pytest.raises(InputError, match=r"seed_0\.npz is of another network: params/") as error:
        restore(config, copy, "seed_0", len(manifest["genres"]))
    assert "\n" not in str(error.value)
