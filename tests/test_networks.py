"""The contract of a network, for every network with its default config."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from research.errors import InputError
from research.models.base import Classifier, NetworkConfig
from research.models.network import Network, Variables
from research.models.registry import NETWORKS
from research.settings import freeze, to_config_dict
from research.training.config import TrainConfig

BATCH, SHAPE, CLASSES = 4, (32, 40), 3
every_network = pytest.mark.parametrize("name", NETWORKS)
infer = jax.jit(Network.__call__)
apply_training = jax.jit(Network.apply_training)


@functools.cache
def untrained(name: str, seed: int = 0) -> Network:
    return Network.init(NETWORKS[name](), SHAPE, CLASSES, seed)


def segments() -> np.ndarray:
    return np.random.default_rng(0).random((BATCH, *SHAPE), np.float32)


@functools.cache
def outputs(name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return jax.device_get(infer(untrained(name), segments()))


@functools.cache
def training_outputs(name: str, key: int) -> tuple:
    return jax.device_get(apply_training(untrained(name), segments(), jax.random.key(key)))


@every_network
def test_the_name_chooses_a_frozen_config_that_comes_back(name):
    config = NETWORKS[name]()
    assert isinstance(config, NetworkConfig)
    assert config.name == name
    training = TrainConfig(model=config)
    assert freeze(TrainConfig, to_config_dict(training)) == training
    assert hash(training) == hash(TrainConfig(model=NETWORKS[name]()))


@every_network
def test_logits_features_and_heads_have_their_shapes(name):
    logits, activations = outputs(name)
    assert logits.shape == (BATCH, CLASSES)
    np.testing.assert_array_equal(logits, activations["logits"])
    assert activations["features"].ndim == 2
    for values in activations.values():
        assert len(values) == BATCH
        assert values.dtype == jnp.float32
        assert np.all(np.isfinite(values))
    assert all(isinstance(key, str) for key in activations)
    _, heads, _ = training_outputs(name, 0)
    assert heads.shape[1:] == (BATCH, CLASSES)


@every_network
def test_heads_are_names_of_activations(name):
    module = NETWORKS[name]().build(*SHAPE, CLASSES, nnx.Rngs(0))
    assert isinstance(module, Classifier)
    assert set(module.heads) <= outputs(name)[1].keys()
    assert len(module.heads) == len(training_outputs(name, 0)[1])


@every_network
def test_shapes_are_those_of_the_arrays(name):
    network, shapes = untrained(name), Network.shapes(NETWORKS[name](), SHAPE, CLASSES)
    assert jax.tree.structure(network) == jax.tree.structure(shapes)
    for array, shape in zip(jax.tree.leaves(network), jax.tree.leaves(shapes), strict=True):
        assert (array.shape, array.dtype) == (shape.shape, shape.dtype)
        assert array.dtype == jnp.float32
    assert network.num_parameters == shapes.num_parameters > 0


@every_network
def test_the_seed_decides_the_arrays_and_not_the_structure(name):
    first, other = untrained(name), untrained(name, 1)
    again = Network.init(NETWORKS[name](), SHAPE, CLASSES, 0)
    assert first.structure == again.structure == other.structure
    assert hash(first.structure) == hash(other.structure)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert np.any(outputs(name)[0] != infer(other, segments())[0])


@every_network
def test_other_arrays_of_one_structure_compile_nothing(name):
    traced = []

    @jax.jit
    def count(network, x):
        traced.append(name)
        return network(x)[0]

    first = count(untrained(name), segments())
    np.testing.assert_array_equal(first, count(untrained(name), segments()))
    count(untrained(name, 1), segments())
    assert len(traced) == 1


@every_network
def test_compiled_or_not_it_gives_the_same(name):
    logits, _ = untrained(name)(segments())
    np.testing.assert_allclose(outputs(name)[0], logits, rtol=1e-3, atol=1e-4)


@every_network
def test_a_prediction_does_not_depend_on_the_rest_of_the_batch(name):
    x = segments()
    x[1:] = 5.0
    logits, _ = infer(untrained(name), x)
    np.testing.assert_allclose(logits[0], outputs(name)[0][0], rtol=1e-3, atol=1e-4)


@every_network
def test_training_depends_on_its_key_alone_and_keeps_the_tree_of_statistics(name):
    logits, heads, stats = training_outputs(name, 0)
    again = apply_training(untrained(name), segments(), jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, (logits, heads, stats), again)
    before = untrained(name).variables.stats
    assert jax.tree.structure(stats) == jax.tree.structure(before)
    for new, old in zip(jax.tree.leaves(stats), jax.tree.leaves(before), strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)


@every_network
def test_the_gradient_is_finite_and_reaches_every_parameter(name):
    params, stats = untrained(name).variables
    target = jax.nn.one_hot(jnp.arange(BATCH) % CLASSES, CLASSES)

    @jax.jit
    @jax.grad
    def gradient_of(params):
        network = untrained(name).with_variables(Variables(params, stats))
        _, heads, _ = network.apply_training(segments(), jax.random.key(0))
        return optax.softmax_cross_entropy(heads, target).mean()

    for path, leaf in jax.tree.leaves_with_path(jax.device_get(gradient_of(params))):
        assert np.all(np.isfinite(leaf)), path
        assert np.any(leaf != 0.0), path


@every_network
def test_what_standardises_the_input_is_set_once_and_not_trained(name):
    network, bins = untrained(name), SHAPE[1]
    if "standardise" not in network.variables.stats:
        assert "standardise" not in network.variables.params
        return
    mean, scale = jnp.arange(bins) / bins, 1 + jnp.arange(bins, dtype=jnp.float32)
    changed = network.with_layer("standardise", mean=mean, scale=scale)
    assert changed.structure == network.structure
    assert np.any(infer(changed, segments())[0] != outputs(name)[0])
    _, _, stats = apply_training(changed, segments(), jax.random.key(0))
    np.testing.assert_array_equal(stats["standardise"]["mean"], mean)
    np.testing.assert_array_equal(stats["standardise"]["scale"], scale)


@every_network
@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (32, 2)], ids=str)
def test_segments_that_are_too_small_are_refused_in_one_line_or_used(name, shape):
    try:
        network = Network.init(NETWORKS[name](), shape, CLASSES, 0)
    except InputError as error:
        assert "\n" not in str(error)
        assert str(shape[0]) in str(error)
        assert "config.segments.seconds" in str(error)
        with pytest.raises(InputError):
            Network.shapes(NETWORKS[name](), shape, CLASSES)
        return
    assert np.all(np.isfinite(infer(network, np.ones((1, *shape), np.float32))[0]))
