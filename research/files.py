"""Files that are written whole or not at all."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
import threading
from collections.abc import Iterator

from research.errors import InputError


def user_cache() -> pathlib.Path:
    """The project's folder among the caches of the user."""
    caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "music_style_transfer_jax"


@contextlib.contextmanager
def held_alone(folder: str | os.PathLike) -> Iterator[None]:
    """Keep a folder from other processes that hold it; a process that dies lets it go.

    Raises:
      InputError: another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InputError(f"another process works in {folder}; give another --workdir") from error
    finally:
        os.close(descriptor)


def check_place(path: str | os.PathLike) -> None:
    """See that a file could be written, before time is spent on what goes into it.

    Raises:
      InputError: it is a folder, its folder does not exist, or there is no permission.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise InputError(f"output {path} is a directory; give a file name in it")
    if not path.parent.is_dir():
        raise InputError(f"output {path}: there is no folder {path.parent}; make it first")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"output {path} cannot be written ({error.strerror})") from error


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
