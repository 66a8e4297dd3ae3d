"""The perceptron: sizes and values by NumPy, dropout, and the standardisation of its input."""

import functools
import itertools

import jax
import numpy as np
import pytest

from configs import descriptors
from research.models.mlp import MlpConfig
from research.models.network import Network
from research.settings import freeze
from research.training.config import TrainConfig

apply = jax.jit(Network.__call__)
apply_training = jax.jit(Network.apply_training)


def rows(batch: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 2, 3)).astype(np.float32)


@functools.cache
def small(dropout: float = 0.0) -> Network:
    """A small network on two frames of three numbers."""
    return Network.init(MlpConfig(widths=(6, 4), dropout=dropout), (2, 3), 3, 0)


@pytest.mark.parametrize(("preset", "size"), [("default", 56_650), ("large", 757_322)])
def test_sizes_of_the_presets(preset, size):
    config = freeze(TrainConfig, descriptors.get_config(preset)).model
    assert Network.shapes(config, (1, 57), 10).num_parameters == size
    widths = (57, *config.widths, 10)
    assert size == sum((num_in + 1) * num_out for num_in, num_out in itertools.pairwise(widths))


def test_values_are_those_of_numpy():
    mean, scale = np.float32([1.0, -2.0, 0.5]), np.float32([2.0, 0.1, 0.0])
    network = small().with_layer("standardise", mean=mean, scale=scale)
    params = network.variables.params
    logits, found = apply(network, rows())
    x = (rows() - mean) * scale
    np.testing.assert_allclose(found["standardised"], x, rtol=1e-6)
    x = x.reshape(5, 6)
    for i in range(2):
        layer = params["hidden"][i]
        x = np.maximum(x @ layer["kernel"] + layer["bias"], 0)
        np.testing.assert_allclose(found[f"dense{i + 1}"], x, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["features"], found["dense2"])
    head = params["head"]
    np.testing.assert_allclose(logits, x @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(logits, found["logits"])


def test_mean_and_scale_of_the_input_are_no_parameters_and_training_keeps_them():
    network = small()
    assert "standardise" in network.variables.stats
    assert set(network.variables.params) == {"hidden", "head"}
    logits, _, stats = apply_training(network, rows(), jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, stats, network.variables.stats)
    np.testing.assert_allclose(logits, apply(network, rows())[0], rtol=1e-6)


def test_the_key_decides_which_units_are_dropped_and_inference_drops_none():
    network = small(0.5)
    without = small().with_variables(network.variables)
    np.testing.assert_array_equal(apply(network, rows())[0], apply(without, rows())[0])
    first, again, other = (
        apply_training(network, rows(), jax.random.key(seed))[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
