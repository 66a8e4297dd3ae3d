"""Configs as frozen dataclasses: what a key may hold, its default, and whether it binds a run.

A dataclass is the one place where a key, its default and its limits are stated. `to_config_dict`
makes the mutable ConfigDict that flags fill; `freeze` makes a frozen dataclass of it again, which
jit takes as a static argument. A field made by `member_of` holds one of several dataclasses, chosen
by its `name`.
"""

import dataclasses
import json
import math
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from research.errors import InputError

if TYPE_CHECKING:
    from ml_collections import ConfigDict

T = TypeVar("T")
_LARGEST = 2**32 - 1  # A seed that every random generator takes.


def one_of(default: str, choices: Iterable[str]) -> Any:
    """A field that holds one of a few names."""
    return dataclasses.field(default=default, metadata={"choices": tuple(choices)})


def at_least(default: Any, minimum: float) -> Any:
    """A field of a finite number, or of several, none under `minimum`."""
    return dataclasses.field(default=default, metadata={"minimum": minimum})


def between(default: Any, minimum: float, maximum: float) -> Any:
    """A field of a finite number, or of several, each from `minimum` to `maximum`.

    For numbers beyond which no machine has the memory, or no file the format.
    """
    return dataclasses.field(default=default, metadata={"minimum": minimum, "maximum": maximum})


def above(default: Any, bound: float, binds: bool = True) -> Any:
    """A field of a finite number, or of several, each over `bound`."""
    return dataclasses.field(default=default, metadata={"bound": bound, "binds": binds})


def fraction(default: float) -> Any:
    """A field of a number from 0 to just under 1."""
    return dataclasses.field(default=default, metadata={"minimum": 0, "below": 1})


def path(default: str | None = None, binds: bool = True) -> Any:
    """A field of the path of a file or folder, which is not empty."""
    return dataclasses.field(default=default, metadata={"path": True, "binds": binds})


def member_of(default: Any, members: Mapping[str, type]) -> Any:
    """A field that holds an instance of one of several frozen dataclasses, by `name`."""
    return dataclasses.field(default=default, metadata={"members": dict(members)})


def unbound(default: Any) -> Any:
    """A field that may differ when a run is continued; the result does not depend on it."""
    return dataclasses.field(default=default, metadata={"binds": False})


def freeze(cls: type[T], config: Mapping[str, Any], prefix: str = "config") -> T:
    """A frozen dataclass with the values of a ConfigDict or dict, nested ones included.

    A key that is missing takes its default: runs are older than some keys.

    Raises:
      InputError: a key is unknown, or holds what its field does not allow, or the dataclass itself
        refuses its values with a ValueError.
    """
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
    known = {field.name for field in fields} | ({"name"} & hints.keys())
    unknown = sorted(set(config) - known)
    if unknown:
        where = f" where {prefix}.name is {config['name']}" if "name" in config else ""
        raise InputError(
            f"{prefix}.{unknown[0]} is unknown{where}; known keys: {', '.join(sorted(known))}"
        )
    values = {}
    for field in fields:
        if field.name not in config:
            continue
        key, hint, value = f"{prefix}.{field.name}", hints[field.name], config[field.name]
        variants = _variants(field, hint)
        if variants:
            if not hasattr(value, "keys"):
                raise InputError(f"{key} is {value!r}; give it keys of its own")
            default = getattr(field.default, "name", None)
            value = freeze(_choose(variants, value, default, key), value, key)
        elif isinstance(value, list | tuple):
            value = tuple(value)
        _check(key, value, field.metadata)
        if {int, tuple[int, ...]} & {hint, *typing.get_args(hint)}:
            _check_whole(key, value)
        if value is None and type(None) not in typing.get_args(hint):
            raise InputError(f"{key} is None; give it a value")
        values[field.name] = value
    try:
        return cls(**values)
    except ValueError as error:
        raise InputError(f"{prefix}: {error}") from error


def to_config_dict(instance: Any) -> "ConfigDict":
    """The ConfigDict of a frozen dataclass, nested, as `freeze` takes it.

    A field that may be None can be set on the command line, too. A member of several carries its
    `name`.
    """
    from ml_collections import ConfigDict, config_dict

    hints = typing.get_type_hints(type(instance))
    config = ConfigDict()
    for field in dataclasses.fields(instance):
        value, kinds = getattr(instance, field.name), typing.get_args(hints[field.name])
        if dataclasses.is_dataclass(value):
            inner = to_config_dict(value)
            if "members" in field.metadata:
                inner.name = value.name  # pyright: ignore[reportAttributeAccessIssue]
            config[field.name] = inner
        elif type(None) in kinds:
            kind = next(kind for kind in kinds if kind is not type(None))
            config[field.name] = config_dict.placeholder(typing.get_origin(kind) or kind)
            if value is not None:
                config[field.name] = value
        else:
            config[field.name] = value
    return config


def to_json(instance: Any) -> dict[str, Any]:
    """The values of a frozen dataclass as JSON holds them, nested."""
    return json.loads(to_config_dict(instance).to_json())


def unbound_keys(cls: type) -> set[str]:
    """Dotted keys of the fields that do not bind a run, all keys of a nested dataclass."""
    found = set()
    for field in dataclasses.fields(cls):
        inner = field.default if dataclasses.is_dataclass(field.default) else None
        if not field.metadata.get("binds", True):
            names = [] if inner is None else [each.name for each in dataclasses.fields(inner)]
            found |= {f"{field.name}.{name}" for name in names} or {field.name}
        elif inner is not None:
            found |= {f"{field.name}.{key}" for key in unbound_keys(type(inner))}
    return found


def _variants(field: dataclasses.Field, hint: Any) -> dict[str, type]:
    """Dataclasses that a field may hold, by name; none of a field of plain values."""
    if "members" in field.metadata:
        return field.metadata["members"]
    return {"": hint} if isinstance(hint, type) and dataclasses.is_dataclass(hint) else {}


def _choose(
    variants: dict[str, type], config: Mapping[str, Any], default: str | None, key: str
) -> type:
    if "" in variants:
        return variants[""]
    name = config.get("name", default)
    if str(name) not in variants:
        raise InputError(f"{key}.name is {name!r}; give one of {', '.join(variants)}")
    return variants[name]


def _check_whole(key: str, value: Any) -> None:
    if value is None:
        return
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int) or number > _LARGEST:
            raise InputError(f"{key} is {number!r}; give a whole number of at most {_LARGEST}")


def _check(key: str, value: Any, limits: Mapping[str, Any]) -> None:
    if "path" in limits and value is not None and not value.strip():
        raise InputError(f"{key} is empty (an unset variable?); give a path, or leave it out")
    if "choices" in limits and value not in limits["choices"]:
        raise InputError(f"{key} is {value!r}; give one of {', '.join(limits['choices'])}")
    if value is None or not {"minimum", "bound"} & set(limits):
        return
    numbers = value if isinstance(value, tuple) else (value,)
    if not numbers:
        raise InputError(f"{key} is empty; give at least one number")
    lowest, bound = limits.get("minimum", -math.inf), limits.get("bound", -math.inf)
    highest, ceiling = limits.get("maximum", math.inf), limits.get("below", math.inf)
    wanted = f"of at least {lowest}" if "minimum" in limits else f"above {bound}"
    if "below" in limits:
        wanted += f" and below {ceiling}"
    if "maximum" in limits:
        wanted += f" and at most {highest}"
    for number in numbers:
        if not isinstance(number, int | float):
            raise InputError(f"{key} is {number!r}; give a number {wanted}")
        inside = lowest <= number <= highest and bound < number < ceiling
        if not (math.isfinite(number) and inside):
            raise InputError(f"{key} is {number}; give a number {wanted}")
