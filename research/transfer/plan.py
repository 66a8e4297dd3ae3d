"""The takes that a run is to make: pairs of recordings, times values of a sweep."""

import dataclasses
import hashlib
import itertools
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from research.audio.waveform import load_waveform
from research.transfer.config import TransferConfig
from research.transfer.style_source import check_source, parse_source
from research.transfer.sweep import Settings, combinations, in_words, with_settings
from research.transfer.takes import TAKES


@dataclasses.dataclass(frozen=True)
class PlannedTake:
    """A take that is to be made, or was made before.

    Attributes:
      folder: of its files.
      content: path of an audio file.
      style: text of `--style`.
      settings: swept values.
    """

    folder: pathlib.Path
    content: str
    style: str
    settings: Settings

    @property
    def pair(self) -> tuple[str, str]:
        """Content and style."""
        return self.content, self.style

    @property
    def name(self) -> str:
        """What differs from the other takes of its pair, such as `style_weight=2`."""
        return in_words(self.settings) or "output"

    @property
    def is_done(self) -> bool:
        """Whether all of its files exist."""
        return (self.folder / "metrics.json").exists()


def plan(
    config: TransferConfig, pairs: list[tuple[str, str]], workdir: pathlib.Path
) -> list[PlannedTake]:
    """Every pair with every combination of swept values; see `takes` for their folders.

    Raises:
      InputError: a combination that the config does not allow.
    """
    settings = combinations(config.sweep)
    for one in settings:
        with_settings(config, one)
    # Absolute, so that files are found from anywhere, and a file has one name.
    distinct = dict.fromkeys((_absolute(content), _absolute(style)) for content, style in pairs)
    every = [(*pair, one) for pair, one in itertools.product(distinct, settings)]
    folders = [workdir / TAKES / f"{number:03d}" for number in range(len(every))]
    if len(every) == 1:
        folders = [workdir]
    return [
        PlannedTake(folder, content, style, one)
        for folder, (content, style, one) in zip(folders, every, strict=True)
    ]


def _absolute(name: str) -> str:
    return os.path.abspath(name) if os.path.exists(name) else name


def identify(takes: Iterable[PlannedTake]) -> dict[str, Any]:
    """What the takes are made of, as JSON values: names, settings, and SHA-256 of the files."""
    takes = list(takes)
    paths = input_files(takes)
    return {
        "takes": {take.folder.name: [*take.pair, take.settings] for take in takes},
        "files": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
    }


def input_files(takes: Iterable[PlannedTake]) -> list[pathlib.Path]:
    """The contents of takes, and the files that their styles are made of."""
    parts = [part for name in _names(takes) for part in parse_source(name)]
    return list(dict.fromkeys(part.path for part in parts if part.path.is_file()))


def _names(takes: Iterable[PlannedTake]) -> Iterable[str]:
    return dict.fromkeys(name for take in takes for name in take.pair)


def check_recordings(takes: Iterable[PlannedTake]) -> None:
    """Check that every recording can be read, before time is spent on any.

    Raises:
      InputError: one cannot.
    """
    takes = list(takes)
    for content in dict.fromkeys(take.content for take in takes):
        load_waveform(content)
    for style in dict.fromkeys(take.style for take in takes):
        check_source(style)
