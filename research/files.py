"""Atomic writes, a lock on a folder, and the cache folder of the user."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
import threading
from collections.abc import Iterator

from research.errors import InputError


def user_cache() -> pathlib.Path:
    """The cache folder of this project, in `$XDG_CACHE_HOME` or `~/.cache`."""
    caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "music_style_transfer_jax"


@contextlib.contextmanager
def exclusive_lock(folder: str | os.PathLike) -> Iterator[None]:
    """Lock a folder against other processes. The lock ends with the block or the process.

    Raises:
      InputError: another process has locked the folder.
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
    """Check that a file can be written, before time is spent on computing its contents.

    Raises:
      InputError: the path is a folder, its parent does not exist, or there is no permission.
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
def atomic_write(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Write a file atomically: yields a temporary path that is renamed at the end of the block.

    The temporary file is in the same folder. If the block raises, it is deleted, and `path` stays
    as it was.

    Raises:
      InputError: the operating system refuses to write or rename the file.
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
