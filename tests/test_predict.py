"""Genres of files and of waveforms in memory, by networks that are not trained."""

import dataclasses
import gc
import json
import pathlib
import shutil

import numpy as np
import pytest
import soundfile

from research.audio.stft import StftConfig
from research.audio.waveform import Waveform, load_waveform
from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig
from research.data.spectrogram_cache import SpectrogramCache
from research.errors import InputError
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network
from research.settings import to_config_dict
from research.training import predict
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.evaluation import log_probabilities
from research.training.loop import StepConfig, start_state, to_saved
from research.training.run import Run

# Orbax leaves coroutines behind where it could not read; they complain when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

RATE = 8000
GENRES = ["high", "low", "middle"]
FITS = ("seed_0", "seed_1")
CONFIG = TrainConfig(
    batch_size=4,
    spectrogram=SpectrogramConfig(RATE, StftConfig(256, 128)),
    segments=SegmentConfig(seconds=0.5),
    model=MultiChannelConfig(num_filters=(4, 4), width=3),
)


@pytest.fixture(scope="module", autouse=True)
def collected():
    """What these tests left behind is collected before the next ones."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def workdir(tmp_path_factory) -> pathlib.Path:
    """The part of a run of two seeds that predictions need."""
    workdir = tmp_path_factory.mktemp("run") / "work"
    shape = CONFIG.segment_frames, CONFIG.spectrogram.stft.num_bins
    for seed, name in enumerate(FITS):
        network = Network.init(CONFIG.model, shape, len(GENRES), seed)
        (workdir / "checkpoints").mkdir(parents=True, exist_ok=True)
        with Checkpoints(workdir / "checkpoints" / name) as checkpoints:
            checkpoints.save(1, to_saved(start_state(network, StepConfig.of(CONFIG))), 0.5, [])
    chosen = json.loads(to_config_dict(CONFIG).to_json())
    # Runs from before these keys have none of them.
    for key in ("optimiser", "schedule", "warmup_epochs", "weight_decay", "label_smoothing"):
        del chosen[key]
    del chosen["averaging"], chosen["pca"], chosen["checkpoint"], chosen["segments"]["overlap"]
    del chosen["spectrogram"]["name"], chosen["augment"]["equaliser_db"], chosen["augment"]["shift"]
    (workdir / "config.json").write_text(json.dumps(chosen))
    manifest = {"genres": GENRES, "tracks": {"a": "1"}, "fits": {fit: {} for fit in FITS}}
    (workdir / "data.json").write_text(json.dumps(manifest))
    return workdir


@pytest.fixture(scope="module")
def ensemble(workdir) -> predict.Ensemble:
    """Its networks."""
    return predict.load_ensemble(str(workdir))


def noise(seconds: float, seed: int = 0, channels: int = 1, rate: int = RATE) -> Waveform:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, round(seconds * rate)))
    return Waveform(samples.astype(np.float32), rate)


def expected(ensemble: predict.Ensemble, waveform: Waveform) -> np.ndarray:
    """Probabilities, one segment and one network after the other."""
    frames, length = CONFIG.spectrogram.frames(waveform), CONFIG.segment_frames
    count = max((len(frames) - 1) // (length - 1), 1)
    if len(frames) < length:
        frames = np.concatenate([frames] * length)[: -(-length // len(frames)) * len(frames)]
        count = 1
    rows = [
        np.asarray(log_probabilities(network, frames[None, s : s + length]))
        for s in np.linspace(0, len(frames) - length, count).round().astype(int)
        for network in ensemble.networks
    ]
    product = np.exp(np.mean(np.concatenate(rows).astype(np.float64), axis=0))
    return product / product.sum()


@pytest.mark.parametrize(
    "waveform",
    [
        noise(0.5),
        noise(1.3, 1),
        noise(3.2, 2, channels=2),
        noise(0.13, 3),
        noise(0.9, 4, rate=11025),
        Waveform(np.zeros((1, RATE), np.float32), RATE),
    ],
)
def test_predictions_are_means_over_segments_and_networks(ensemble, waveform):
    answer = predict.predict_waveform(ensemble, waveform)
    assert list(answer["probabilities"]) == GENRES
    np.testing.assert_allclose(
        list(answer["probabilities"].values()), expected(ensemble, waveform), rtol=1e-4
    )


def test_segments_are_those_of_the_whole(ensemble):
    answer = predict.predict_waveform(ensemble, noise(2.1))
    assert [one["seconds"] for one in answer["segments"]] == pytest.approx(
        np.linspace(0, 1.6, 4), abs=0.02
    )
    logs = np.log([list(one["probabilities"].values()) for one in answer["segments"]])
    product = np.exp(logs.mean(0))
    np.testing.assert_allclose(
        list(answer["probabilities"].values()), product / product.sum(), rtol=1e-3
    )


def test_genres_of_recordings_are_the_predictions_of_files_in_order(workdir, ensemble, tmp_path):
    recordings = {}
    for seed, name in enumerate(("content", "style", "output")):
        waveform = noise(1.0 + seed / 3, seed)
        soundfile.write(tmp_path / f"{name}.wav", waveform.samples.T, RATE, subtype="FLOAT")
        recordings[name] = load_waveform(tmp_path / f"{name}.wav")
    found = predict.predict_genres(ensemble, recordings)
    assert list(found) == ["content", "style", "output"]
    files = [tmp_path / f"{name}.wav" for name in recordings]
    for (file, answer), one in zip(
        predict.predict_files(ensemble, files), found.values(), strict=True
    ):
        assert set(one) == {"genre", "probabilities"}, file
        assert one["probabilities"] == answer["probabilities"]
        probabilities = list(one["probabilities"].values())
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1.0)
        assert one["genre"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert json.loads(json.dumps(found)) == found


def test_networks_are_restored_once_for_all_recordings(workdir, monkeypatch):
    restored = []

    restore = Run.restore

    def counting(run, fit):
        restored.append(fit)
        return restore(run, fit)

    monkeypatch.setattr(Run, "restore", counting)
    ensemble = predict.load_ensemble(str(workdir))
    predict.predict_genres(ensemble, {"content": noise(0.6), "style": noise(0.7, 1)})
    assert restored == list(FITS)


def test_no_network_is_left_out(ensemble):
    alone = [
        predict.predict_waveform(dataclasses.replace(ensemble, networks=(one,)), noise(0.6))
        for one in ensemble.networks
    ]
    assert alone[0]["probabilities"] != alone[1]["probabilities"]
    product = np.sqrt(np.prod([list(one["probabilities"].values()) for one in alone], axis=0))
    np.testing.assert_allclose(
        list(predict.predict_waveform(ensemble, noise(0.6))["probabilities"].values()),
        product / product.sum(),
        rtol=1e-4,
    )


def test_in_words():
    found = {
        "content": {"genre": "classical", "probabilities": {"classical": 0.826, "jazz": 0.174}},
        "style": {"genre": "metal", "probabilities": {"metal": 0.714, "rock": 0.286}},
        "output": {"genre": "metal", "probabilities": {"metal": 0.55, "jazz": 0.45}},
    }
    assert predict.in_words(found) == (
        "predicted genres: content classical (83 %), style metal (71 %), output metal (55 %)"
    )


def test_ranked_keeps_the_order_of_equals():
    probabilities = {"a": 0.25, "b": 0.25, "c": 0.5}
    assert list(predict.ranked(probabilities)) == ["c", "a", "b"]


def test_a_file_that_cannot_be_used_is_named_once_and_the_rest_go_on(ensemble, tmp_path):
    loud, broken, good = (tmp_path / f"{name}.wav" for name in ("loud", "broken", "good"))
    soundfile.write(loud, 1e30 * noise(0.6).samples.T, RATE, subtype="FLOAT")
    broken.write_text("no audio")
    soundfile.write(good, noise(0.6).samples.T, RATE)
    answers = dict(predict.predict_files(ensemble, [loud, broken, good]))
    assert str(answers[loud]).startswith(f"{loud}: samples are far above full scale")
    for file in (loud, broken):
        assert isinstance(answers[file], InputError)
        assert str(answers[file]).count(str(file)) == 1
        assert "\n" not in str(answers[file])
    assert set(answers[good]) == {"probabilities", "segments"}
    [entry] = SpectrogramCache(tmp_path / "cache", CONFIG.spectrogram).add([loud])
    assert str(entry) == str(answers[loud])


def test_a_recording_that_cannot_be_used_is_named(ensemble):
    loud = Waveform(1e30 * noise(0.6).samples, RATE)
    with pytest.raises(InputError, match=r"^output: samples are far above full scale"):
        predict.predict_genres(ensemble, {"content": noise(0.6), "output": loud})


def is_file(workdir: pathlib.Path) -> None:
    shutil.rmtree(workdir)
    workdir.write_text("a file")


def write(name: str, text: str):
    return lambda workdir: (workdir / name).write_text(text)


def change(name: str, key: str, value: object):
    def spoil(workdir: pathlib.Path) -> None:
        content = json.loads((workdir / name).read_text())
        place = content
        *outer, last = key.split(".")
        for step in outer:
            place = place[step]
        place[last] = value
        (workdir / name).write_text(json.dumps(content))

    return spoil


def truncate_the_second(workdir: pathlib.Path) -> None:
    files = (workdir / "checkpoints" / "seed_1" / "1").rglob("*")
    largest = max(files, key=lambda path: path.stat().st_size * path.is_file())
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])


RUN = "give shipped, or the --workdir of a run_train.py run"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, ["is no folder", RUN]),
        (is_file, ["is no folder", RUN]),
        (lambda workdir: shutil.rmtree(workdir / "checkpoints"), ["holds no training", RUN]),
        (lambda workdir: (workdir / "data.json").unlink(), ["data.json", "--workdir"]),
        (lambda workdir: shutil.rmtree(workdir / "checkpoints" / "seed_1"), ["seed_1", "train"]),
        (truncate_the_second, ["seed_1", "damaged"]),
        (write("config.json", '{"seed": '), ["config.json", "cannot be read", "--workdir"]),
        (write("config.json", "[3]"), ["config.json", "damaged", "--workdir"]),
        (change("config.json", "batch_size", 0), ["config.json: config.batch_size is 0"]),
        (change("config.json", "model", {}), ["config.json", "damaged", "model", "--workdir"]),
        (
            change("config.json", "model.name", "x"),
            ["config.json: config.model.name", "multi_channel"],
        ),
        (change("config.json", "model.width", 5), ["seed_0", "another network"]),
        (change("data.json", "genres", []), ["data.json", "damaged", "genres", "--workdir"]),
        (change("data.json", "genres", GENRES[:2]), ["seed_0", "another network"]),
        (change("data.json", "fits", None), ["data.json", "damaged", "fits", "--workdir"]),
    ],
)
def test_what_is_no_training_is_refused_in_one_line(workdir, tmp_path, spoil, words):
    copy = shutil.copytree(workdir, tmp_path / "work")
    spoil(copy)
    with pytest.raises(InputError) as error:
        predict.load_ensemble(str(copy))
    message = str(error.value)
    assert message.startswith(f"config.checkpoint {copy}")
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_an_empty_name_is_refused():
    with pytest.raises(InputError, match=rf"^config\.checkpoint is empty; {RUN}$"):
        predict.load_ensemble("")


def test_home_folder_is_understood(workdir, monkeypatch):
    monkeypatch.setenv("HOME", str(workdir.parent))
    assert predict.load_ensemble("~/work").genres == tuple(GENRES)


def test_a_run_is_loaded_as_it_was_chosen_or_with_changes(workdir):
    run = Run.load(workdir)
    assert run.config == CONFIG
    assert run.genres == tuple(GENRES)
    changes = {"pca": {"explained_variance": 0.5, "max_components": 3, "num_segments": 9}}
    changed = Run.load(workdir, {**changes, "data.files.test": "list.txt"}).config
    assert changed.pca.max_components == 3
    assert changed.data.files.test == "list.txt"
    with pytest.raises(InputError, match=r"^config\.data\.split is 'x'; give one of"):
        Run.load(workdir, {"data.split": "x"})
