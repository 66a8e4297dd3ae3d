"""Files that are written whole or not at all."""

import contextlib
import os
import pathlib
import threading
from collections.abc import Iterator

from research.errors import InputError


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A temporary name in the same folder, renamed to `path` when the block ends well.

    Raises:
      InputError: the operating system refuses.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{os.getpid()}_{threading.get_ident()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
