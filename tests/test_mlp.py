"""The perceptron: sizes and values by NumPy, dropout, and what standardises its input."""

import functools
import itertools

import jax
import numpy as np
import pytest

from configs import descriptors
from research.models import network as classifier
from research.models.mlp import MlpConfig
from research.settings import freeze
from research.training.config import TrainConfig

pytestmark = pytest.mark.usefixtures("compiled_quickly")
apply = jax.jit(classifier.apply, static_argnums=0)
apply_training = jax.jit(classifier.apply_training, static_argnums=0)


def rows(batch: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, 2, 3)).astype(np.float32)


@functools.cache
def small(dropout: float = 0.0):
    """A small network on two frames of three numbers."""
    return classifier.init(MlpConfig(widths=(6, 4), dropout=dropout), (2, 3), 3, 0)


@pytest.mark.parametrize(("preset", "size"), [("default", 56_650), ("large", 757_322)])
def test_sizes_of_the_presets(preset, size):
    config = freeze(TrainConfig, descriptors.get_config(preset)).model
    variables = jax.eval_shape(lambda: classifier.init(config, (1, 57), 10, 0)[1])
    assert classifier.num_parameters(variables) == size
    widths = (57, *config.widths, 10)
    assert size == sum((num_in + 1) * num_out for num_in, num_out in itertools.pairwise(widths))


def test_values_are_those_of_numpy():
    structure, variables = small()
    mean, scale = np.float32([1.0, -2.0, 0.5]), np.float32([2.0, 0.1, 0.0])
    variables = variables._replace(stats={"standardise": {"mean": mean, "scale": scale}})
    logits, found = apply(structure, variables, rows())
    x = (rows() - mean) * scale
    np.testing.assert_allclose(found["standardised"], x, rtol=1e-6)
    x = x.reshape(5, 6)
    for i in range(2):
        layer = variables.params["hidden"][i]
        x = np.maximum(x @ layer["kernel"] + layer["bias"], 0)
        np.testing.assert_allclose(found[f"dense{i + 1}"], x, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["features"], found["dense2"])
    head = variables.params["head"]
    np.testing.assert_allclose(logits, x @ head["kernel"] + head["bias"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(logits, found["logits"])


def test_what_standardises_is_no_parameter_and_training_leaves_it():
    structure, variables = small()
    assert set(variables.params) == {"hidden", "head"}
    logits, _, stats = apply_training(structure, variables, rows(), jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, stats, variables.stats)
    np.testing.assert_allclose(logits, apply(structure, variables, rows())[0], rtol=1e-6)


def test_units_are_dropped_by_the_key_and_not_for_new_rows():
    (structure, variables), (without, _) = small(0.5), small()
    new = [apply(one, variables, rows())[0] for one in (structure, without)]
    np.testing.assert_array_equal(*new)
    first, again, other = (
        apply_training(structure, variables, rows(), jax.random.key(seed))[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
