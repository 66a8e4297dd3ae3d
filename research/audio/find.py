"""Finding files of a kind, such as audio files, by path or in a folder."""

import dataclasses
import os
import pathlib
from collections.abc import Callable

from research.audio.waveform import may_be_audio
from research.errors import InputError


@dataclasses.dataclass(frozen=True)
class FileKind:
    """A kind of files.

    Attributes:
      name: noun for messages, such as "audio".
      one: noun phrase for one file, such as "an audio file".
      may_be: False for a file whose name shows that it is of another kind.
    """

    name: str
    one: str
    may_be: Callable[[pathlib.Path], bool]


AUDIO = FileKind("audio", "an audio file", may_be_audio)


def find_audio(path: str | os.PathLike, flag: str) -> list[pathlib.Path]:
    """Audio files: `find_files` for audio.

    Raises:
      InputError: the path does not exist, or the folder holds no audio.
    """
    return find_files(path, flag, AUDIO)


def find_files(path: str | os.PathLike, flag: str, kind: FileKind) -> list[pathlib.Path]:
    """A file, or all files of a kind in a folder and its subfolders, sorted, without hidden files.

    Args:
      path: a file of any name, or a folder. `~` is expanded.
      flag: name of the flag that gave the path, for messages, such as `--input`.
      kind: kind of the files in a folder.

    Raises:
      InputError: the path does not exist, or the folder holds no file of the kind.
    """
    # The methods of pathlib raise for a name that is too long and for an unknown user.
    start = os.path.expanduser(path)
    hint = f"give {kind.one} or a folder of them"
    if not os.path.exists(start):
        raise InputError(f"{flag} {path} does not exist; {hint}")
    start = pathlib.Path(start)
    if not start.is_dir():
        return [start]
    files = [file for file in list_files(start) if kind.may_be(file)]
    if not files:
        raise InputError(f"{flag} {path} holds no {kind.name}; {hint}")
    return files


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """All files in a folder and its subfolders, sorted, without hidden files."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not is_hidden(file.relative_to(folder))
    ]


def is_hidden(path: pathlib.PurePath) -> bool:
    """True if any part of a path begins with a dot."""
    return any(part.startswith(".") for part in path.parts)
