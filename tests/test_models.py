"""The two networks: sizes, values against PyTorch, dropout and batch normalisation."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest

from research.errors import InputError
from research.models.layers import max_pool
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network, Variables
from research.models.single_channel import SingleChannelConfig

pytestmark = pytest.mark.usefixtures("full_products")

FRAMES, BINS, CLASSES = 16, 9, 3
SMALL = {
    "multi_channel": MultiChannelConfig(num_filters=(4, 5), width=3),
    "single_channel": SingleChannelConfig(
        num_filters=(2, 3), width=3, num_features=6, nonlinearity="tanh", dropout=0.0
    ),
}


# Compiled whole: operation by operation takes several times as long.
apply = jax.jit(Network.__call__)
apply_training = jax.jit(Network.apply_training)


def wave(*shape: int, rate: float) -> np.ndarray:
    """Numbers without a pattern, the same in PyTorch."""
    return np.sin(rate * np.arange(1, math.prod(shape) + 1)).reshape(shape).astype(np.float32)


def waves(tree):
    """A tree with waves in place of its arrays; their rate depends on the number of axes."""
    return jax.tree.map(lambda leaf: 0.5 * wave(*leaf.shape, rate=0.9 + 0.1 * leaf.ndim), tree)


@functools.cache
def cached(config, seed: int = 0) -> Network:
    """A network on numpy arrays, so that a test may put others in a copy."""
    return jax.tree.map(np.asarray, Network.init(config, (FRAMES, BINS), CLASSES, seed))


def small(name: str, seed: int = 0, **changes) -> Network:
    """A small network on arrays of its own."""
    return jax.tree.map(np.array, cached(dataclasses.replace(SMALL[name], **changes), seed))


def spectrogram(batch: int = 4, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(batch, FRAMES, BINS))).astype("float32")


def num_parameters(config, shape) -> int:
    """Counted on shapes alone, for ten classes."""
    return Network.shapes(config, shape, 10).num_parameters


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
    plain, normed = (small(name, batch_norm=on) for on in (False, True))
    params = normed.variables.params
    pair = plain.variables.params["convs"].values(), params["convs"].values()
    layers = zip(*pair, strict=True)
    for i, (layer, without) in enumerate(layers):
        assert set(layer) == {"kernel", "bias"}
        assert set(without) == {"kernel"}
        shapes = {key: value.shape for key, value in params["norms"][i].items()}
        assert shapes == {"scale": layer["bias"].shape, "bias": layer["bias"].shape}
    num_filters = sum(SMALL[name].num_filters)
    assert normed.num_parameters == plain.num_parameters + num_filters


# Values of PyTorch in float64: conv1d or conv2d with padding="same", relu and max_pool of 2, both
# twice; flattened as frames, (bins,) channels; linear layers. All weights are `waves`.
def test_multi_channel_equals_pytorch():
    config = MultiChannelConfig(num_filters=(3, 4), width=4)
    network = Network.init(config, (10, 5), 3, 0)
    network = network.with_variables(Variables(waves(network.variables.params), {}))
    logits, found = apply(network, wave(2, 10, 5, rate=1.3))
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
    network = Network.init(config, (10, 7), 3, 0)
    network = network.with_variables(Variables(waves(network.variables.params), {}))
    logits, found = apply(network, wave(2, 10, 7, rate=1.3))
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
    logits, found = apply(small(name), spectrogram(2))
    assert {key: value.shape[1:] for key, value in found.items()} == shapes
    assert {len(value) for value in found.values()} == {2}
    np.testing.assert_array_equal(logits, found["logits"])


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_a_pooled_activation_is_the_largest_of_the_rectified_ones(name, batch_norm):
    _, found = apply(small(name, batch_norm=batch_norm), spectrogram())
    window = (2,) * (found["conv1"].ndim - 2)
    for layer in ("1", "2"):
        assert found[f"conv{layer}"].min() == 0.0
        assert found[f"conv{layer}"].max() > 0.0
        pooled = max_pool(found[f"conv{layer}"], window)
        np.testing.assert_array_equal(found[f"pool{layer}"], pooled)


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_dropped_in_inference(name):
    network = small(name, dropout=0.9)
    without = small(name, dropout=0.0).with_variables(network.variables)
    x = spectrogram()
    logits, _ = apply(network, x)
    np.testing.assert_array_equal(logits, apply(without, x)[0])


@pytest.mark.parametrize("name", SMALL)
def test_the_key_decides_what_is_dropped(name):
    network = small(name, dropout=0.5)

    def logits(number):
        return apply_training(network, spectrogram(), jax.random.key(number))[0]

    np.testing.assert_array_equal(logits(1), logits(1))
    assert np.all(np.any(logits(1) != logits(2), axis=1))


@pytest.mark.parametrize("name", SMALL)
def test_without_dropout_and_batch_norm_training_equals_inference(name):
    network = small(name)
    logits, _, stats = apply_training(network, spectrogram(), jax.random.key(0))
    assert stats == network.variables.stats == {}
    np.testing.assert_array_equal(logits, apply(network, spectrogram())[0])


def test_on_average_dropout_changes_nothing_before_a_linear_layer():
    network = small("multi_channel", dropout=0.25)
    x = spectrogram(2)
    keys = jax.random.split(jax.random.key(0), 4000)
    dropped = jax.jit(jax.vmap(lambda key: network.apply_training(x, key)[0]))(keys)
    wanted, _ = apply(network, x)
    error = np.std(dropped, axis=0) / np.sqrt(len(keys))
    assert np.all(error > 0.0)
    assert np.all(np.abs(np.mean(dropped, axis=0) - wanted) < 5 * error)


def test_batch_norm_follows_each_batch_and_uses_running_statistics_in_inference():
    network = small("multi_channel", num_filters=(4,), batch_norm=True)
    params = network.variables.params
    conv, norm = params["convs"][0], params["norms"][0]
    norm["scale"], norm["bias"] = wave(4, rate=0.8), wave(4, rate=1.1)
    mean, variance = np.zeros(4), np.ones(4)
    for step in range(3):
        x = spectrogram(seed=step)
        _, _, stats = apply_training(network, x, jax.random.key(0))
        network = network.with_variables(Variables(params, stats))
        filtered = jax.lax.conv_general_dilated(
            x, conv["kernel"], (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )
        filtered = np.asarray(filtered, np.float64)
        mean = 0.9 * mean + 0.1 * filtered.mean((0, 1))
        variance = 0.9 * variance + 0.1 * filtered.var((0, 1))
        np.testing.assert_allclose(stats["norms"][0]["mean"], mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(stats["norms"][0]["var"], variance, rtol=1e-4)
        _, found = apply(network, x)
        normed = (filtered - mean) / np.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"]
        np.testing.assert_allclose(found["conv1"], np.maximum(normed, 0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_batch_norm_in_training_uses_the_batch_alone(name):
    network = small(name, batch_norm=True)
    params, own = network.variables
    other = Variables(params, jax.tree.map(lambda leaf: 3.0 * leaf + 1, own))
    other = network.with_variables(other)
    x, key = spectrogram(), jax.random.key(0)
    logits, _, stats = apply_training(network, x, key)
    again, _, other_stats = apply_training(other, x, key)
    np.testing.assert_array_equal(logits, again)
    assert jax.tree.structure(stats) == jax.tree.structure(own)
    for first, second in zip(jax.tree.leaves(stats), jax.tree.leaves(other_stats), strict=True):
        assert np.all(first != second)
    assert np.all(apply(network, x)[0] != apply(other, x)[0])


@pytest.mark.parametrize("name", SMALL)
def test_applying_a_network_leaves_its_variables_as_they_were(name):
    network = small(name, batch_norm=True, dropout=0.5)
    before = jax.tree.map(np.array, network)
    apply_training(network, spectrogram(), jax.random.key(0))
    apply(network, spectrogram())
    jax.tree.map(np.testing.assert_array_equal, before, network)


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_the_weights_and_not_the_structure(name):
    first, other = small(name), small(name, seed=1)
    again = Network.init(SMALL[name], (FRAMES, BINS), CLASSES, 0)
    assert first.structure == again.structure == other.structure
    assert hash(first.structure) == hash(other.structure)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    leaves = (jax.tree.leaves(network.variables.params) for network in (first, other))
    pairs = zip(*leaves, strict=True)
    assert all(np.all(one != two) or not np.any(one) for one, two in pairs)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("multi_channel", (3, 9)), ("single_channel", (3, 9)), ("single_channel", (16, 3))],
)
def test_segments_too_short_for_the_poolings_are_refused(name, shape):
    with pytest.raises(InputError, match=r"too short for 2 poolings") as error:
        Network.init(SMALL[name], shape, CLASSES, 0)
    assert f"{shape[0]} frames" in str(error.value)
    assert "config." in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "shape"), [("multi_channel", (4, 1)), ("single_channel", (4, 4))])
def test_the_shortest_segments_give_finite_logits(name, shape):
    network = Network.init(SMALL[name], shape, CLASSES, 0)
    logits, _ = apply(network, np.ones((1, *shape), np.float32))
    assert logits.shape == (1, CLASSES)
    assert np.all(np.isfinite(logits))
