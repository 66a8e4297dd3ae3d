"""Atomic writes, inputs that are not written over, a lock, and the cache folder of the user."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator

from research import signals
from research.errors import InputError

_LONGEST_NAME = 255  # Bytes, on all common file systems.
_PROJECT = "music_style_transfer_jax"


def expand(path: str | os.PathLike) -> pathlib.Path:
    """The path with `~` expanded; as it is if there is no such user, or the user has no home."""
    return pathlib.Path(os.path.expanduser(path))


def user_cache() -> pathlib.Path:
    """The cache folder of this project, which need not exist yet.

    It is in `$XDG_CACHE_HOME` or `~/.cache`; if that cannot be written, or the user has no home, in
    the folder for temporary files.
    """
    chosen = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not chosen.startswith("~"):  # It still does where there is no home.
        folder = pathlib.Path(chosen) / _PROJECT
        if _can_be_written(folder):
            return folder
    # Programs are loaded from it, so it must not be another user's.
    folder = pathlib.Path(tempfile.gettempdir()) / f"{_PROJECT}_{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid == os.getuid() and _can_be_written(folder):
            return folder
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{_PROJECT}_"))


def _can_be_written(folder: pathlib.Path) -> bool:
    """Whether files can be written into a folder, or it can be made."""
    while not os.path.exists(folder):  # Unlike the method, it tells no PermissionError.
        folder = folder.parent
    # os.access says yes to root where a file system, such as /proc, says no.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def exclusive_lock(folder: str | os.PathLike) -> Iterator[None]:
    """Lock a folder against other processes. The lock ends with the block or the process.

    A file system without locks gives a warning.

    Raises:
      InputError: another process has locked the folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process works in {folder}; give another --workdir"
            ) from error
        except OSError as error:
            warnings.warn(
                f"{folder} cannot be locked ({error.strerror}): start one process in it at a time",
                stacklevel=3,
            )
        yield
    finally:
        os.close(descriptor)


def check_place(path: str | os.PathLike) -> None:
    """Check that a file can be written, before time is spent on computing its contents.

    Raises:
      InputError: the path is a folder, its parent does not exist, its name is too long, or there
        is no permission.
    """
    path = pathlib.Path(path)
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise InputError(
            f"output {path}: its name is longer than {_LONGEST_NAME} bytes; give a shorter one"
        )
    if path.is_dir():
        raise InputError(f"output {path} is a directory; give a file name in it")
    if not path.parent.is_dir():
        raise InputError(f"output {path}: there is no folder {path.parent}; make it first")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"output {path} cannot be written ({error.strerror})") from error


def check_kept(inputs: Iterable[str | os.PathLike], outputs: Iterable[str | os.PathLike]) -> None:
    """Check that no input would be written over, whatever names and links lead to it.

    Raises:
      InputError: an output is the same file as an input.
    """
    kept = [path for path in inputs if os.path.exists(path)]
    for output in outputs:
        if os.path.exists(output) and any(os.path.samefile(output, path) for path in kept):
            raise InputError(
                f"{output} is an input and would be written over; give another --output or "
                "--workdir"
            )


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Write a file atomically: yields a temporary path that is renamed at the end of the block.

    The temporary file is in the same folder. If the block raises, it is deleted, and `path` stays
    as it was.

    Raises:
      InputError: the operating system refuses to write or rename the file.
    """
    path = pathlib.Path(path)
    process = f".{os.getpid()}_{threading.get_ident()}."
    # The end of the name is kept: libraries choose a format by it.
    name = os.fsdecode(os.fsencode(path.name)[-(_LONGEST_NAME - len(process)) :])
    temporary = path.with_name(process + name)
    try:
        with signals.removed_at_the_end(temporary):
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
