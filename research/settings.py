"""From a mutable ConfigDict, as flags fill it, to frozen dataclasses, as jit wants them.

A dataclass states what its fields may hold with `one_of`, `at_least`, `above` and `share`; `freeze`
builds it from a ConfigDict and names the key that does not fit. A field that may hold one of
several dataclasses takes the one whose `name` the config gives.
"""

import dataclasses
import math
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from research.errors import InputError

T = TypeVar("T")
_LARGEST = 2**32 - 1  # A seed that every random generator takes.


def one_of(default: str, choices: Iterable[str]) -> Any:
    """A field that holds one of a few names."""
    return dataclasses.field(default=default, metadata={"choices": tuple(choices)})


def at_least(default: Any, minimum: float) -> Any:
    """A field of a finite number, or of several, none under `minimum`."""
    return dataclasses.field(default=default, metadata={"minimum": minimum})


def above(default: Any, bound: float) -> Any:
    """A field of a finite number, or of several, each over `bound`."""
    return dataclasses.field(default=default, metadata={"bound": bound})


def share(default: float) -> Any:
    """A field of a part of a whole, from 0 to just under 1."""
    return dataclasses.field(default=default, metadata={"minimum": 0, "below": 1})


def freeze(cls: type[T], config: Mapping[str, Any], prefix: str = "config") -> T:
    """A frozen dataclass with the values of a ConfigDict or dict, nested ones included.

    Raises:
      InputError: a key is missing, unknown, or holds what its field does not allow, or the
        dataclass itself refuses its values with a ValueError.
    """
    types = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    unknown = sorted(set(config) - set(types))
    if unknown:
        raise InputError(
            f"{prefix}.{unknown[0]} is unknown; known keys: {', '.join(sorted(types))}"
        )
    values = {}
    for field in fields:
        key = f"{prefix}.{field.name}"
        if field.name not in config:
            raise InputError(f"{key} is missing")
        value = config[field.name]
        variants = [
            kind
            for kind in (types[field.name], *typing.get_args(types[field.name]))
            if dataclasses.is_dataclass(kind)
        ]
        if variants:
            if not hasattr(value, "keys"):
                raise InputError(f"{key} is {value!r}; give it keys of its own")
            value = freeze(_variant(variants, value, key), value, key)
        elif isinstance(value, list | tuple):
            value = tuple(value)
        _check(key, value, field.metadata)
        if {int, tuple[int, ...]} & {types[field.name], *typing.get_args(types[field.name])}:
            _check_whole(key, value)
        if value is None and type(None) not in typing.get_args(types[field.name]):
            raise InputError(f"{key} is None; give it a value")
        values[field.name] = value
    try:
        return cls(**values)
    except ValueError as error:
        raise InputError(f"{prefix}: {error}") from error


def _variant(variants: list[type], config: Mapping[str, Any], key: str) -> type:
    if len(variants) == 1:
        return variants[0]
    names = {kind.name: kind for kind in variants}
    if str(config.get("name")) not in names:
        raise InputError(f"{key}.name is {config.get('name')!r}; give one of {', '.join(names)}")
    return names[config["name"]]


def _check_whole(key: str, value: Any) -> None:
    if value is None:
        return
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int) or number > _LARGEST:
            raise InputError(f"{key} is {number!r}; give a whole number of at most {_LARGEST}")


def _check(key: str, value: Any, limits: Mapping[str, Any]) -> None:
    if "choices" in limits and value not in limits["choices"]:
        raise InputError(f"{key} is {value!r}; give one of {', '.join(limits['choices'])}")
    if value is None or not {"minimum", "bound"} & set(limits):
        return
    numbers = value if isinstance(value, tuple) else (value,)
    if not numbers:
        raise InputError(f"{key} is empty; give at least one number")
    lowest, bound = limits.get("minimum", -math.inf), limits.get("bound", -math.inf)
    ceiling = limits.get("below", math.inf)
    wanted = f"of at least {lowest}" if "minimum" in limits else f"above {bound}"
    if "below" in limits:
        wanted += f" and below {ceiling}"
    for number in numbers:
        if not isinstance(number, int | float):
            raise InputError(f"{key} is {number!r}; give a number {wanted}")
        if not (math.isfinite(number) and number >= lowest and bound < number < ceiling):
            raise InputError(f"{key} is {number}; give a number {wanted}")
