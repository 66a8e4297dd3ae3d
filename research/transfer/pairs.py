"""Which contents meet which styles: files, lists, folders and tables of pairs."""

import os
import pathlib

from research.audio.find import find_audio
from research.errors import InputError, about
from research.transfer.style_file import is_mix


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

    Paths are relative to the table's folder, those of a mix, too. Empty lines, lines that begin
    with `#`, and a first line of the words content and style count for nothing.

    Raises:
      InputError: it cannot be read, has a line of another kind, or names what is not there.
    """
    path = pathlib.Path(path).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--pairs {path} cannot be read ({reason}); give a table") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.rstrip().split("\t")]
        header = not pairs and [cell.lower() for cell in cells] == ["content", "style"]
        if not line.strip() or line.startswith("#") or header:
            continue
        with about(f"--pairs {path}, line {number}"):
            if len(cells) != 2 or not all(cells):
                raise InputError("give a content and a style with a tab between")
            content, style = cells
            pairs.append((_locate(content, path.parent), _locate_mix(style, path.parent)))
    if not pairs:
        raise InputError(f"--pairs {path} holds no pairs; give a content and a style a line")
    return pairs


def _locate(file: str, folder: pathlib.Path) -> str:
    found = str(folder / os.path.expanduser(file))
    if not os.path.isfile(found):
        raise InputError(f"{found} does not exist")
    return found


def _locate_mix(text: str, folder: pathlib.Path) -> str:
    """A style, or each part of a mix, `a.wav:0.7,b.npz:0.3`."""
    if ":" not in text or (folder / os.path.expanduser(text)).exists():
        return _locate(text, folder)
    parts = [part.rpartition(":") for part in text.split(",")]
    return ",".join(f"{_locate(name.strip(), folder)}:{weight}" for name, _, weight in parts)
