"""Small styles, and what is asserted of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import InputError
from research.transfer.objective import Style
from research.transfer.terms.squared_error import Moments


def make_style(seed: int = 0) -> Style:
    """A small one with all that a style may have: layers, moments, nothing, levels."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> jax.Array:
        return jnp.asarray(random.standard_normal(shape), jnp.float32)

    return Style(
        {"bands": draw(1, 4, 3), "gram": {"width_3": draw(1, 2, 2), "width_11": draw(1, 3, 3)}},
        {"features": {"width_11": Moments(draw(3), draw(3))}, "onset": (), "harmonic": draw(5)},
        draw(1, 4, 2),
    )


def assert_same(ours: Style, theirs: Style) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert isinstance(mine, jax.Array) and mine.dtype == jnp.float32
        np.testing.assert_array_equal(mine, other)


def refusal(call, *arguments) -> str:
    """What an InputError says, in one line."""
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)
