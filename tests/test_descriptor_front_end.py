"""Rows of tables by track, what standardises them, and the real script on them."""

import functools
import json
import pathlib
import subprocess
from collections.abc import Callable

import jax
import numpy as np
import pytest
from conftest import ROOT

from configs import descriptors as config_file
from research.data.descriptor_tables import DescriptorTable, load_descriptors, save_descriptors
from research.data.descriptors import FEATURES
from research.data.front_ends.descriptors import DescriptorConfig, find_table, rows_by_track
from research.errors import InputError
from research.models.network import Network, Variables
from research.settings import freeze
from research.training.config import TrainConfig
from research.training.experiment import check_genres, match_genres, plan
from research.training.run import Run, find_audio_run
from research.training.standardisation import standardise_input

GTZAN = ROOT.parent / "shared" / "data" / "gtzan"
GENRES = ("blues", "rock")
# From 1e-5 to 1e6, as in the published tables.
SCALES = np.logspace(-5, 6, len(FEATURES))


def make_rows(name: str, genre: str, count: int, seed: int) -> list[tuple]:
    """Rows of one track, slices of it if there are several; most numbers tell genres apart."""
    random = np.random.default_rng(seed)
    middle = 3 + 2 * GENRES.index(genre) + 0.5 * random.standard_normal(len(FEATURES))
    rows = []
    for i in range(count):
        values = SCALES * (middle + 0.1 * random.standard_normal(len(FEATURES)))
        values[0] = 0.25
        file = f"{name}.{i}.wav" if count > 1 else f"{name}.wav"
        rows.append((file, 66149 if count > 1 else 661794, values, genre))
    return rows


def write_table(path: pathlib.Path, rows: list[tuple]) -> pathlib.Path:
    names, lengths, features, labels = zip(*rows, strict=True)
    table = DescriptorTable(names, np.array(lengths), np.array(features), labels)
    save_descriptors(path, table)
    return path


def write_tracks(path: pathlib.Path, num_tracks: int, count: int, seed: int = 0) -> pathlib.Path:
    """So many tracks a genre, of so many rows."""
    return write_table(
        path,
        [
            row
            for genre in GENRES
            for i in range(num_tracks)
            for row in make_rows(f"{genre}.{i:05d}", genre, count, seed + 100 * len(genre) + i)
        ],
    )


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> pathlib.Path:
    """A table of ten slices of each of twelve tracks."""
    return write_tracks(tmp_path_factory.mktemp("tables") / "features_3_sec.csv", 6, 10)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> pathlib.Path:
    """A table of twelve other tracks."""
    return write_tracks(tmp_path_factory.mktemp("tables") / "features_30_sec.csv", 6, 1, seed=50)


def chosen(split: str = "track", **changes) -> TrainConfig:
    config = config_file.get_config()
    config.data.split = split
    config.data.update(changes)
    return freeze(TrainConfig, config)


def test_slices_are_rows_of_their_track_in_order(slices):
    table = load_descriptors(slices)
    found = rows_by_track(slices)
    assert len(found) == 12
    assert next(iter(found)) == ("blues", "blues.00000.wav")
    for (genre, file), rows in found.items():
        wanted = [table.names.index(f"{file[:-4]}.{i}.wav") for i in range(10)]
        assert {table.labels[i] for i in wanted} == {genre}
        np.testing.assert_array_equal(rows, table.features[wanted].astype(np.float32))


def test_order_of_the_rows_does_not_matter(slices, tmp_path):
    table = load_descriptors(slices)
    order = np.random.default_rng(0).permutation(len(table.names))
    rows = zip(table.names, table.lengths, table.features, table.labels, strict=True)
    rows = list(rows)
    shuffled = write_table(tmp_path / "a.csv", [rows[i] for i in order])
    ours, theirs = (DescriptorConfig().load_tracks(path)[0] for path in (slices, shuffled))
    assert ours.tracks == theirs.tracks


@pytest.mark.parametrize(
    ("file", "length", "track"),
    [
        ("blues.00000.wav", 661794, "blues.00000.wav"),
        ("blues.00012.wav", 66149, "blues.00012.wav"),
        ("blues.00012.3.wav", 66149, "blues.00012.wav"),
        ("blues.00012.13.au", 60000, "blues.00012.au"),
        ("old/song.0.flac", 66149, "old/song.flac"),
        ("song.2.wav", 661794, "song.2.wav"),
        ("7.wav", 66149, "7.wav"),
        ("a.²", 66149, "a.²"),
        ("track01.4", 66149, "track01"),
    ],
)
def test_names_of_slices(tmp_path, file, length, track):
    row = make_rows("a", "rock", 1, 0)[0]
    path = write_table(tmp_path / "a.csv", [(file, length, *row[2:])])
    assert list(rows_by_track(path)) == [("rock", track)]


@pytest.mark.parametrize("split", ["track", "kfold"])
def test_slices_of_a_track_stay_together(slices, split):
    config = chosen(split, num_folds=3, validation_share=0.3)
    collection, rows = DescriptorConfig().load_tracks(slices)
    for fit in plan(config, collection, rows):
        np.testing.assert_array_equal(np.bincount(fit.reader.segments.track), np.full(12, 10))
        sides = [set(fit.tracks(part).tolist()) for part in ("train", "validation", "test")]
        assert all(sides)
        assert sum(map(len, sides)) == 12 == len(set.union(*sides))
        assert sum(map(len, fit.split.subsets.values())) == 120


def test_segments_of_a_leaking_split_are_rows(slices):
    config = chosen("segment")
    collection, rows = DescriptorConfig().load_tracks(slices)
    [fit] = plan(config, collection, rows)
    assert len(fit.split.test) == 24
    assert len(fit.tracks("test")) + len(fit.tracks("train")) > 12


def test_a_segment_is_read_as_its_row(slices):
    collection, rows = DescriptorConfig().load_tracks(slices)
    [fit] = plan(chosen(), collection, rows)
    batch = fit.reader.read(np.array([0, 13, 119]))
    assert batch.spectrogram.dtype == np.float32
    expected = list(rows_by_track(slices).values())
    np.testing.assert_array_equal(
        batch.spectrogram[:, 0], [expected[0][0], expected[1][3], expected[11][9]]
    )
    np.testing.assert_array_equal(batch.label, [0, 0, 1])


def test_equal_rows_are_duplicates(tmp_path):
    rows = [row for genre in GENRES for row in make_rows(f"{genre}.00000", genre, 1, len(genre))]
    path = write_table(tmp_path / "a.csv", [*rows, ("copy.wav", *rows[0][1:])])
    collection, _ = DescriptorConfig().load_tracks(path)
    assert collection.duplicates == [["blues/blues.00000.wav", "blues/copy.wav"]]


@pytest.fixture(scope="module")
def fitted(slices):
    """A fit, and its network before training."""
    config = chosen()
    collection, rows = DescriptorConfig().load_tracks(slices)
    [fit] = plan(config, collection, rows)
    network = Network.init(config.model, fit.reader.shape, 2, 0)
    return fit, standardise_input(network, fit.reader, fit.split.train, 32)


def test_standardised_by_the_training_part_alone(slices, fitted):
    fit, network = fitted
    values = np.concatenate(list(rows_by_track(slices).values())).astype(np.float64)
    train = values[fit.split.train]
    mean, deviation = train.mean(0), train.std(0)
    assert np.abs(mean / values.mean(0) - 1).max() > 0.01  # The whole table has another.
    seen = fit.reader.read(np.arange(120)).spectrogram
    _, activations = network(seen)
    expected = (values - mean) / np.where(deviation > 0, deviation, np.inf)
    assert (expected[:, 0] == 0).all()
    np.testing.assert_allclose(activations["standardised"][:, 0], expected, rtol=1e-3, atol=1e-3)


def test_what_standardises_is_no_parameter_and_stays(fitted):
    fit, network = fitted
    assert "standardise" not in network.variables.params
    seen = fit.reader.read(np.arange(4)).spectrogram
    _, _, stats = network.apply_training(seen, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, stats, network.variables.stats)


def test_networks_without_the_layer_stay_as_they_are():
    network = Network(Variables({}, {"norms": 1}), None)
    assert standardise_input(network, None, np.arange(3), 2) is network


def test_a_folder_holds_one_table(slices, tmp_path):
    assert find_table(slices.parent, "--input") == slices
    with pytest.raises(InputError, match=r"--input .* holds no CSV file; give"):
        find_table(tmp_path, "--input")
    with pytest.raises(InputError, match=r"--input .*none does not exist; give"):
        find_table(tmp_path / "none", "--input")
    for name in ("features_3_sec.csv", "features_30_sec.csv"):
        (tmp_path / name).touch()
    with pytest.raises(
        InputError, match=r"holds 2 tables \(features_30_sec.csv, features_3_sec.csv\); give one"
    ):
        find_table(tmp_path, "--input")


def spoil(path: pathlib.Path, row: int, column: int, text: str) -> None:
    lines = path.read_text().splitlines()
    cells = lines[row].split(",")
    cells[column] = text
    lines[row] = ",".join(cells)
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0, 4, "rms"), ["lacks the column rms_mean"]),
        ((0, 3, "rms_mean"), ["lacks the column chroma_stft_var"]),
        ((2, 5, "nan"), ["line 3 (blues.00001.wav)", "rms_var", "'nan', no finite number"]),
        ((2, 5, "1e200"), ["(blues.00001.wav)", "rms_var", "1e+200, too large"]),
        ((2, 0, "blues.00000.wav"), ["two rows of blues/blues.00000.wav; keep one"]),
        ((2, 59, ""), ["column label is empty"]),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, place, words):
    path = write_tracks(tmp_path / "a.csv", 2, 1)
    spoil(path, *place)
    with pytest.raises(InputError) as error:
        DescriptorConfig().load_tracks(path)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in (str(path), *words)), error.value


def test_one_genre_is_refused(tmp_path):
    path = write_table(tmp_path / "a.csv", make_rows("blues.00000", "blues", 3, 0))
    collection, _ = DescriptorConfig().load_tracks(path)
    with pytest.raises(InputError, match=r"a\.csv holds one genre only \(blues\); give"):
        check_genres(collection)


@pytest.mark.parametrize("key", ["gain_db", "time_mask", "frequency_mask"])
def test_what_means_nothing_to_rows_is_refused(key):
    config = config_file.get_config()
    config.augment[key] = 1
    with pytest.raises(
        InputError, match=rf"augment\.{key} does not apply .* descriptors; crop and"
    ):
        freeze(TrainConfig, config)


def test_published_rows_by_track():
    path = GTZAN / "features_30_sec.csv"
    if not path.is_file():
        pytest.skip("there is no published table here")
    collection, rows = DescriptorConfig().load_tracks(path)
    assert len(collection.genres) == 10
    assert len(collection.tracks) == 640
    assert {track.num_frames for track in collection.tracks} == {1}
    lists = {part: GTZAN / "splits" / f"{part}_filtered.txt" for part in ("train", "valid")}
    config = chosen(
        "files",
        files={"train": str(lists["train"]), "validation": None, "test": str(lists["valid"])},
    )
    [fit] = plan(config, collection, rows)
    assert (len(fit.split.train), len(fit.split.test)) == (443, 197)


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_train.py")


@pytest.fixture(scope="module")
def trained(run, slices, tmp_path_factory) -> pathlib.Path:
    """The workdir of a run on slices."""
    workdir = tmp_path_factory.mktemp("run") / "work"
    result = run(
        "--config=configs/descriptors.py",
        f"--config.data.root={slices.parent}",
        "--config.data.test_share=0.34",
        "--config.model.widths=(8,)",
        "--config.model.dropout=0.1",
        "--config.learning_rate=0.03",
        "--config.batch_size=8",
        "--config.num_epochs=2",
        f"--workdir={workdir}",
    )
    assert result.returncode == 0, result.stderr
    return workdir


def test_results_are_by_track_and_by_row(trained):
    results = json.loads((trained / "results.json").read_text())
    assert results["num_tracks"] == {"train": 8, "validation": 0, "test": 4}
    assert results["num_segments"] == {"train": 80, "validation": 0, "test": 40}
    assert results["accuracy"] == 1.0
    assert results["segment_accuracy"] > 0.9
    assert not results["leaks"]


def test_checkpoints_carry_what_standardises(trained, slices):
    network, _ = Run.load(trained).restore("seed_0")
    train = json.loads((trained / "data.json").read_text())["fits"]["seed_0"]["train"]
    rows = rows_by_track(slices)
    values = np.concatenate([rows[tuple(name.split("/"))] for name in train]).astype(np.float64)
    np.testing.assert_allclose(
        network.variables.stats["standardise"]["mean"], values.mean(0), rtol=1e-5
    )


def test_evaluates_and_predicts_another_table(run, trained, whole):
    result = run(
        "--mode=evaluate",
        f"--workdir={trained}",
        f"--config.data.root={whole}",
        "--config.data.split=all",
    )
    assert result.returncode == 0, result.stderr
    results = json.loads((trained / "results.json").read_text())
    assert results["protocol"] == "every track for testing"
    assert results["num_tracks"]["test"] == results["num_segments"]["test"] == 12
    # They are of the recordings whose slices were trained on, by their names.
    assert results["recognised_by"] == "names"
    assert results["num_used_in_training"] == len(
        json.loads((trained / "data.json").read_text())["fits"]["seed_0"]["train"]
    )
    result = run("--mode=predict", f"--workdir={trained}", f"--input={whole}")
    assert result.returncode == 0, result.stderr
    predictions = json.loads((trained / "predictions.json").read_text())
    assert set(predictions) == {"/".join(track) for track in rows_by_track(whole)}
    right = [
        max(one["probabilities"], key=one["probabilities"].get) == name.split("/")[0]
        for name, one in predictions.items()
    ]
    assert np.mean(right) == results["accuracy"]


def test_a_genre_that_was_not_trained_is_refused(tmp_path):
    path = write_tracks(tmp_path / "a.csv", 2, 1)
    spoil(path, 1, 59, "polka")
    collection, _ = DescriptorConfig().load_tracks(path)
    with pytest.raises(InputError, match=r"a\.csv has the genre polka, which the classifier does"):
        match_genres(collection, list(GENRES))


def test_a_transfer_cannot_use_it(trained):
    with pytest.raises(
        InputError, match=r"config\.checkpoint .* cannot classify audio.* descriptors"
    ):
        find_audio_run(str(trained))
