"""Weights in one file: what is read back, and what is refused."""

import io
import pathlib
import zipfile

import jax
import numpy as np
import pytest

from research.errors import InputError
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network, Variables
from research.training.weights import load_weights, save_weights

CONFIG = MultiChannelConfig(num_filters=(3, 4), width=3, batch_norm=True)


def arrays(config=CONFIG, seed: int = 0) -> Variables:
    return Network.init(config, (8, 5), 3, seed).variables


def zip_of_text(path: pathlib.Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no weights")


def array_file() -> bytes:
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "seed_0.npz"
    save_weights(path, arrays())
    return path


def test_trained_arrays_come_back_by_half_precision_and_the_rest_whole(tmp_path):
    variables = arrays()
    variables.stats["norms"][0]["var"] = np.float32([1e-9, 1e9, 1 / 3])
    save_weights(tmp_path / "a.npz", variables)
    found = load_weights(tmp_path / "a.npz", arrays(seed=1))
    assert jax.tree.structure(found) == jax.tree.structure(variables)
    jax.tree.map(np.testing.assert_array_equal, found.stats, variables.stats)
    jax.tree.map(
        lambda one, other: np.testing.assert_array_equal(one, np.float16(other)),
        found.params,
        variables.params,
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float32")}
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_the_same_arrays_are_the_same_bytes(file, tmp_path):
    save_weights(tmp_path / "again.npz", arrays())
    assert file.read_bytes() == (tmp_path / "again.npz").read_bytes()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            MultiChannelConfig(num_filters=(3, 6), width=3, batch_norm=True),
            ["params/convs/1/kernel is (3, 3, 4)", "config.model makes it (3, 3, 6)"],
        ),
        (
            MultiChannelConfig(num_filters=(3, 4), width=3),
            ["params/convs/0/bias is none", "makes it (3,)"],
        ),
        (
            MultiChannelConfig(num_filters=(3, 4, 5), width=3, batch_norm=True),
            ["is none, and config.model makes it (3, 4, 5)"],
        ),
    ],
    ids=["another width", "no normalisation", "another layer"],
)
def test_weights_of_another_network_are_refused_by_their_first_array(file, config, words):
    with pytest.raises(InputError) as error:
        load_weights(file, arrays(config))
    text = str(error.value)
    assert text.startswith(f"{file} is of another network: ")
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no weights"),
        lambda path: path.write_bytes(path.read_bytes()[:-300]),
        lambda path: np.savez(path, all=np.array([{}], object)),
        lambda path: np.savez(path, all=np.array(["text"])),
        lambda path: path.write_bytes(array_file()),
        zip_of_text,
        lambda path: path.write_bytes(
            path.read_bytes()[:200] + b"\xff" * 40 + path.read_bytes()[240:]
        ),
    ],
    ids=["missing", "empty", "text", "cut", "pickled", "text array", "array", "zip", "spoilt"],
)
def test_what_is_no_file_of_weights_is_refused_by_its_name(file, spoil):
    spoil(file)
    with pytest.raises(InputError) as error:
        load_weights(file, arrays())
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
