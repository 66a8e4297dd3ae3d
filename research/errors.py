"""The exception for errors that the user can correct, and errors that cost no result."""

import contextlib
import warnings
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


@contextlib.contextmanager
def only_warn(what: object) -> Iterator[None]:
    """Turn any error inside the block into a warning, since the result is written already.

    Args:
      what: the result that could not be written, such as the path of a figure or page.
    """
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, InputError) else repr(error)
        warnings.warn(f"{what} is not written: {reason}", stacklevel=3)
