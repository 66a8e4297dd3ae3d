"""Layers of a classifier as features: their values, their gradient, and errors."""

import dataclasses
import gc
import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT

from configs import multi_channel, single_channel
from research.audio.stft import log_magnitude
from research.audio.waveform import Waveform, load_waveform, match_channels, resample
from research.errors import InputError
from research.models.network import Network
from research.settings import freeze
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.loop import StepConfig, start_state, to_saved
from research.transfer.classifier_layers import ClassifierLayers, load_classifier_layers
from research.transfer.frames import Frames

# Orbax leaves coroutines behind where it could not read; they complain when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LAYERS = ("logits", "conv1", "pool1", "conv2", "pool2", "features")
BINS, FRAMES = 33, 12
NETWORKS = ("single_channel", "multi_channel")
# Positions and dims of a segment of 12 frames by 33 bins.
SHAPES = {
    "single_channel": {
        "conv1": (12 * 33, 3),
        "pool1": (6 * 16, 3),
        "conv2": (6 * 16, 5),
        "pool2": (3 * 8, 5),
        "features": (1, 7),
        "logits": (1, 4),
    },
    "multi_channel": {
        "conv1": (12, 3),
        "pool1": (6, 3),
        "conv2": (6, 5),
        "pool2": (3, 5),
        "features": (1, 15),
        "logits": (1, 4),
    },
}


def save_training(workdir: pathlib.Path, network: str, fits=("seed_0",), **model) -> None:
    """A workdir as `run_train.py` leaves it, of arrays that nothing was trained to."""
    chosen = {"single_channel": single_channel, "multi_channel": multi_channel}[network]
    chosen = chosen.get_config("smoke")
    chosen.spectrogram.sample_rate = 8000
    chosen.spectrogram.stft.update(n_fft=2 * BINS - 2, hop_length=32)
    chosen.segments.seconds = 32 * (FRAMES - 1) / 8000
    small = {"num_filters": (3, 5), "width": 3, "dropout": 0.5, "batch_norm": True}
    if network == "single_channel":
        small["num_features"] = 7
    chosen.model.update(small | model)
    config = freeze(TrainConfig, chosen)
    assert config.segment_frames == FRAMES
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(chosen.to_json())
    manifest = {"genres": ["a", "b", "c", "d"], "tracks": {"a/1": ""}, "fits": dict.fromkeys(fits)}
    (workdir / "data.json").write_text(json.dumps(manifest))
    for seed, name in enumerate(fits):
        network = Network.init(config.model, (FRAMES, BINS), 4, seed)
        random = np.random.default_rng(seed)
        # Statistics of batch normalisation and biases that a fresh network does not have.
        network = jax.tree.map(
            lambda leaf, random=random: leaf + 0.3 * random.random(leaf.shape, np.float32),
            network,
        )
        with Checkpoints(workdir / "checkpoints" / name) as checkpoints:
            checkpoints.save(1, to_saved(start_state(network, StepConfig.of(config))), 0.5, [])


@pytest.fixture(scope="module", autouse=True)
def collected():
    """What these tests left behind is collected before the next ones."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def workdirs(tmp_path_factory) -> dict[str, pathlib.Path]:
    """A training of each network."""
    root = tmp_path_factory.mktemp("trainings")
    for network in NETWORKS:
        save_training(root / network, network)
    return {network: root / network for network in NETWORKS}


@pytest.fixture(scope="module")
def classifiers(workdirs) -> dict[str, ClassifierLayers]:
    """Each network with all of its layers."""
    return {network: load_classifier_layers(str(workdirs[network]), LAYERS) for network in NETWORKS}


def music(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(1.0, 0.7, shape).astype(np.float32)


@jax.jit
def compute(layers: ClassifierLayers, piece: jax.Array) -> dict[str, jax.Array]:
    """Activations of a piece without padding."""
    return {name: frames.values for name, frames in layers.activations(Frames.of(piece)).items()}


apply = jax.jit(Network.__call__)


def direct(layers: ClassifierLayers, segments: np.ndarray) -> dict[str, np.ndarray]:
    """`[segments, frames, bins]` by the classifier itself, one by one, in one row of positions."""
    each = [apply(layers.network, segment[None])[1] for segment in segments]
    return {
        layer: np.concatenate([np.reshape(one[layer], (-1, one[layer].shape[-1])) for one in each])
        for layer in each[0]
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_layers_come_as_positions_by_dims_and_in_the_asked_order(classifiers, network):
    found = {}

    def run(piece):
        found.update(classifiers[network].activations(Frames.of(piece)))

    jax.eval_shape(run, jnp.zeros((2, 3 * FRAMES, BINS)))
    shapes = {layer: (2, 3 * n, dims) for layer, (n, dims) in SHAPES[network].items()}
    assert {layer: frames.values.shape for layer, frames in found.items()} == shapes
    assert tuple(found) == LAYERS
    dims = {layer: dims for layer, (_, dims) in SHAPES[network].items()}
    assert classifiers[network].feature_dims == dims


@pytest.mark.parametrize("network", NETWORKS)
def test_layers_are_those_of_segments_of_the_piece(classifiers, network):
    piece = music(2, 2 * FRAMES + 1, BINS)
    segments = np.stack([piece[:, start : start + FRAMES] for start in (0, 6, 13)], axis=1)
    found = compute(classifiers[network], piece)
    for channel in range(2):
        wanted = direct(classifiers[network], segments[channel])
        for layer, values in found.items():
            np.testing.assert_allclose(values[channel], wanted[layer], rtol=1e-4, atol=1e-5)


@pytest.fixture
def cut(classifiers, monkeypatch):
    """Segments as the classifier gets them, of a piece of so many frames of which each is told."""
    monkeypatch.setattr(Network, "__call__", lambda _, batch: (None, {"input": batch}))
    layers = dataclasses.replace(classifiers["multi_channel"], layers=("input",))

    def run(num_frames: int) -> np.ndarray:
        piece = np.arange(num_frames, dtype=np.float32)[None, :, None].repeat(BINS, axis=2)
        found = jax.jit(layers.activations)(Frames(piece, num_frames))["input"]
        assert found.count == found.values.shape[1]
        frames = np.asarray(found.values)
        assert frames.shape[::2] == (1, BINS)
        assert np.all(frames == frames[..., :1])
        return frames[0, :, 0].reshape(-1, FRAMES)

    return run


def test_segments_are_as_few_and_even_as_cover_a_piece(cut):
    for num_frames in range(FRAMES, 6 * FRAMES + 2):
        segments = cut(num_frames)
        assert len(segments) == -(-num_frames // FRAMES)
        assert np.all(np.diff(segments, axis=1) == 1.0)
        assert set(np.unique(segments)) == set(range(num_frames))
        assert np.ptp(np.diff(segments[:, 0])) <= 1.0 if len(segments) > 1 else True


@pytest.mark.parametrize("num_frames", [1, 5, 11])
def test_a_piece_shorter_than_a_segment_is_repeated(cut, num_frames):
    np.testing.assert_array_equal(cut(num_frames), [np.arange(FRAMES) % num_frames])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("num_frames", [7, FRAMES, 2 * FRAMES + 1])
def test_frames_after_a_piece_change_nothing(classifiers, network, num_frames):
    piece = music(2, 4 * FRAMES + 3, BINS)
    found = jax.jit(ClassifierLayers.activations)(classifiers[network], Frames(piece, num_frames))
    for layer, expected in compute(classifiers[network], piece[:, :num_frames]).items():
        count = int(found[layer].count)
        assert count == expected.shape[1]
        np.testing.assert_allclose(found[layer].values[:, :count], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found[layer].values[:, count:], 0.0)


@pytest.mark.parametrize("network", NETWORKS)
def test_input_is_that_of_the_classifier_for_a_file(classifiers, clips, network):
    layers = classifiers[network]
    recording = load_waveform(clips["band"])
    recording = Waveform(recording.samples[:, : 2 * recording.sample_rate], recording.sample_rate)
    frames = layers.spectrogram.frames(recording)
    count = len(frames) // FRAMES
    wanted = direct(
        layers, frames[: count * FRAMES].reshape(count, FRAMES, BINS).astype(np.float32)
    )
    mono = Waveform(match_channels(recording.samples, 1), recording.sample_rate)
    samples = resample(mono, layers.spectrogram.sample_rate).samples
    spectrogram = log_magnitude(samples, layers.spectrogram.stft)
    for layer, values in compute(layers, spectrogram[:, : count * FRAMES]).items():
        # Files are kept in half precision.
        error = 1e-3 * np.abs(wanted[layer]).max()
        np.testing.assert_allclose(values[0], wanted[layer], rtol=1e-3, atol=error)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("num_frames", [7, 2 * FRAMES + 5])
def test_the_gradient_equals_finite_differences(classifiers, network, num_frames):
    layers = classifiers[network]
    # In double precision: rectifiers and poolings have corners, which small steps seldom cross.
    with jax.enable_x64(True):
        layers = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), layers)
        piece, direction = (music(1, num_frames, BINS, seed=s).astype(float) for s in (1, 2))

        @jax.jit
        @jax.value_and_grad
        def loss(piece):
            return sum(jnp.mean(jnp.square(values)) for values in compute(layers, piece).values())

        _, gradient = loss(piece)
        step = 1e-6 * direction
        change = (loss(piece + step)[0] - loss(piece - step)[0]) / 2e-6
        assert np.all(np.isfinite(gradient))
        assert np.all(np.any(gradient != 0.0, axis=(0, 2)))
        assert float(jnp.vdot(gradient, direction)) == pytest.approx(float(change), rel=1e-6)


def test_another_network_of_the_same_structure_compiles_nothing(workdirs, classifiers, tmp_path):
    save_training(tmp_path, "multi_channel", fits=("seed_0", "seed_1"))
    layers = load_classifier_layers(str(tmp_path), LAYERS)
    assert hash(layers.network.structure) == hash(classifiers["multi_channel"].network.structure)
    traced = []

    @jax.jit
    def count(layers, piece):
        traced.append(layers)
        return compute(layers, piece)["logits"]

    other = jax.tree.map(lambda leaf: leaf + 0.1, layers)
    piece = music(1, FRAMES, BINS)
    first, second, again = (
        count(one, piece) for one in (layers, other, classifiers["multi_channel"])
    )
    assert len(traced) == 1
    assert np.any(first != second)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("fits", [("seed_3", "seed_4"), ("seed_0_fold_0", "seed_0_fold_1")])
def test_the_first_fit_is_taken(tmp_path, fits):
    save_training(tmp_path, "multi_channel", fits=fits)
    first = load_classifier_layers(str(tmp_path), ("conv1",))
    shutil.rmtree(tmp_path / "checkpoints" / fits[1])
    again = load_classifier_layers(str(tmp_path), ("conv1",))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert first.segment_frames == FRAMES
    assert first.spectrogram.stft.num_bins == BINS


def test_spectrograms_of_other_bins_or_no_frames_are_refused(classifiers):
    for shape in ((1, FRAMES, BINS + 1), (1, 0, BINS)):
        with pytest.raises(ValueError, match=f"{shape[1]} frames by {shape[2]} bins.*{BINS} bins"):
            compute(classifiers["multi_channel"], np.zeros(shape, np.float32))


def assert_refused(checkpoint: object, layers: tuple[str, ...], *words: str) -> None:
    with pytest.raises(InputError) as error:
        load_classifier_layers(str(checkpoint), layers)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("layers", [("conv3",), ("conv1", "Logits"), ("",), ()])
def test_layers_that_are_not_there_are_told_with_those_that_are(workdirs, network, layers):
    wrong = repr(layers[-1]) if layers else "empty"
    assert_refused(workdirs[network], layers, "config.layers", wrong, *LAYERS)


def test_networks_of_another_front_end_are_refused():
    shipped = ROOT / "research" / "shipped"
    assert_refused(shipped, ("block1",), f"config.checkpoint {shipped}", "front end mel", "stft")
    assert_refused("shipped", ("block1",), "config.layers need config.checkpoint")


def test_layers_are_those_of_the_network_that_was_trained(tmp_path):
    save_training(tmp_path, "multi_channel", num_filters=(3, 4, 5))
    layers = load_classifier_layers(str(tmp_path), ("pool3",))
    shapes = jax.eval_shape(compute, layers, jnp.zeros((1, FRAMES, BINS)))
    assert {layer: values.shape for layer, values in shapes.items()} == {"pool3": (1, 1, 5)}


def test_a_checkpoint_that_is_none_is_refused_in_one_line(workdirs, tmp_path):
    say = ("config.checkpoint", "--workdir", "run_train.py")
    assert_refused("", ("conv1",), *say)
    assert_refused(tmp_path / "nowhere", ("conv1",), *say, "nowhere")
    assert_refused(workdirs["multi_channel"] / "config.json", ("conv1",), *say)
    assert_refused(tmp_path, ("conv1",), *say, str(tmp_path))
    # As `--mode=pca` leaves it.
    for name in ("config.json", "data.json"):
        shutil.copy(workdirs["multi_channel"] / name, tmp_path)
    assert_refused(tmp_path, ("conv1",), *say, str(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "data.json", "seed_0"])
@pytest.mark.parametrize("how", ["gone", "halved", "emptied", "another"])
def test_a_damaged_training_is_refused_in_one_line(workdirs, tmp_path, name, how):
    workdir = tmp_path / "copy"
    shutil.copytree(workdirs["multi_channel"], workdir)
    paths = [workdir / name]
    if name == "seed_0":
        folder = workdir / "checkpoints" / name / "1" / "state"
        paths = [path for path in folder.rglob("*") if path.is_file()]
    for path in paths:
        content = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            keep = {"halved": content[: len(content) // 2], "emptied": b"", "another": b"{}"}
            path.write_bytes(keep[how])
    assert_refused(workdir, ("conv1",), "config.checkpoint", str(workdir))


def test_weights_of_another_network_are_refused(workdirs, tmp_path):
    shutil.copytree(workdirs["multi_channel"], tmp_path / "copy")
    shutil.copy(workdirs["single_channel"] / "config.json", tmp_path / "copy")
    assert_refused(tmp_path / "copy", ("conv1",), "config.checkpoint", "another network")
