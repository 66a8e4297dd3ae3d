"""Names of genres, written in one way."""

import unicodedata
from collections.abc import Iterable

from research.errors import InputError
from research.tables import as_text


def clean_label(name: str) -> str:
    """A name without blanks around it, one between its words, in Unicode's composed form (NFC)."""
    return " ".join(unicodedata.normalize("NFC", as_text(name)).split())


def check_different(names: Iterable[str], where: str) -> None:
    """Check that no two names are one genre that was written in two ways.

    Args:
      names: of folders, or of the labels of a table.
      where: source of the names, for the message.

    Raises:
      InputError: two names differ in capitals, blanks or their form in Unicode only.
    """
    first = {}
    for name in sorted(set(names)):
        other = first.setdefault(clean_label(name).casefold(), name)
        if other != name:
            raise InputError(
                f"{where} has the genres {other!r} and {name!r}, which differ in capitals, blanks "
                "or accents only; give both one name"
            )
