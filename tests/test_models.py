"""The two networks: sizes, values against PyTorch, dropout and batch normalisation."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest

from research.errors import InputError
from research.models import network as classifier
from research.models.layers import max_pool
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Variables
from research.models.single_channel import SingleChannelConfig

FRAMES, BINS, CLASSES = 16, 9, 3
SMALL = {
    "multi_channel": MultiChannelConfig(num_filters=(4, 5), width=3),
    "single_channel": SingleChannelConfig(
        num_filters=(2, 3), width=3, num_features=6, nonlinearity="tanh", dropout=0.0
    ),
}


# Compiled whole: operation by operation takes several times as long.
apply = jax.jit(classifier.apply, static_argnums=0)
apply_training = jax.jit(classifier.apply_training, static_argnums=0)


def wave(*shape: int, rate: float) -> np.ndarray:
    """Numbers without a pattern that PyTorch can be given, too."""
    return np.sin(rate * np.arange(1, math.prod(shape) + 1)).reshape(shape).astype(np.float32)


def waves(tree):
    """Every array a wave, of a rate that says how many axes it has."""
    return jax.tree.map(lambda leaf: 0.5 * wave(*leaf.shape, rate=0.9 + 0.1 * leaf.ndim), tree)


@functools.cache
def network(config, shape=(FRAMES, BINS), seed: int = 0):
    """Structure and variables as numpy arrays, so that a test may put others in a copy."""
    structure, variables = classifier.init(config, shape, CLASSES, seed)
    return structure, jax.tree.map(np.asarray, variables)


def small(name: str, seed: int = 0, **changes):
    """Structure and variables of a small network."""
    structure, variables = network(dataclasses.replace(SMALL[name], **changes), seed=seed)
    return structure, jax.tree.map(np.array, variables)


def spectrogram(batch: int = 4, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(batch, FRAMES, BINS))).astype("float32")


def num_parameters(config, shape) -> int:
    """Counted on shapes alone, for ten classes."""
    variables = jax.eval_shape(lambda: classifier.init(config, shape, 10, 0)[1])
    return classifier.num_parameters(variables)


def test_single_channel_has_as_many_parameters_as_described():
    counts = (5 * 5 * 16 + 16, 5 * 5 * 16 * 16 + 16, 64 * 64 * 16 * 100 + 100, 100 * 10 + 10)
    assert num_parameters(SingleChannelConfig(), (257, 257)) == sum(counts) == 6_561_542


@pytest.mark.parametrize(
    ("num_filters", "wanted"),
    [
        ((32, 32), (9 * 1025 * 32 + 32) + (9 * 32 * 32 + 32) + (54 * 32 * 10 + 10)),
        ((32, 64), (9 * 1025 * 32 + 32) + (9 * 32 * 64 + 64) + (54 * 64 * 10 + 10)),
    ],
)
def test_multi_channel_has_as_many_parameters_as_by_hand(num_filters, wanted):
    assert num_parameters(MultiChannelConfig(num_filters=num_filters), (216, 1025)) == wanted
    assert wanted == {(32, 32): 321_770, (32, 64): 348_298}[num_filters]


@pytest.mark.parametrize("name", SMALL)
def test_batch_normalisation_trains_a_scale_and_a_shift_and_no_bias(name):
    (_, plain), (_, normed) = (small(name, batch_norm=on) for on in (False, True))
    layers = zip(plain.params["convs"].values(), normed.params["convs"].values(), strict=True)
    for i, (layer, without) in enumerate(layers):
        assert set(layer) == {"kernel", "bias"}
        assert set(without) == {"kernel"}
        shapes = {key: value.shape for key, value in normed.params["norms"][i].items()}
        assert shapes == {"scale": layer["bias"].shape, "bias": layer["bias"].shape}
    num_filters = sum(SMALL[name].num_filters)
    counts = [classifier.num_parameters(variables) for variables in (plain, normed)]
    assert counts[1] == counts[0] + num_filters


# Values of PyTorch in float64: conv1d or conv2d with padding="same", relu and max_pool of 2, both
# twice; flattened as frames, (bins,) channels; linear layers. All weights are `waves`.
def test_multi_channel_equals_pytorch():
    config = MultiChannelConfig(num_filters=(3, 4), width=4)
    structure, variables = classifier.init(config, (10, 5), 3, 0)
    variables = Variables(waves(variables.params), {})
    logits, found = apply(structure, variables, wave(2, 10, 5, rate=1.3))
    features = [
        [0.312474, 0.762615, 0.40201, 0.0, 0.713336, 0.834555, 0.220002, 0.0],
        [0.595256, 0.592142, 0.0, 0.0, 0.657284, 0.413412, 0.113008, 0.0],
    ]
    np.testing.assert_allclose(found["features"], features, atol=1e-5)
    wanted = [[0.449355, 0.474474, 0.059926], [0.582533, 0.554708, -0.000464]]
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("nonlinearity", "features", "wanted"),
    [
        (
            "relu",
            [[0.28007, 0.795813, 0.520727, 0.0], [0.32369, 0.832022, 0.509956, 0.0]],
            [[0.42417, 0.439419, 0.053309], [0.421057, 0.441128, 0.057973]],
        ),
        (
            "tanh",
            [[0.27297, 0.661689, 0.478261, -0.301508], [0.31284, 0.68156, 0.469911, -0.342708]],
            [[0.614593, 0.53923, -0.046566], [0.639379, 0.555158, -0.056902]],
        ),
    ],
)
def test_single_channel_equals_pytorch(nonlinearity, features, wanted):
    config = SingleChannelConfig(
        num_filters=(2, 3), width=3, num_features=4, nonlinearity=nonlinearity
    )
    structure, variables = classifier.init(config, (10, 7), 3, 0)
    variables = Variables(waves(variables.params), {})
    logits, found = apply(structure, variables, wave(2, 10, 7, rate=1.3))
    np.testing.assert_allclose(found["features"], features, atol=1e-5)
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        (
            "multi_channel",
            {"conv1": (16, 4), "pool1": (8, 4), "conv2": (8, 5), "pool2": (4, 5), "features": (20,)}
            | {"logits": (3,)},
        ),
        (
            "single_channel",
            {"conv1": (16, 9, 2), "pool1": (8, 4, 2), "conv2": (8, 4, 3), "pool2": (4, 2, 3)}
            | {"features": (6,), "logits": (3,)},
        ),
    ],
)
def test_activations_are_all_there_by_name(name, shapes):
    logits, found = apply(*small(name), spectrogram(2))
    assert {key: value.shape[1:] for key, value in found.items()} == shapes
    assert {len(value) for value in found.values()} == {2}
    np.testing.assert_array_equal(logits, found["logits"])


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_a_pooled_activation_is_the_largest_of_the_rectified_ones(name, batch_norm):
    _, found = apply(*small(name, batch_norm=batch_norm), spectrogram())
    window = (2,) * (found["conv1"].ndim - 2)
    for layer in ("1", "2"):
        assert found[f"conv{layer}"].min() == 0.0
        assert found[f"conv{layer}"].max() > 0.0
        pooled = max_pool(found[f"conv{layer}"], window)
        np.testing.assert_array_equal(found[f"pool{layer}"], pooled)


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_dropped_for_new_music(name):
    structure, variables = small(name, dropout=0.9)
    without, _ = small(name, dropout=0.0)
    x = spectrogram()
    logits, _ = apply(structure, variables, x)
    np.testing.assert_array_equal(logits, apply(without, variables, x)[0])


@pytest.mark.parametrize("name", SMALL)
def test_the_key_decides_what_is_dropped(name):
    structure, variables = small(name, dropout=0.5)

    def logits(number):
        key = jax.random.key(number)
        return apply_training(structure, variables, spectrogram(), key)[0]

    np.testing.assert_array_equal(logits(1), logits(1))
    assert np.all(np.any(logits(1) != logits(2), axis=1))


@pytest.mark.parametrize("name", SMALL)
def test_without_dropout_and_batch_norm_training_sees_the_same(name):
    structure, variables = small(name)
    logits, _, stats = apply_training(structure, variables, spectrogram(), jax.random.key(0))
    assert stats == variables.stats == {}
    np.testing.assert_array_equal(logits, apply(structure, variables, spectrogram())[0])


def test_on_average_dropout_changes_nothing_before_a_linear_layer():
    structure, variables = small("multi_channel", dropout=0.25)
    x = spectrogram(2)
    keys = jax.random.split(jax.random.key(0), 4000)
    dropped = jax.jit(
        jax.vmap(lambda key: classifier.apply_training(structure, variables, x, key)[0])
    )(keys)
    wanted, _ = apply(structure, variables, x)
    error = np.std(dropped, axis=0) / np.sqrt(len(keys))
    assert np.all(error > 0.0)
    assert np.all(np.abs(np.mean(dropped, axis=0) - wanted) < 5 * error)


def test_batch_norm_follows_each_batch_and_uses_running_statistics_for_new_music():
    structure, variables = small("multi_channel", num_filters=(4,), batch_norm=True)
    conv, norm = variables.params["convs"][0], variables.params["norms"][0]
    norm["scale"], norm["bias"] = wave(4, rate=0.8), wave(4, rate=1.1)
    mean, variance = np.zeros(4), np.ones(4)
    for step in range(3):
        x = spectrogram(seed=step)
        before = variables
        _, _, stats = apply_training(structure, before, x, jax.random.key(0))
        variables = before._replace(stats=stats)
        filtered = jax.lax.conv_general_dilated(
            x, conv["kernel"], (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )
        filtered = np.asarray(filtered, np.float64)
        mean = 0.99 * mean + 0.01 * filtered.mean((0, 1))
        variance = 0.99 * variance + 0.01 * filtered.var((0, 1))
        np.testing.assert_allclose(stats["norms"][0]["mean"], mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(stats["norms"][0]["var"], variance, rtol=1e-4)
        _, found = apply(structure, variables, x)
        normed = (filtered - mean) / np.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"]
        np.testing.assert_allclose(found["conv1"], np.maximum(normed, 0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_batch_norm_in_training_sees_the_batch_alone(name):
    structure, variables = small(name, batch_norm=True)
    others = variables._replace(stats=jax.tree.map(lambda leaf: 3.0 * leaf + 1, variables.stats))
    x, key = spectrogram(), jax.random.key(0)
    logits, _, stats = apply_training(structure, variables, x, key)
    again, _, other_stats = apply_training(structure, others, x, key)
    np.testing.assert_array_equal(logits, again)
    assert jax.tree.structure(stats) == jax.tree.structure(variables.stats)
    for one, other in zip(jax.tree.leaves(stats), jax.tree.leaves(other_stats), strict=True):
        assert np.all(one != other)
    new_music = [apply(structure, v, x)[0] for v in (variables, others)]
    assert np.all(new_music[0] != new_music[1])


@pytest.mark.parametrize("name", SMALL)
def test_applying_a_network_leaves_its_variables_as_they_were(name):
    structure, variables = small(name, batch_norm=True, dropout=0.5)
    before = jax.tree.map(np.array, variables)
    apply_training(structure, variables, spectrogram(), jax.random.key(0))
    apply(structure, variables, spectrogram())
    jax.tree.map(np.testing.assert_array_equal, before, variables)


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_the_weights_and_not_the_structure(name):
    structure, first = small(name)
    same, again = classifier.init(SMALL[name], (FRAMES, BINS), CLASSES, 0)
    other_structure, other = small(name, seed=1)
    assert structure == same == other_structure
    assert hash(structure) == hash(other_structure)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    pairs = zip(jax.tree.leaves(first.params), jax.tree.leaves(other.params), strict=True)
    assert all(np.all(one != two) or not np.any(one) for one, two in pairs)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("multi_channel", (3, 9)), ("single_channel", (3, 9)), ("single_channel", (16, 3))],
)
def test_segments_too_short_for_the_poolings_are_told(name, shape):
    with pytest.raises(InputError, match=r"too short for 2 poolings") as error:
        classifier.init(SMALL[name], shape, CLASSES, 0)
    assert f"{shape[0]} frames" in str(error.value)
    assert "config." in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "shape"), [("multi_channel", (4, 1)), ("single_channel", (4, 4))])
def test_the_shortest_segments_give_finite_logits(name, shape):
    structure, variables = classifier.init(SMALL[name], shape, CLASSES, 0)
    logits, _ = apply(structure, variables, np.ones((1, *shape), np.float32))
    assert logits.shape == (1, CLASSES)
    assert np.all(np.isfinite(logits))
