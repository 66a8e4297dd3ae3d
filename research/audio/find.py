"""Audio files by the names that people give."""

import os
import pathlib

from research.audio.waveform import may_be_audio
from research.errors import InputError


def find_audio(path: str | os.PathLike, flag: str) -> list[pathlib.Path]:
    """The file, or all files under a folder but hidden ones, and pictures and texts by name.

    Args:
      path: of a file, which may be of any name, or a folder.
      flag: that names it, for messages: `--input`.

    Raises:
      InputError: nothing is there.
    """
    # Not the methods of a path, which raise of a name that is too long or of an unknown user.
    start = os.path.expanduser(path)
    mend = "give an audio file or a folder of them"
    if not os.path.exists(start):
        raise InputError(f"{flag} {path} does not exist; {mend}")
    start = pathlib.Path(start)
    if not start.is_dir():
        return [start]
    files = [
        file
        for file in sorted(start.rglob("*"))
        if file.is_file() and may_be_audio(file) and not is_hidden(file.relative_to(start))
    ]
    if not files:
        raise InputError(f"{flag} {path} holds no audio; {mend}")
    return files


def is_hidden(path: pathlib.PurePath) -> bool:
    """Whether a file, or a folder on the way to it, is hidden."""
    return any(part.startswith(".") for part in path.parts)
