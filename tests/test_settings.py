"""From configs to dataclasses."""

import dataclasses
import json
from typing import ClassVar

import ml_collections
import numpy as np
import pytest

from research.errors import InputError
from research.settings import (
    above,
    at_least,
    fraction,
    freeze,
    member_of,
    one_of,
    to_config_dict,
    unbound,
    unbound_keys,
)


@dataclasses.dataclass(frozen=True)
class Inner:
    """A part."""

    size: int = at_least(4, 2)
    rate: float = above(0.1, 0)

    def __post_init__(self):
        if self.rate > self.size:
            raise ValueError("rate must not exceed size")


@dataclasses.dataclass(frozen=True)
class Outer:
    """A whole."""

    kind: str = one_of("plain", ("plain", "fast"))
    weights: tuple[float, ...] = at_least((1.0,), 0)
    limit: float | None = above(None, 1)
    free: str = "anything"
    inner: Inner = dataclasses.field(default_factory=Inner)


def settings(**changes):
    """A dict that fits `Outer`, but for some changes."""
    return dataclasses.asdict(Outer()) | changes


@pytest.mark.parametrize("mapping", [dict, ml_collections.ConfigDict])
def test_freeze_nests_and_makes_tuples(mapping):
    config = mapping(
        settings(kind="fast", weights=[0, 2.5], limit=1.5, inner={"size": 2, "rate": 1e-9})
    )
    assert freeze(Outer, config) == Outer("fast", (0, 2.5), 1.5, "anything", Inner(2, 1e-9))


def test_frozen_settings_are_hashable_and_equal_by_value():
    assert hash(freeze(Outer, settings(weights=[1.0]))) == hash(Outer())


def test_none_passes_where_it_is_the_default():
    assert freeze(Outer, settings(limit=None)).limit is None


@pytest.mark.parametrize(
    ("changes", "what", "wanted"),
    [
        ({"colour": 1}, "config.colour is unknown", "free, inner, kind, limit, weights"),
        ({"inner": {"size": 4, "rate": 1.0, "x": 1}}, "config.inner.x is unknown", "rate, size"),
        ({"kind": "slow"}, "config.kind is 'slow'", "plain, fast"),
        ({"kind": None}, "config.kind is None", "plain, fast"),
        ({"inner": {"size": 1, "rate": 1.0}}, "config.inner.size is 1", "at least 2"),
        ({"inner": {"size": 2, "rate": 0}}, "config.inner.rate is 0", "above 0"),
        ({"inner": {"size": 2, "rate": 3}}, "config.inner: rate must not exceed size", ""),
        ({"limit": 1}, "config.limit is 1", "above 1"),
        ({"limit": np.nan}, "config.limit is nan", "above 1"),
        ({"limit": np.inf}, "config.limit is inf", "above 1"),
        ({"limit": -np.inf}, "config.limit is -inf", "above 1"),
        ({"weights": [1.0, -0.5]}, "config.weights is -0.5", "at least 0"),
        ({"weights": [np.nan, 1.0]}, "config.weights is nan", "at least 0"),
        ({"weights": []}, "config.weights is empty", "one number"),
    ],
)
def test_what_does_not_fit_is_told_by_its_key(changes, what, wanted):
    with pytest.raises(InputError) as error:
        freeze(Outer, settings(**changes))
    message = str(error.value)
    assert message.startswith(what)
    assert wanted in message
    assert "\n" not in message


def test_a_missing_key_takes_its_default():
    assert freeze(Outer, {"inner": {"size": 9}}) == Outer(inner=Inner(size=9))


def test_a_refused_key_is_told_under_the_prefix_given():
    with pytest.raises(InputError, match=r"^options\.kind is 'slow'"):
        freeze(Outer, settings(kind="slow"), "options")


@dataclasses.dataclass(frozen=True)
class Disc:
    """One of the variants."""

    name: ClassVar[str] = "disc"

    hole: float = fraction(0.25)


@dataclasses.dataclass(frozen=True)
class Box:
    """The other, which shares a key with the first."""

    name: ClassVar[str] = "box"

    hole: float = fraction(0.0)
    sides: tuple[int, ...] = at_least((1, 2), 1)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Holds either."""

    shape: Disc | Box = member_of(Disc(), {"disc": Disc, "box": Box})


@pytest.mark.parametrize("hole", [0, 0.0, 1e-12, 0.5, np.nextafter(1.0, 0.0)])
def test_a_fraction_goes_from_zero_to_just_under_one(hole):
    assert freeze(Disc, {"name": "disc", "hole": hole}) == Disc(hole=hole)


@pytest.mark.parametrize("hole", [-1e-12, 1, 1.0, 1.5, np.nan, np.inf, -np.inf])
def test_what_is_no_fraction_is_told(hole):
    with pytest.raises(InputError) as error:
        freeze(Disc, {"name": "disc", "hole": hole})
    assert str(error.value) == f"config.hole is {hole}; give a number of at least 0 and below 1"


@pytest.mark.parametrize("mapping", [dict, ml_collections.ConfigDict])
def test_the_name_says_which_of_several_dataclasses_it_is(mapping):
    config = mapping({"shape": {"name": "box", "hole": 0.5, "sides": [3, 4]}})
    assert freeze(Drawing, config) == Drawing(Box(hole=0.5, sides=(3, 4)))
    config = mapping({"shape": {"name": "disc", "hole": 0.5}})
    assert freeze(Drawing, config) == Drawing(Disc(hole=0.5))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ({"name": "cone", "hole": 0.0}, r"config\.shape\.name is 'cone'; give one of disc, box"),
        ({"name": None, "hole": 0.0}, r"config\.shape\.name is None; give one of disc, box"),
        (
            {"name": "disc", "hole": 0.0, "sides": (1,)},
            r"config\.shape\.sides is unknown where config\.shape\.name is disc; "
            "known keys: hole, name",
        ),
        (
            {"name": "box", "hole": 0.0, "sides": [0]},
            r"config\.shape\.sides is 0; give a number of at least 1",
        ),
    ],
)
def test_what_does_not_fit_the_variant_is_told_by_its_key(shape, wanted):
    with pytest.raises(InputError, match=f"^{wanted}$"):
        freeze(Drawing, {"shape": shape})


def test_a_variant_without_a_name_is_that_of_the_default():
    assert freeze(Drawing, {"shape": {"hole": 0.5}}) == Drawing(Disc(hole=0.5))


@dataclasses.dataclass(frozen=True)
class Run:
    """What binds a run and what does not."""

    seed: int = at_least(0, 0)
    folder: str | None = unbound(None)
    memory: float = above(4.0, 0, binds=False)
    inner: Inner = Inner()
    other: Inner = unbound(Inner())
    drawing: Drawing = Drawing()


@pytest.mark.parametrize("instance", [Outer(), Drawing(Box()), Run(folder="a")])
def test_a_config_dict_is_frozen_to_what_it_was_made_of(instance):
    assert freeze(type(instance), to_config_dict(instance)) == instance
    assert freeze(type(instance), json.loads(to_config_dict(instance).to_json())) == instance


def test_what_may_be_none_can_be_set_and_unset():
    config = to_config_dict(Run(folder="a"))
    assert config.drawing.shape.name == "disc"
    config.folder = None
    config.folder = "b"
    with pytest.raises(TypeError):
        config.folder = 3


def test_keys_that_do_not_bind_are_those_that_are_marked():
    assert unbound_keys(Run) == {"folder", "memory", "other.size", "other.rate"}
