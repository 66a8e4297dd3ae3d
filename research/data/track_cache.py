"""A folder that keeps one array a track, so that each track is decoded and analysed once."""

import abc
import os
import pathlib
import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, BinaryIO, ClassVar

import numpy as np

from research.audio.find import check_link
from research.errors import InputError, about
from research.files import atomic_write

CHECKSUM_BYTES = 8
_BLOCK_BYTES = 1 << 20

Entry = tuple[str, int] | InputError
"""Digest of what was decoded from a file and number of its frames, or why it cannot be used."""


class TrackCache(abc.ABC):
    """One `.npy` file a track, named by the digest of what was decoded.

    A checksum follows the array, see `is_whole`; NumPy reads the file all the same.

    Args:
      folder: made when the first file is added.
    """

    _mend: ClassVar[str]  # What to do where the folder cannot be used.

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder)

    def path(self, digest: str) -> pathlib.Path:
        """File of a track."""
        return self.folder / f"{digest}.npy"

    def add(
        self,
        files: Sequence[pathlib.Path],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Entry]:
        """Make sure that the array of every file is there, computed on all cores.

        Args:
          files: what to decode.
          on_progress: called with the number of files done and the number of files.

        Returns:
          an entry a file, in the order of the files.

        Raises:
          InputError: the folder cannot be written, or a worker process was killed.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the cache {self.folder} cannot be made ({error.strerror}); {self._mend}"
            ) from error
        return self._add(files, on_progress)

    @abc.abstractmethod
    def _add(
        self, files: Sequence[pathlib.Path], on_progress: Callable[[int, int], None]
    ) -> list[Entry]:
        """`collect` the entries with a pool of workers."""

    @abc.abstractmethod
    def _decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of a decoded file, and a function that computes its array."""

    @abc.abstractmethod
    def _count(self, array: np.ndarray) -> int:
        """Frames of a track by its array."""

    @abc.abstractmethod
    def _num_frames(self, digest: str) -> int | None:
        """Frames of a track by its file; None if that is missing or damaged."""

    def add_one(self, file: pathlib.Path) -> Entry:
        """The same for one file, in this thread; the folder must exist."""
        try:
            check_link(file)
            digest, compute = self._decode(file)
            num_frames = self._num_frames(digest)
            if num_frames is not None:
                return digest, num_frames
            with about(file):
                array = compute()
        except InputError as error:
            return error
        free = shutil.disk_usage(self.folder).free
        if free < array.nbytes:
            raise InputError(
                f"the cache {self.folder} has {free >> 20} MiB left on its disk; make room or "
                f"{self._mend}"
            )
        save_whole(self.path(digest), array)
        return digest, self._count(array)


def save_whole(path: str | os.PathLike, array: np.ndarray) -> None:
    """Write an array as a `.npy` file and its checksum after it, atomically.

    Raises:
      InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb+") as out:
        np.save(out, array)
        out.seek(0)
        out.write(_checksum(out, os.fstat(out.fileno()).st_size))


def is_whole(file: BinaryIO) -> bool:
    """True if an open file ends in the checksum of all that comes before."""
    file.seek(0)
    return _checksum(file, os.fstat(file.fileno()).st_size - CHECKSUM_BYTES) == file.read()


def _checksum(file: BinaryIO, size: int) -> bytes:
    """CRC-32 of the next `size` bytes of a file, as eight digits."""
    value = 0
    while size > 0 and (block := file.read(min(size, _BLOCK_BYTES))):
        value = zlib.crc32(block, value)
        size -= len(block)
    return f"{value:08x}".encode()


def collect(
    pool: Executor,
    add: Callable[[Any], Entry],
    items: Sequence[Any],
    entries: list[Entry],
    on_progress: Callable[[int, int], None],
) -> None:
    """Append `add(item)` for each item to `entries`, in order; an error cancels those that wait."""
    try:
        for entry in pool.map(add, items):
            entries.append(entry)
            on_progress(len(entries), len(items))
    finally:
        pool.shutdown(cancel_futures=True)
