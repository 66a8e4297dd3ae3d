"""The exception for errors that the user can correct."""

import contextlib
from collections.abc import Iterator


class InputError(ValueError):
    """Invalid input. The message is one line: it names the file or key and says what to do."""


@contextlib.contextmanager
def about(what: object) -> Iterator[None]:
    """Prefix the message of an InputError raised inside the block with a file or key.

    Raises:
      InputError: `<what>: <message>`.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
