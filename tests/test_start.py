"""The contract that every start keeps with every variable, and what each of them is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bases import COMPLETE, STFT, noise

from research.transfer.constants import Constants
from research.transfer.level_matching import level_quantiles, match_to_style
from research.transfer.objective import Objective
from research.transfer.random_filters import FilterConfig, make_filters, transform_filters
from research.transfer.reorchestration.reorchestrate import orchestra_of, reorchestrate
from research.transfer.start import STARTS, StartInputs
from research.transfer.variables.base import Variable
from research.transfer.variables.registry import VARIABLES

RATE = 22050

all_starts = pytest.mark.parametrize("start", STARTS)
all_variables = pytest.mark.parametrize("variable", VARIABLES)


def make(variable: str) -> Variable:
    return VARIABLES[variable](STFT, COMPLETE)


@functools.cache
def orchestra():
    return orchestra_of(noise(1, 700, seed=1), RATE)


@functools.cache
def inputs(content: str = "noise", num_channels: int = 2, seed: int = 5) -> StartInputs:
    """Half a tenth of a second of content, and a shorter style."""
    style = noise(1, 700, seed=1)
    samples = {"noise": 0.3 * noise(num_channels, 1003), "silence": np.zeros((num_channels, 1003))}
    return StartInputs(
        content=samples[content].astype(np.float32),
        style=style,
        levels=np.asarray(level_quantiles(jnp.asarray(style), RATE)),
        orchestra=orchestra(),
        amount=1.0,
        noise_scale=0.25,
        sample_rate=RATE,
        seed=seed,
    )


def begin(start: str, variable: str, given: StartInputs) -> np.ndarray:
    """The variable of a start that gets no more of the style than it says to need."""
    if not STARTS[start].needs_style_audio:
        given = given._replace(style=None)
    if not STARTS[start].needs_style_levels:
        given = given._replace(levels=None)
    if not STARTS[start].needs_orchestra:
        given = given._replace(orchestra=None)
    return np.asarray(STARTS[start].make(given, make(variable)))


@functools.cache
def kernels() -> dict:
    """Eight random filters."""
    filters = make_filters(FilterConfig(widths=(3,), num_filters=8), STFT.num_bins)
    return transform_filters(filters)


@functools.partial(jax.jit, static_argnames="variable")
def gradient(values, content, style, kernels, variable):
    """That of the loss, of features and their Gram matrix."""
    objective = Objective(variable, stft=STFT)
    constants = Constants(kernels, {}, basis=COMPLETE)
    described = objective.describe_style(constants, style)
    targets = objective.make_targets(constants, content, described)
    return jax.grad(lambda values: sum(objective.terms(values, targets).values()))(values)


@all_starts
@all_variables
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("content", ["noise", "silence"])
def test_every_start_has_a_shape_and_a_finite_gradient(start, variable, num_channels, content):
    given = inputs(content, num_channels)
    values = begin(start, variable, given)
    assert values.shape == make(variable).shape(num_channels, 1003)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    found = np.asarray(gradient(values, given.content, given.style, kernels(), variable))
    assert np.isfinite(found).all()
    if content == "noise":
        # From zeros, too.
        assert np.any(found != 0.0)


@all_starts
@all_variables
def test_every_start_is_reproduced_to_the_bit(start, variable):
    first, again = (begin(start, variable, inputs()) for _ in range(2))
    assert first.tobytes() == again.tobytes()


@all_variables
@pytest.mark.parametrize("style_samples", [300, 1003, 1700])
def test_from_the_style_it_is_repeated_or_cut_in_every_channel(variable, style_samples):
    style = noise(1, style_samples, seed=1)
    at_length = jnp.asarray(np.stack(2 * [np.resize(style[0], 1003)]))
    found = begin("style", variable, inputs()._replace(style=style))
    np.testing.assert_array_equal(found, make(variable).from_waveform(at_length))


@all_variables
def test_from_the_content_it_is_the_content(variable):
    expected = make(variable).from_waveform(jnp.asarray(inputs().content))
    np.testing.assert_array_equal(begin("content", variable, inputs()), expected)


@all_variables
def test_from_matched_levels_it_is_the_content_at_these(variable):
    given = inputs()._replace(amount=0.5)
    matched = match_to_style(given.content, given.levels, 0.5, RATE, given.seed)
    expected = make(variable).from_waveform(jnp.asarray(matched))
    np.testing.assert_array_equal(begin("matched", variable, given), expected)


@all_variables
def test_reorchestrated_it_is_the_content_on_the_orchestra_of_the_style(variable):
    given = inputs()._replace(amount=0.7, style_amount=0.5)
    played = reorchestrate(given.content, RATE, orchestra(), 0.5)
    expected = make(variable).from_waveform(jnp.asarray(played))
    np.testing.assert_array_equal(begin("reorchestrated", variable, given), expected)


@all_variables
def test_noise_has_the_asked_standard_deviation_and_its_seed_decides_it(variable):
    given = inputs()._replace(content=noise(2, 9000))
    values = begin("noise", variable, given)
    assert np.std(values) == pytest.approx(0.25, rel=0.03)
    assert abs(np.mean(values)) < 0.01
    louder = begin("noise", variable, given._replace(noise_scale=2.0))
    assert np.std(louder) == pytest.approx(2.0, rel=0.03)
    other = begin("noise", variable, given._replace(seed=6))
    assert abs(np.corrcoef(np.ravel(values), np.ravel(other))[0, 1]) < 0.05


@all_variables
def test_zeros_are_all_but_zero(variable):
    zeros, dither = begin("zeros", variable, inputs()), make(variable).dither
    assert np.abs(zeros).max() < 1e-5
    assert np.std(zeros) == pytest.approx(dither, rel=0.05)


def test_the_zeros_of_a_pca_variable_are_the_mean():
    zeros = begin("zeros", "pca", inputs())
    assert not np.any(zeros)
    found = make("pca").to_log_magnitude(jnp.asarray(zeros))
    np.testing.assert_array_equal(found, np.tile(COMPLETE.mean, (2, zeros.shape[1], 1)))
