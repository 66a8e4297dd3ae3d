"""Which contents meet which styles: files, lists, folders and tables of pairs."""

import csv
import os
import pathlib

from research.audio.find import find_audio
from research.errors import InputError
from research.transfer.bank import is_mix


def find_pairs(content: str, style: str) -> list[tuple[str, str]]:
    """Every content with every style.

    Args:
      content: an audio file, a folder of them, or several of both, with commas between.
      style: the same, and style banks; or one mix, `a.wav:0.7,b.npz:0.3`.

    Raises:
      InputError: something that is not there, or a folder without audio.
    """
    styles = [style] if is_mix(style) else _find(style, "--style")
    return [(one, other) for one in _find(content, "--content") for other in styles]


def _find(text: str, flag: str) -> list[str]:
    whole = os.path.expanduser(text)
    parts = [whole] if os.path.exists(whole) else [part.strip() for part in text.split(",")]
    found = []
    for part in parts:
        if not part:
            raise InputError(f"{flag} {text!r} has an empty part; give audio files")
        found += [str(path) for path in find_audio(part, flag)]
    return found


def load_pairs(path: str | os.PathLike) -> list[tuple[str, str]]:
    """Pairs of a table: a line each, content and style with a tab between.

    Paths are relative to the table's folder. A first line of the words content and style is a
    header; empty lines count for nothing.

    Raises:
      InputError: it cannot be read, has a line of another kind, or names what is not there.
    """
    path = pathlib.Path(path).expanduser()
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--pairs {path} cannot be read ({reason}); give a table") from error
    pairs = []
    for number, cells in enumerate(lines, 1):
        if not any(cells) or (number == 1 and [c.strip() for c in cells] == ["content", "style"]):
            continue
        if len(cells) != 2 or not all(cells):
            raise InputError(
                f"--pairs {path}, line {number}: {len(cells)} cells; give a content and a style "
                "with a tab between"
            )
        content, style = cells
        if not is_mix(style):
            style = str(path.parent / os.path.expanduser(style))
        found = str(path.parent / os.path.expanduser(content)), style
        for file in found:
            if not is_mix(file) and not os.path.isfile(file):
                raise InputError(f"--pairs {path}, line {number}: {file} does not exist")
        pairs.append(found)
    if not pairs:
        raise InputError(f"--pairs {path} holds no pairs; give a content and a style a line")
    return pairs
