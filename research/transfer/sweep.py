"""A sweep: every combination of swept values, and the problems that they make of a pair."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from research.audio.waveform import Waveform
from research.errors import InputError
from research.settings import unbound_keys
from research.transfer.config import SweepConfig, TransferConfig
from research.transfer.constants import make_constants
from research.transfer.objective import Style
from research.transfer.style_transfer import Problem, prepare

Settings = dict[str, float]
"""Swept values by key of the config, without `config.`."""


def combinations(sweep: SweepConfig) -> list[Settings]:
    """Every combination of the swept values, the last key the fastest; `[{}]` without any."""
    lists = {}
    for key, values in dataclasses.asdict(sweep).items():
        if isinstance(values, dict):
            lists |= {f"{key}.{term}": inner for term, inner in values.items()}
        elif key not in unbound_keys(SweepConfig):
            lists[key] = values
    lists = {key: dict.fromkeys(values) for key, values in lists.items() if values is not None}
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def with_settings(config: TransferConfig, settings: Settings) -> TransferConfig:
    """The config of one combination.

    Raises:
      InputError: values that the config does not allow.
    """
    changes: dict[str, Any] = {"content": config.content, "style": config.style}
    for key, value in settings.items():
        group, _, term = key.partition(".")
        changes[group] = dataclasses.replace(changes[group], **{term: value}) if term else value
    try:
        return dataclasses.replace(config, **changes)
    except ValueError as error:
        raise InputError(f"config.sweep: {error}") from error


def in_words(settings: dict[str, Any]) -> str:
    """Settings as a name, `style_weight=2, seed=1`."""
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, int | float) else f"{key}={value}"
        for key, value in settings.items()
    )


def prepare_each(
    content: Waveform, style: Waveform | Style, config: TransferConfig, takes: list[Settings]
) -> Iterator[Problem]:
    """The problems of several settings of one pair.

    All have the terms that any combination of the sweep gives a weight, so that one program does
    for all. What settings do not change is prepared once.

    Raises:
      InputError: see `prepare`.
    """
    every = _with_every_term(config)
    constants = make_constants(every, content.sample_rate)
    prepared = {}
    for own in (with_settings(config, settings) for settings in takes):
        kind = own.seed, own.style_amount
        if kind not in prepared:
            changed = dataclasses.replace(every, seed=own.seed, style_amount=own.style_amount)
            prepared[kind] = prepare(content, style, changed, constants)
        weights = dict.fromkeys(every.weights, 0.0) | own.weights
        yield dataclasses.replace(prepared[kind], weights=weights)


def _with_every_term(config: TransferConfig) -> TransferConfig:
    """A config with the largest weight that each term has in any combination."""
    configs = [with_settings(config, settings) for settings in combinations(config.sweep)]

    def largest(group: str) -> Any:
        weights = [dataclasses.asdict(getattr(one, group)) for one in configs]
        terms = {term: max(one[term] for one in weights) for term in weights[0]}
        return type(getattr(config, group))(**terms)

    return dataclasses.replace(config, content=largest("content"), style=largest("style"))
