"""Files of a kind, of audio above all, by the names that people give."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

from research.audio.waveform import may_be_audio
from research.errors import InputError


@dataclasses.dataclass(frozen=True)
class FileKind:
    """What files are looked for.

    Attributes:
      name: of the kind in words.
      one: a file of it in words.
      may_be: whether the name of a file does not say that it is something else.
    """

    name: str
    one: str
    may_be: Callable[[pathlib.Path], bool]


AUDIO = FileKind("audio", "an audio file", may_be_audio)


def find_audio(path: str | os.PathLike, flag: str) -> list[pathlib.Path]:
    """The file, or all files under a folder but hidden ones, and pictures and texts by name.

    Raises:
      InputError: nothing is there.
    """
    return find_files(path, flag, AUDIO)


def find_files(path: str | os.PathLike, flag: str, kind: FileKind) -> list[pathlib.Path]:
    """The file, or all files under a folder but hidden ones and, by name, those of other kinds.

    Args:
      path: of a file, which may be of any name, or a folder.
      flag: that names it, for messages: `--input`.
      kind: of the files.

    Raises:
      InputError: nothing is there.
    """
    # Not the methods of a path, which raise of a name that is too long or of an unknown user.
    start = os.path.expanduser(path)
    mend = f"give {kind.one} or a folder of them"
    if not os.path.exists(start):
        raise InputError(f"{flag} {path} does not exist; {mend}")
    start = pathlib.Path(start)
    if not start.is_dir():
        return [start]
    files = [file for file in list_files(start) if kind.may_be(file)]
    if not files:
        raise InputError(f"{flag} {path} holds no {kind.name}; {mend}")
    return files


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """All files under a folder but hidden ones."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not is_hidden(file.relative_to(folder))
    ]


def is_hidden(path: pathlib.PurePath) -> bool:
    """Whether a file, or a folder on the way to it, is hidden."""
    return any(part.startswith(".") for part in path.parts)
