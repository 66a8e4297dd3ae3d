"""Principal components against scikit-learn, the file that keeps them, and the script's mode."""

import dataclasses
import functools
import io
import json
import pathlib
import zipfile

import numpy as np
import pytest
from sklearn.decomposition import PCA

from configs import multi_channel, single_channel
from research.audio.stft import StftConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.data.pca import Pca, PcaConfig, fit_pca, load_pca, save_pca
from research.errors import InputError
from research.settings import freeze
from research.training import commands, experiment
from research.training.config import TrainConfig
from research.training.pca import fit_training_segments, in_words

SPECTROGRAM = SpectrogramConfig(8000, StftConfig(16, 8))
SMOKE = "--config=configs/single_channel.py:smoke"


def music(count: int, frames: int = 5, bins: int = 9, seed: int = 0) -> np.ndarray:
    """Random segments of which some directions vary more than others, half precision."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((frames * bins, frames * bins)) * 0.8 ** np.arange(
        frames * bins
    )
    flat = 3 + random.standard_normal((count, frames * bins)) @ mixing.T
    return flat.reshape(count, frames, bins).astype(np.float16)


def fit(segments: np.ndarray, **choices) -> Pca:
    return fit_pca(segments, SPECTROGRAM, PcaConfig(**choices))


@pytest.fixture
def pca() -> Pca:
    """A small one, as it is saved."""
    return fit_pca(music(12), SPECTROGRAM, PcaConfig(), {"fit": "seed_0"})


@pytest.mark.parametrize("shape", [(12, 5, 9), (60, 5, 9), (50, 2, 3), (10, 65, 129), (2, 5, 9)])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_equals_scikit_learn(shape, share):
    segments = music(*shape) if shape[1] < 65 else np.random.default_rng(0).random(shape)
    segments = segments.astype(np.float16)
    flat = segments.reshape(len(segments), -1).astype(np.float64)
    theirs, ours = PCA(share, svd_solver="full").fit(flat), fit(segments, explained_variance=share)
    count = theirs.n_components_
    assert ours.components.shape == (count, *shape[1:])
    np.testing.assert_allclose(ours.mean.ravel(), theirs.mean_, rtol=1e-6)
    # Scikit-learn makes the number of largest size positive, too.
    np.testing.assert_allclose(ours.components.reshape(count, -1), theirs.components_, atol=1e-6)
    np.testing.assert_allclose(
        ours.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-9
    )
    np.testing.assert_allclose(ours.standard_deviations**2, theirs.explained_variance_, rtol=1e-9)


@pytest.mark.parametrize("share", [1e-6, 0.3, 0.9, 0.99, 0.999999])
def test_as_many_components_as_the_share_takes_and_no_more(share):
    ratio = fit(music(40), explained_variance=share).explained_variance_ratio
    assert (np.diff(ratio) <= 0).all()
    assert ratio[:-1].sum() < share <= ratio.sum()


@pytest.mark.parametrize(
    ("segments", "count"),
    [
        (music(12), 11),
        (music(2), 1),
        (music(30, 2, 3), 6),
        (np.tile(music(4), (3, 1, 1)), 3),
    ],
    ids=["few", "two", "many", "repeated"],
)
def test_all_of_the_variance_takes_no_more_than_there_are_directions(segments, count):
    pca = fit(segments, explained_variance=1.0)
    flat = pca.components.reshape(count, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(count), atol=1e-5)
    assert pca.explained_variance_ratio.sum() == pytest.approx(1, abs=1e-9)
    centred = segments.astype(np.float64) - pca.mean
    scores = np.tensordot(centred, pca.components, [[1, 2], [1, 2]])
    np.testing.assert_allclose(np.tensordot(scores, pca.components, 1), centred, atol=1e-4)
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), pca.standard_deviations, rtol=1e-5)


def test_what_is_not_explained_is_what_reconstruction_misses():
    segments = music(40)
    pca = fit(segments, explained_variance=0.8)
    centred = segments.astype(np.float64) - pca.mean
    scores = np.tensordot(centred, pca.components, [[1, 2], [1, 2]])
    missed = np.square(centred - np.tensordot(scores, pca.components, 1)).sum()
    assert missed / np.square(centred).sum() == pytest.approx(
        1 - pca.explained_variance_ratio.sum(), rel=1e-4
    )


def test_the_cap_keeps_the_largest():
    whole, capped = (fit(music(40), max_components=count) for count in (512, 3))
    np.testing.assert_array_equal(capped.components, whole.components[:3])
    np.testing.assert_array_equal(
        capped.explained_variance_ratio, whole.explained_variance_ratio[:3]
    )


@pytest.mark.parametrize("count", [1, 7])
def test_segments_that_are_all_the_same_are_refused(count):
    with pytest.raises(InputError, match=r"all the same.*config\.data\.root"):
        fit(np.repeat(music(1), count, axis=0))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("explained_variance", 0.0),
        ("explained_variance", 1.01),
        ("max_components", 0),
        ("num_segments", 1),
        ("num_segments", 2.5),
    ],
)
def test_what_does_not_fit_is_told_by_its_key(key, value):
    with pytest.raises(InputError, match=rf"config\.pca.*{key}"):
        freeze(PcaConfig, dataclasses.asdict(PcaConfig()) | {key: value}, "config.pca")


@pytest.mark.parametrize("module", [single_channel, multi_channel])
def test_the_configs_have_the_defaults(module):
    assert freeze(TrainConfig, module.get_config()).pca == PcaConfig()


def test_comes_back_as_it_was_saved(pca, tmp_path):
    save_pca(tmp_path / "pca.npz", pca)
    again = load_pca(str(tmp_path / "pca.npz"))
    for field in dataclasses.fields(Pca):
        ours, theirs = getattr(again, field.name), getattr(pca, field.name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-15)
        else:
            assert ours == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["pca.npz"]
    before = (tmp_path / "pca.npz").read_bytes()
    save_pca(tmp_path / "pca.npz", pca)
    assert before == (tmp_path / "pca.npz").read_bytes()


def test_a_disk_that_refuses_is_told_in_one_line(pca, tmp_path):
    with pytest.raises(InputError, match=r"nowhere/pca\.npz cannot be written"):
        save_pca(tmp_path / "nowhere" / "pca.npz", pca)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, ["version 2", "not 1"]),
        ({"version": [1, 1]}, ["version [1, 1]", "not 1"]),
        ({"version": None}, ["no file of a PCA"]),
        ({"mean": None}, ["lacks the array mean"]),
        ({"components": None}, ["lacks the array components"]),
        ({"spectrogram": None}, ["lacks the array spectrogram"]),
        ({"components": np.full((2, 5, 9), np.nan, np.float32)}, ["components", "not finite"]),
        ({"explained_variance": np.full(2, np.inf)}, ["explained_variance", "not finite"]),
        ({"explained_variance_ratio": np.ones(3)}, ["explained_variance_ratio", "(3,)", "(2,)"]),
        ({"mean": np.zeros((9, 5), np.float32)}, ["mean", "(9, 5)", "(5, 9)"]),
        ({"mean": np.zeros((5, 9), int)}, ["mean", "int64"]),
        ({"components": np.float32(1)}, ["components", "()", "(5, 9)"]),
        ({"num_frames": "a"}, ["damaged"]),
        ({"spectrogram": "{"}, ["damaged"]),
        ({"spectrogram": "3"}, ["damaged"]),
        ({"spectrogram": "[" * 9999}, ["damaged"]),
        ({"explained_variance": np.float32([1, -1])}, ["explained_variance below 0"]),
        ({"spectrogram": '{"rate": 3}'}, ["damaged", "spectrogram.rate"]),
        ({"origin": np.zeros(2)}, ["damaged"]),
        ({"origin": np.array([None])}, ["damaged"]),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(changes, words, tmp_path):
    path = tmp_path / "pca.npz"
    save_pca(path, fit(music(12), max_components=2))
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    assert_refused_to_load(path, *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["there is no PCA"]),
        (b"", ["no file of a PCA"]),
        (b"text, no archive", ["no file of a PCA"]),
        (b"\x93NUMPY\x01\x00v\x00", ["no file of a PCA"]),
    ],
)
def test_other_files_are_refused_in_one_line(content, words, tmp_path):
    if content is not None:
        (tmp_path / "pca.npz").write_bytes(content)
    assert_refused_to_load(tmp_path / "pca.npz", *words)
    assert_refused_to_load(tmp_path, "there is no PCA")


def test_other_archives_are_refused_in_one_line(tmp_path):
    path = tmp_path / "pca.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "text")
    assert_refused_to_load(path, "no file of a PCA")


def test_a_damaged_file_is_refused_in_one_line(pca, tmp_path):
    path = tmp_path / "pca.npz"
    save_pca(path, pca)
    good = path.read_bytes()
    for damage in range(0, len(good), 97):
        path.write_bytes(good[:damage] + bytes([good[damage] ^ 0xFF]) + good[damage + 1 :])
        try:
            again = load_pca(path)
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:  # A byte that means nothing, such as the date of an entry.
            np.testing.assert_array_equal(again.components, pca.components)
        path.write_bytes(good[:damage])
        assert_refused_to_load(path, "no file of a PCA")


def assert_refused_to_load(path: pathlib.Path, *words: str) -> None:
    with pytest.raises(InputError) as error:
        load_pca(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in (str(path), *words, "--mode=pca")), message


@pytest.fixture(scope="module")
def run(run_script):
    """Runs the script."""
    return functools.partial(run_script, "run_train.py", "--mode=pca")


@pytest.fixture(scope="module")
def fitted(run, tmp_path_factory):
    """The workdir of a fit in a fresh workdir, and what was printed."""
    workdir = tmp_path_factory.mktemp("pca") / "work"
    result = run(SMOKE, f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    return workdir, result.stdout


@pytest.fixture
def trained(fitted, tmp_path):
    """A workdir as a training with the same config leaves it."""
    for name in ("config.json", "data.json"):
        (tmp_path / name).write_text((fitted[0] / name).read_text())
    (tmp_path / "checkpoints" / "seed_0" / "1").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def data_cache(script_environment) -> dict[str, str]:
    """The change of a config to the cache that scripts use."""
    cache = pathlib.Path(script_environment["XDG_CACHE_HOME"]) / "music_style_transfer_jax"
    return {"data.cache": str(cache / "spectrograms")}


@pytest.fixture
def plan(fitted, data_cache):
    """Config, collection and fits as the script has them, with changes to the config."""

    def make(**changes):
        chosen = json.loads((fitted[0] / "config.json").read_text())
        chosen["data"]["cache"] = data_cache["data.cache"]
        for key, value in changes.items():
            chosen[key] |= value
        config = freeze(TrainConfig, chosen)
        collection, cache = experiment.load_data(config, lambda *_: None)
        return config, collection, experiment.plan(config, collection, cache)

    return make


def test_the_script_fits_the_training_segments_alone(fitted, plan):
    workdir, printed = fitted
    assert {path.name for path in workdir.iterdir()} == {
        "config.json",
        "data.json",
        "environment.json",
        "pca.npz",
    }
    pca = load_pca(workdir / "pca.npz")
    config, _, (one,) = plan()
    segments = one.reader.read(one.split.train).spectrogram
    expected = fit_pca(segments, config.spectrogram, config.pca)
    np.testing.assert_allclose(pca.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(pca.components, expected.components, atol=1e-5)
    assert pca.spectrogram == config.spectrogram
    assert pca.mean.shape == (config.segment_frames, 257)
    assert pca.explained_variance_ratio.sum() >= 0.95
    assert printed.splitlines()[-1] == (
        f"{len(pca.components)} components explain {pca.explained_variance_ratio.sum():.1%} of "
        f"the variance of {len(segments)} training segments of {config.segment_frames} frames by "
        "257 bins (20 tracks, seed_0)"
    )
    assert pca.origin["protocol"].startswith("by track")


def test_in_a_trained_workdir_its_config_and_data_are_taken(fitted, trained, data_cache):
    before = {path: path.read_bytes() for path in trained.glob("*.json")}
    commands.pca(TrainConfig(), trained, data_cache)
    assert (trained / "pca.npz").read_bytes() == (fitted[0] / "pca.npz").read_bytes()
    assert before == {path: path.read_bytes() for path in trained.glob("*.json")}


def test_what_a_training_settled_stays(trained):
    words = (
        r"config\.data\.split was settled in training .* config\.data\.root and config\.data\.cache"
    )
    with pytest.raises(InputError, match=words):
        commands.pca(TrainConfig(), trained, {"data.split": "kfold"})


def test_other_data_than_trained_on_are_refused(trained, data_cache):
    manifest = json.loads((trained / "data.json").read_text())
    manifest["tracks"][min(manifest["tracks"])] = "of another track"
    (trained / "data.json").write_text(json.dumps(manifest))
    config = TrainConfig(pca=PcaConfig(max_components=3))
    words = rf"is not what was trained on in {trained}; .* another --workdir"
    with pytest.raises(InputError, match=words):
        commands.pca(config, trained, data_cache | {"pca.max_components": 3})
    assert not (trained / "pca.npz").exists()


def test_the_first_of_several_folds_and_a_seeded_choice_of_segments(plan):
    config, collection, fits = plan(
        data={"split": "kfold", "num_folds": 3}, pca={"num_segments": 7, "max_components": 2}
    )
    assert [one.name for one in fits] == ["seed_0_fold_0", "seed_0_fold_1", "seed_0_fold_2"]
    seen = []
    first, again, other = (
        fit_training_segments(config, collection, one, lambda *progress: seen.append(progress))
        for one in (fits[0], fits[0], dataclasses.replace(fits[0], seed=1))
    )
    assert seen == [("segments", 7, 7)] * 3
    files = [io.BytesIO(), io.BytesIO()]
    for file, pca in zip(files, (first, again), strict=True):
        np.save(file, pca.components)
    assert files[0].getvalue() == files[1].getvalue()
    assert np.abs(first.mean - other.mean).max() > 0.01
    assert first.origin["fit"] == "seed_0_fold_0"
    assert "7 training segments" in in_words(first)
    assert "95.0% takes more than config.pca.max_components" in in_words(first)
