"""No product of a transfer is rounded by an accelerator, nor one that was fitted in closed form."""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from research.audio.stft import StftConfig
from research.data.front_ends import mel
from research.models.discriminant import Discriminant
from research.models.layers import convolve_time
from research.models.texture import texture
from research.products import FULL, einsum, matmul
from research.transfer import level_matching
from research.transfer.constants import Constants
from research.transfer.evaluation import differentiate_each, evaluate_each
from research.transfer.layout import lay_out
from research.transfer.objective import Objective
from research.transfer.optimise import _run_chunk, _start
from research.transfer.optimisers import OPTIMISERS, OptimiserConfig
from research.transfer.reorchestration import (
    activations,
    blocks,
    note_estimates,
    spectrum,
    templates,
)
from research.transfer.reorchestration.grid import PITCHES
from research.transfer.terms.registry import CONTENT_TERMS, STYLE_TERMS
from research.transfer.variables.base import Basis
from research.transfer.variables.registry import VARIABLES

PRODUCTS = "dot_general", "conv_general_dilated"
STFT = StftConfig(256, 128)


def equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """All of a program, those of its loops and branches too."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda leaf: isinstance(leaf, ClosedJaxpr | Jaxpr),
        ):
            if isinstance(inner, ClosedJaxpr | Jaxpr):
                yield from equations(getattr(inner, "jaxpr", inner))


def assert_full(function, *arguments):
    """Every product is in full precision, and there is one."""
    products = [
        equation
        for equation in equations(jax.make_jaxpr(function)(*arguments).jaxpr)
        if equation.primitive.name in PRODUCTS
    ]
    rounded = [product for product in products if product.params["precision"] != (FULL, FULL)]
    assert products
    assert not rounded


def test_a_product_is_in_full_precision_and_so_is_its_gradient():
    a = np.ones((3, 3), np.float32)
    assert_full(matmul, a, a)
    assert_full(jax.grad(lambda a: einsum("ij,kj->", a, a)), a)
    with pytest.raises(AssertionError):
        assert_full(jax.jit(lambda a: jnp.tanh(a @ a)), a)
    with pytest.raises(AssertionError):
        assert_full(lambda a: jax.lax.fori_loop(0, 3, lambda _, a: a @ a, a), a)


@pytest.mark.parametrize("name", VARIABLES)
def test_the_gradient_of_every_term_is_in_full_precision(name):
    of_waveform = name == "waveform"
    content, style = (
        tuple(term for term, kind in kinds.items() if of_waveform or not kind.needs_waveform)
        for kinds in (CONTENT_TERMS, STYLE_TERMS)
    )
    objective = Objective(stft=STFT, content=content, style=style, variable=name)
    num_bins = STFT.num_bins
    constants = Constants(
        {"width_3": np.ones((3, num_bins, 6), np.float32)},
        {term: STYLE_TERMS[term].make_constants(0, {"width_3": 6}) for term in style},
        basis=Basis(np.zeros((4, num_bins)), np.zeros((5, 4, num_bins))),
    )

    def loss(samples):
        described = objective.describe_style(constants, samples)
        targets = objective.make_targets(constants, samples, described, 1.0)
        variable = VARIABLES[name](STFT, constants.basis).from_waveform(samples)
        return sum(objective.terms(variable, targets).values())

    assert_full(jax.grad(loss), np.ones((1, 2205), np.float32))


@dataclasses.dataclass(frozen=True)
class Rounded:
    """A loss with a product that says nothing of its precision, and one in its gradient."""

    def terms(self, variable, targets):
        """The one term."""
        return {"energy": jnp.square(convolve_time(variable, targets) @ targets[0]).sum()}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_and_networks_are_in_full_precision(name):
    config, one = OptimiserConfig(name), np.ones(1, np.float32)
    variables, targets = np.ones((1, 2, 5, 4), np.float32), np.ones((3, 4, 4), np.float32)
    layout = lay_out(jax.local_devices()[:1], targets, False)
    carry = _start(variables, one, variables, config, layout)
    weights = {"energy": one}
    chosen = {"objective": Rounded(), "layout": layout}
    for function in (evaluate_each, differentiate_each):
        assert_full(functools.partial(function, **chosen), variables, targets, weights)
    run = functools.partial(_run_chunk, **chosen, config=config)
    assert_full(run, carry, targets, weights, np.ones(1, np.int32))


def shaped(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def test_a_reorchestration_is_in_full_precision():
    bins, notes = spectrum.NUM_BINS, len(PITCHES)
    magnitude, levels = shaped(blocks.BLOCK, bins), shaped(blocks.BLOCK, notes)
    spectra = shaped(notes, bins)
    assert_full(activations._update, magnitude, levels, spectra, 3)
    assert_full(templates._update_levels, magnitude, levels, spectra)
    assert_full(blocks._add_slope, spectra, magnitude, levels, spectra)
    samples = shaped((blocks.BLOCK - 1) * spectrum.STFT.hop_length + spectrum.WINDOWS[0])
    assert_full(spectrum._analyse_block, samples, 3, spectrum._resolutions())
    heard = shaped(blocks.BLOCK + 2 * note_estimates._CONTEXT, bins)
    assert_full(note_estimates._apply, note_estimates._parameters(), heard, shaped(), shaped(1))


def test_levels_and_frames_are_in_full_precision():
    samples = shaped(1, 22050)
    assert_full(lambda x: level_matching._level_quantiles(x, 20, 22050), samples)
    assert_full(lambda x: mel._mel_power(x, config=STFT), samples)


def test_what_is_fitted_in_closed_form_is_in_full_precision():
    frames = shaped(2, 16, 32)
    assert_full(texture, frames)
    discriminant = Discriminant(16, 32, 3, 5)
    assert_full(discriminant, frames)
