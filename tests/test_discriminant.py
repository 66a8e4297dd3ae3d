"""The linear discriminant and its dictionary: values against scikit-learn and numpy, and limits."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from drawing import write_noise
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from research.data.batches import SegmentReader
from research.data.front_ends.images import ImageConfig
from research.data.front_ends.mel import MelConfig
from research.data.segments import SegmentConfig, place_segments
from research.data.tracks import Track
from research.models.modulation import modulation
from research.models.network import Network
from research.models.residual import ResidualConfig
from research.models.texture import texture
from research.training import commands, experiment
from research.training.augment import AugmentConfig
from research.training.config import DataConfig, TrainConfig
from research.training.discriminant import (
    Moments,
    calibrate,
    fit_discriminant,
    join,
    learn_dictionary,
    solve,
)
from research.training.evaluation import normalise
from research.training.run import Run
from research.training.weights import load_weights, save_weights

SHAPE, CLASSES, ATOMS = (16, 32), 3, 5
CONFIG = ResidualConfig(stem=2, widths=(3,), hidden=4, discriminant=0.25, atoms=ATOMS)
VARIED = AugmentConfig(crop=True, gain_db=6.0, shift=1, time_mask=9, mixup=0.3)


@dataclasses.dataclass(frozen=True)
class Store:
    """Frames in memory, by digest."""

    frames: dict[str, np.ndarray]
    num_bins: int = SHAPE[1]
    dtype: np.dtype = dataclasses.field(default_factory=lambda: np.dtype(np.float16))

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Fill `out` with frames from `start` on."""
        out[...] = self.frames[digest][start : start + len(out)]


@functools.cache
def reader(num_tracks: int = 12) -> SegmentReader:
    """Tracks of three classes: noise that is even, gets louder, or comes in pulses."""
    random = np.random.default_rng(0)
    time = np.linspace(0, 1, 40)[:, None]
    shapes = [np.ones_like(time), time, (np.arange(40) % 4 == 0)[:, None] + 0.1]
    frames, tracks = {}, []
    for i in range(num_tracks):
        frames[str(i)] = random.uniform(0.5, 1, (40, SHAPE[1])) * shapes[i % 3]
        tracks.append(Track(f"{i}.wav", genre=i % 3, num_frames=40, digest=str(i)))
    segments = place_segments([40] * num_tracks, SHAPE[0], SegmentConfig(), 0)
    return SegmentReader(Store(frames), tracks, segments)


def fit(train=None, seed=0, source=None, **changes):
    """A network whose discriminant was fitted to all segments, or to these."""
    source = source or reader()
    network = Network.init(CONFIG, SHAPE, CLASSES, 0)
    train = np.arange(len(reader().segments.start)) if train is None else train
    arguments = {"batch_size": 8, "augmentation": VARIED, "front_end": MelConfig()} | changes
    return fit_discriminant(network, source, train, seed=seed, **arguments)


fitted = functools.cache(fit)


def arrays(network: Network) -> dict[str, np.ndarray]:
    return jax.device_get(network.variables.stats["discriminant"])


def test_solved_as_by_scikit_learn():
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(CLASSES), 20)
    values = random.normal(size=(60, 30)) + random.normal(size=(CLASSES, 30))[label] + 9
    values *= np.geomspace(1e-3, 1e3, 30)
    moments = Moments.none(30, CLASSES)
    for part in np.split(random.permutation(60), [7, 30]):
        moments = moments.add(values[part], label[part])
    found = solve(moments)
    logits = (values - found.mean) * found.scale @ found.weight + found.bias
    scaled = StandardScaler().fit_transform(values)
    known = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2, priors=[1 / 3] * 3)
    wanted = known.fit(scaled, label).decision_function(scaled)
    difference = logits - wanted
    np.testing.assert_allclose(difference - difference.mean(1, keepdims=True), 0, atol=1e-3)
    assert np.ptp(wanted) > 5


def test_statistics_that_do_not_vary_say_nothing():
    values = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    values[:, 1] = 0.1
    values[:, 2] = 0.0
    found = solve(Moments.none(4, CLASSES).add(values, np.arange(30) % 3))
    np.testing.assert_array_equal(found.scale[1:3], 0)
    assert all(np.isfinite(array).all() for array in found)


def test_a_class_without_segments_is_never_predicted():
    values = np.random.default_rng(0).normal(size=(30, 4))
    found = solve(Moments.none(4, CLASSES).add(values, 2 * (np.arange(30) % 2)))
    logits = (values - found.mean) * found.scale @ found.weight + found.bias
    assert logits[:, 1].max() < -30 < logits[:, [0, 2]].min()


def test_calibrated_by_the_tracks_that_are_right():
    # One class is 4 more likely than the other by its logits, and right in 9 of 10 tracks.
    logits = np.tile([[4.0, 0.0]], (20, 1)) + np.tile([[1.0, 0.0], [-1.0, 0.0]], (10, 1))
    track = np.repeat(np.arange(10), 2)  # Of two segments each.
    label = (track == 3).astype(int)
    alone = logits[:, None]
    assert calibrate(alone, label, track) == pytest.approx(np.log(9) / 4, rel=1e-3)
    assert calibrate(alone, 0 * label, track) == pytest.approx(1, rel=1e-3)
    assert calibrate(alone, 1 - label, track) == pytest.approx(1e-3, rel=1e-2)


def test_a_group_that_knows_nothing_counts_for_nothing():
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(CLASSES), 100)
    wise = 5 * (np.eye(CLASSES)[label] + 0.5 * random.normal(size=(300, CLASSES)))
    foolish = 5 * random.normal(size=(300, CLASSES))
    found = calibrate(np.stack([wise, foolish], 1), label, np.arange(300))
    [alone] = calibrate(wise[:, None], label, np.arange(300))
    assert found == pytest.approx([alone, 0], abs=0.05)


def test_a_factor_at_its_bound_leaves_the_other_free():
    random = np.random.default_rng(0)
    label = np.arange(300) % CLASSES
    wise = 2 * np.eye(CLASSES)[label] + random.normal(size=(300, CLASSES))
    logits = np.stack([3 * wise, -5 * wise + random.normal(size=(300, CLASSES))], 1)
    [first, second] = calibrate(logits, label, np.arange(300))
    assert second == pytest.approx(1e-3)

    def loss(factor):
        joined = factor * logits[:, 0] + second * logits[:, 1]
        return -normalise(joined)[np.arange(300), label].mean()

    factors = np.geomspace(1e-3, 1, 200)
    assert 0.1 < first < 0.9
    assert loss(first) <= min(map(loss, factors)) + 1e-7


def test_groups_are_solved_apart_and_added():
    random = np.random.default_rng(0)
    label = np.arange(60) % CLASSES
    values = random.normal(size=(60, 7)) + random.normal(size=(CLASSES, 7))[label]
    moments = Moments.none(7, CLASSES).add(values, label)
    groups = slice(0, 4), slice(4, 7)
    solutions = [solve(moments.of(group)) for group in groups]
    for group, one in zip(groups, solutions, strict=True):
        again = solve(Moments.none(len(one.mean), CLASSES).add(values[:, group], label))
        jax.tree.map(np.testing.assert_allclose, one, again)
    wanted = sum(
        factor * one(values[:, group])
        for factor, one, group in zip((0.5, 2.0), solutions, groups, strict=True)
    )
    np.testing.assert_allclose(join(solutions, [0.5, 2.0])(values), wanted, atol=1e-5)


def test_noise_makes_it_unsure():
    random = np.random.default_rng(0)
    noise = {str(i): random.random((40, SHAPE[1])) for i in range(12)}
    source = dataclasses.replace(reader(), store=Store(noise))
    network = fit(source=source)
    heard = source.read(np.arange(12)).spectrogram.astype(np.float32)
    logits = np.asarray(jax.jit(Network.__call__)(network, heard)[0])
    sure = np.asarray(jax.jit(Network.__call__)(fitted(), heard)[0])
    assert np.ptp(logits, 1).mean() < 0.5 * np.ptp(sure, 1).mean()


def test_one_track_of_each_class_is_enough():
    segments = np.flatnonzero(reader().segments.track < 3)
    assert all(np.isfinite(array).all() for array in arrays(fit(segments)).values())


def test_components_are_white_and_atoms_find_directions():
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.normal(size=(8, 8)))[0][:3]
    which = random.integers(3, size=4000)
    strength = random.uniform(1, 2, (4000, 1)) * random.choice([-1, 1], (4000, 1))
    points = strength * directions[which] + 3 + 1e-3 * random.normal(size=(4000, 8))
    found = learn_dictionary(points.astype(np.float32), 3, 20, random)
    white = (points - found.patch_mean) @ found.basis * found.basis_scale
    np.testing.assert_allclose(np.cov(white.T), np.eye(3), atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(found.atoms, axis=0), 1, rtol=1e-5)
    ideal = directions @ found.basis * found.basis_scale
    ideal /= np.linalg.norm(ideal, axis=1, keepdims=True)
    closest = np.abs(ideal @ found.atoms).max(0)
    assert closest.min() > 0.99  # Each atom is one of the directions, or its opposite.


def test_more_atoms_than_patches_are_copies():
    points = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    found = learn_dictionary(points, 3, 9, np.random.default_rng(0))
    assert found.atoms.shape == (3, 9)
    assert all(np.isfinite(array).all() for array in found)


def test_logits_equal_numpys():
    network = fitted()
    layer = {name: np.float64(array) for name, array in arrays(network).items()}
    x = np.random.default_rng(1).random((2, *SHAPE), np.float32)
    logits, activations = jax.jit(Network.__call__)(network, x)
    statistics = []
    of_frames = zip(x.astype(np.float64), texture(x), modulation(x), strict=True)
    for frames, of_texture, of_ripples in of_frames:
        frames = frames - frames.mean(0)
        patches = np.stack([frames[i : i + 4].ravel() for i in range(SHAPE[0] - 3)])
        white = (patches - layer["patch_mean"]) @ layer["basis"] * layer["basis_scale"]
        active = np.maximum(white @ layer["atoms"] - 0.5, 0)
        deviation = np.sqrt(active.var(0) + 1e-6)
        statistics.append(np.concatenate([of_texture, active.mean(0), deviation, of_ripples]))
    standardised = (np.stack(statistics) - layer["mean"]) * layer["scale"]
    discriminant = standardised @ layer["weight"] + layer["bias"]
    log_softmax = jax.nn.log_softmax
    heads = activations["picture_logits"], activations["texture_logits"]
    branches = (log_softmax(heads[0]) + log_softmax(heads[1])) / 2
    np.testing.assert_allclose(logits, 0.75 * branches + 0.25 * discriminant, atol=2e-3)
    assert np.ptp(discriminant) > 0.5


def test_it_tells_the_training_classes_apart():
    segments = np.arange(len(reader().segments.start))
    batch = reader().read(segments)
    logits, _ = jax.jit(Network.__call__)(fitted(), batch.spectrogram.astype(np.float32))
    assert (np.argmax(logits, 1) == batch.label).all()


def test_before_it_is_fitted_it_says_nothing():
    network = Network.init(CONFIG, SHAPE, CLASSES, 0)
    x = np.random.default_rng(1).random((2, *SHAPE), np.float32)
    without = Network.init(dataclasses.replace(CONFIG, discriminant=0.0), SHAPE, CLASSES, 0)
    assert "discriminant" not in without.variables.stats
    jax.tree.map(np.testing.assert_array_equal, network.variables.params, without.variables.params)
    wanted = 0.75 * np.asarray(jax.jit(Network.__call__)(without, x)[0])
    np.testing.assert_allclose(jax.jit(Network.__call__)(network, x)[0], wanted, rtol=1e-6)
    assert (
        fit_discriminant(
            without, None, None, batch_size=1, seed=0, augmentation=VARIED, front_end=MelConfig()
        )
        is without
    )


def test_the_seed_decides_and_only_the_training_segments_count():
    first = arrays(fitted())
    jax.tree.map(np.testing.assert_array_equal, first, arrays(fit()))
    assert any(np.any(first[name] != other) for name, other in arrays(fit(seed=1)).items())
    # No segment of the last track: its frames may be anything.
    segments = reader().segments
    train = np.flatnonzero(segments.track < 11)
    before, frames = arrays(fit(train)), reader().store.frames
    kept = frames["11"]
    try:
        frames["11"] = np.full_like(kept, np.nan)
        jax.tree.map(np.testing.assert_array_equal, before, arrays(fit(train)))
    finally:
        frames["11"] = kept


@pytest.mark.parametrize("size", [1, 7, 100])
def test_any_batch_size_fits_and_tells_how_far_it_is(size):
    told = []
    found = fit(batch_size=size, on_batch=lambda *progress: told.append(progress))
    # The last of the four tracks of each class is held out first.
    segments = len(reader().segments.start)
    batches = 2 * sum(-(-part * segments // 4 // size) for part in (1, 3))
    assert told == [(i, batches) for i in range(1, batches + 1)]
    assert all(np.isfinite(array).all() for array in arrays(found).values())


def test_without_variations_each_segment_is_seen_once():
    told = []
    fit(augmentation=AugmentConfig(mixup=0.3), on_batch=lambda *progress: told.append(progress))
    assert told == [(i, 4) for i in range(1, 5)]  # 18 segments, and 6 that are held out.


def test_training_leaves_it_out_and_as_it_is():
    network = fitted()
    x = reader().read(np.arange(4)).spectrogram.astype(np.float32)
    without = network.with_layer("discriminant", **jax.tree.map(np.zeros_like, arrays(network)))
    key = jax.random.key(0)
    apply = jax.jit(Network.apply_training)
    logits, heads, stats = apply(network, x, key)
    others = apply(without, x, key)
    np.testing.assert_array_equal(logits, others[0])
    np.testing.assert_array_equal(heads, others[1])
    jax.tree.map(np.testing.assert_array_equal, stats["discriminant"], arrays(network))


def test_its_matrices_are_saved_in_half_precision(tmp_path):
    network = fitted()
    save_weights(tmp_path / "a.npz", network.variables)
    with np.load(tmp_path / "a.npz") as saved:
        kinds = {
            name.rpartition("/")[2]: saved[name].dtype
            for name in saved
            if name.startswith("stats/discriminant")
        }
    assert {name for name, kind in kinds.items() if kind == np.float16} == {
        "atoms",
        "basis",
        "weight",
    }
    loaded = network.with_variables(load_weights(tmp_path / "a.npz", network.variables))
    x = reader().read(np.arange(6)).spectrogram.astype(np.float32)
    call = jax.jit(Network.__call__)
    np.testing.assert_allclose(call(loaded, x)[0], call(network, x)[0], atol=0.05)


def test_a_training_that_goes_on_does_not_fit_it_again(tmp_path, monkeypatch):
    root = write_noise(tmp_path / "root", per_genre=3)
    config = TrainConfig(
        num_epochs=1,
        spectrogram=ImageConfig(),
        segments=SegmentConfig(seconds=3.0),
        model=dataclasses.replace(CONFIG, centre=True),
        data=DataConfig(root=str(root), cache=str(tmp_path / "cache"), test_share=0.4),
    )
    commands.train(config, tmp_path / "work")
    before = arrays(Run.load(tmp_path / "work").restore("seed_0")[0])
    assert np.any(before["weight"])

    def refuse(*args, **kwargs):
        raise AssertionError("fitted again")

    monkeypatch.setattr(experiment, "fit_discriminant", refuse)
    commands.train(config, tmp_path / "work")
    jax.tree.map(
        np.testing.assert_array_equal,
        before,
        arrays(Run.load(tmp_path / "work").restore("seed_0")[0]),
    )
