"""All front ends by name, and which of a family fits an input."""

import os

from research.audio.find import list_files
from research.data.front_ends.base import FrontEnd
from research.data.front_ends.descriptors import DescriptorConfig
from research.data.front_ends.images import ImageConfig
from research.data.front_ends.mel import MelConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.files import expand

FRONT_ENDS: dict[str, type[FrontEnd]] = {
    front_end.name: front_end
    for front_end in (
        SpectrogramConfig,
        MelConfig,
        ImageConfig,
        DescriptorConfig,
    )
}


def convert(front_end: FrontEnd, name: str) -> FrontEnd:
    """The front end of a name if it is of the same family, else the one given."""
    return next((other for other in _family(front_end) if other.name == name), front_end)


def for_audio(front_end: FrontEnd) -> FrontEnd:
    """The front end of the same family that reads audio, else the one given."""
    return next((other for other in _family(front_end) if other.from_audio), front_end)


def for_input(front_end: FrontEnd, path: str) -> FrontEnd:
    """The front end of the same family that accepts a file, by its name, under a path.

    The first in the registry of several that do, or if none does.

    Args:
      front_end: whose family is meant.
      path: of a file or a folder; need not exist.
    """
    start = expand(path)
    files = list_files(start) if os.path.isdir(start) else [start]
    family = _family(front_end)
    return next((other for other in family if any(map(other.accepts, files))), family[0])


def _family(front_end: FrontEnd) -> list[FrontEnd]:
    """All front ends of the same family, the one given among them, in the order of the registry."""
    return [
        front_end if name == front_end.name else other()
        for name, other in FRONT_ENDS.items()
        if other.family == front_end.family
    ]
