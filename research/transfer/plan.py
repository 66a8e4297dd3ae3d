"""The takes that a run is to make: pairs of recordings, times values of a sweep."""

import dataclasses
import hashlib
import itertools
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from research.audio.waveform import Waveform, load_waveform, without_offset
from research.errors import about
from research.files import expand
from research.transfer.config import TransferConfig
from research.transfer.inputs import content_samples, style_samples
from research.transfer.memory import check_memory
from research.transfer.style_description import style_settings
from research.transfer.style_source import check_source, style_files
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


def identify(config: TransferConfig, takes: Iterable[PlannedTake]) -> dict[str, Any]:
    """What the takes are made of, as JSON values: names, settings, and SHA-256 of the files."""
    takes = list(takes)
    paths = input_files(takes)
    if config.pca and expand(config.pca).is_file():
        paths.append(expand(config.pca))
    identity = {
        "takes": {take.folder.name: [*take.pair, take.settings] for take in takes},
        "files": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
    }
    classifier = style_settings(config).get("checkpoint")
    return identity if classifier is None else identity | {"classifier": classifier}


def input_files(takes: Iterable[PlannedTake]) -> list[pathlib.Path]:
    """The contents of takes, and the files that their styles are made of."""
    contents = [pathlib.Path(take.content) for take in takes]
    styles = dict.fromkeys(take.style for take in takes)
    of_styles = [file for style in styles for file in style_files(style)]
    return list(dict.fromkeys(contents + of_styles))


def check_recordings(config: TransferConfig, takes: Iterable[PlannedTake]) -> None:
    """Check that every recording can be read, and that no pair would end a sweep halfway.

    Raises:
      InputError: a recording cannot be read, or of several pairs one cannot be used, or needs more
        memory than there is.
    """
    pairs = dict.fromkeys(take.pair for take in takes)
    contents: dict[str, Waveform] = {}
    styles: dict[str, Waveform | None] = {}
    for content in dict.fromkeys(content for content, _ in pairs):
        recording = load_waveform(content)
        if len(pairs) > 1:
            with about(content):
                content_samples(without_offset(recording), config)
        contents[content] = _outline(recording)
    for style in dict.fromkeys(style for _, style in pairs):
        recording = check_source(style, config)
        if len(pairs) > 1 and recording is not None:
            with about(style):
                style_samples(recording, config)
        styles[style] = None if recording is None else _outline(recording)
    for content, style in pairs:
        with about(f"{content} x {style}"):
            check_memory(config, contents[content], styles[style])


def _outline(recording: Waveform) -> Waveform:
    """Silence of the same size, which takes no memory."""
    return Waveform(np.broadcast_to(np.float32(0), recording.samples.shape), recording.sample_rate)
