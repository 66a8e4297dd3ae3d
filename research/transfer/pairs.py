"""Pairs of a content and a style: from files, lists and folders, or from a table."""

import os
import pathlib
from collections.abc import Callable

from research.audio.find import find_audio
from research.errors import InputError, about
from research.files import expand
from research.tables import as_text, read_lines, split_cells
from research.transfer.style_source import parse_source


def find_pairs(content: str, style: str) -> list[tuple[str, str]]:
    """Every content with every style.

    Args:
      content: an audio file, a folder of them, or several of both, separated by commas.
      style: the same, and style files; or one mix, `a.wav:0.7,b.npz:0.3`.

    Raises:
      InputError: something does not exist, or a folder has no audio.
    """
    parts = parse_source(style)
    if parts[0].written is not None:
        styles = [style]
    else:
        styles = [str(path) for part in parts for path in find_audio(part.path, "--style")]
    return [(one, other) for one in _find_contents(content) for other in styles]


def _find_contents(text: str) -> list[str]:
    whole = os.path.expanduser(text)
    parts = [whole] if os.path.exists(whole) else [part.strip() for part in text.split(",")]
    if not all(parts):
        raise InputError(f"--content {text!r} has an empty part; give audio files")
    return [str(path) for part in parts for path in find_audio(part, "--content")]


def load_pairs(path: str | os.PathLike) -> list[tuple[str, str]]:
    """The pairs of a table: on each line a content and a style, separated by a tab or semicolon.

    Paths are relative to the folder of the table, also those of a mix. Empty lines, lines that
    begin with `#`, and a first line of the words content and style are skipped. See `read_lines`
    for encodings, and `split_cells` for cells in quotes.

    Raises:
      InputError: the table cannot be read, has a line of another form, or names a file that does
        not exist.
    """
    path = expand(path)
    try:
        lines = read_lines(path)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--pairs {path} cannot be read ({reason}); give a table") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        cells = split_cells(line.rstrip())
        header = not pairs and [cell.lower() for cell in cells] == ["content", "style"]
        if not line.strip() or line.startswith("#") or header:
            continue
        with about(f"--pairs {path}, line {number}"):
            if len(cells) != 2 or not all(cells):
                raise InputError("give a content and a style with a tab between")
            content, style = cells
            located = (_locate, content), (_locate_style, style)
            one, other = (_read_either(locate, cell, path.parent) for locate, cell in located)
            pairs.append((one, other))
    if not pairs:
        raise InputError(f"--pairs {path} holds no pairs; give a content and a style a line")
    return pairs


def _read_either(
    locate: Callable[[str, pathlib.Path], str], cell: str, folder: pathlib.Path
) -> str:
    """What a cell names: files are called by the same bytes, or by the same text in UTF-8."""
    text = as_text(cell)
    if text != cell:
        try:
            return locate(cell, folder)
        except InputError:
            pass
    return locate(text, folder)


def _locate(file: str, folder: pathlib.Path) -> str:
    found = str(folder / os.path.expanduser(file))
    if not os.path.isfile(found):
        raise InputError(f"{found} does not exist")
    return found


def _locate_style(text: str, folder: pathlib.Path) -> str:
    """A style file or audio file, or a mix of them, as `--style` names it from anywhere."""
    parts = parse_source(text, folder, "the style")
    if len(parts) > 1 and parts[0].written is None:
        raise InputError(f"{text} is several styles; give one a line, or a mix with weights")
    for part in parts:
        if not part.path.is_file():
            raise InputError(f"{part.path} is a folder; give a file")
    return ",".join(map(str, parts))
