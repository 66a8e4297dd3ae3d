"""The one exception that means "the user can mend this"."""

import contextlib
from collections.abc import Iterator


class InputError(ValueError):
    """Bad input. The message is one line that names the file or key and says what to do."""


@contextlib.contextmanager
def about(what: object) -> Iterator[None]:
    """Put a file or key before the message of bad input that is found inside.

    Raises:
      InputError: what was found, and in what.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
