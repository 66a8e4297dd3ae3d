"""The folder that keeps the spectrogram of each whole track.

A spectrogram is a `.npy` file of half precision, named by a digest of the decoded file, in a
subfolder named by its front end. Segments, splits and data sets share the files. A file of the
wrong size, header or checksum is computed again.
"""

import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Protocol

import numpy as np

from research.data.track_cache import CHECKSUM_BYTES, Entry, TrackCache, collect, is_whole
from research.errors import InputError
from research.files import atomic_write, user_cache

# Raise it when spectrograms are computed in another way: all are computed again.
_VERSION = 1
# What numpy.save writes before a matrix of half precision.
_HEADER_BYTES = 128
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, "
    rb"'shape': \((\d+), (\d+)\), } *\n"
)


def default_cache() -> pathlib.Path:
    """The user's folder for spectrograms."""
    return user_cache() / "spectrograms"


class FrameSource(Protocol):
    """The part of a `FileFrontEnd` that the cache uses; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def folder(self) -> str:
        """Start of the name of the subfolder."""
        ...

    @property
    def num_bins(self) -> int:
        """Numbers in a frame."""
        ...

    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of the decoded file, and a function that computes its frames."""
        ...


class SpectrogramCache(TrackCache):
    """Spectrograms on disk, `[frames, bins]` float16 each, read a segment at a time.

    A file that is known by path, inode, size, and times of change is not decoded again unless its
    spectrogram is missing or damaged.

    Args:
      folder: holds a subfolder a front end, and the index of known files.
      front_end: computes the spectrograms.
    """

    _mend = "give another folder by config.data.cache"

    def __init__(self, folder: str | os.PathLike, front_end: FrameSource):
        text = json.dumps([_VERSION, dataclasses.asdict(front_end)], sort_keys=True)
        key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        self.root = pathlib.Path(folder)
        super().__init__(self.root / f"{front_end.folder}_{key}")
        self.front_end = front_end
        self.num_bins = front_end.num_bins
        self.dtype = np.float16

    def _add(
        self, files: Sequence[pathlib.Path], on_progress: Callable[[int, int], None]
    ) -> list[Entry]:
        from joblib import cpu_count

        index, entries = self.root / "digests.json", []
        known, stamped = _read_index(index), [(file, _stamp(file)) for file in files]
        try:
            with ThreadPoolExecutor(cpu_count()) as pool:
                add = functools.partial(self._add_stamped, known)
                collect(pool, add, stamped, entries, on_progress)
        finally:
            found = {
                os.path.realpath(file): [*stamp, entry[0]]
                for (file, stamp), entry in zip(stamped, entries, strict=False)
                if not isinstance(entry, InputError)
            }
            if any(known.get(file) != value for file, value in found.items()):
                _add_to_index(index, found)
        return entries

    def _add_stamped(
        self, known: dict[str, list], stamped: tuple[pathlib.Path, tuple[int, ...]]
    ) -> Entry:
        file, stamp = stamped
        *before, digest = known.get(os.path.realpath(file), ("",))
        num_frames = self._num_frames(digest) if tuple(before) == stamp else None
        return self.add_one(file) if num_frames is None else (digest, num_frames)

    def _decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        return self.front_end.decode(file)

    def _count(self, array: np.ndarray) -> int:
        return len(array)

    def _num_frames(self, digest: str) -> int | None:
        try:
            with self.path(digest).open("rb", buffering=0) as file:
                num_frames = self._check(file)
                return num_frames if num_frames is not None and is_whole(file) else None
        except OSError:
            return None

    def _check(self, file: io.FileIO) -> int | None:
        """Number of frames by the header; None if header or size are not as they were written."""
        header = _HEADER.fullmatch(file.read(_HEADER_BYTES))
        if header is None:
            return None
        num_frames, num_bins = map(int, header.groups())
        size = _HEADER_BYTES + 2 * num_frames * num_bins + CHECKSUM_BYTES
        whole = num_bins == self.num_bins and os.fstat(file.fileno()).st_size == size
        return num_frames if whole else None

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Copy the frames from `start` on into `out`, `[frames, bins]` float16.

        A plain read at an offset takes a third of the time of a memory map.

        Raises:
          InputError: the file is missing, damaged, or ends before.
        """
        path = self.path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                num_frames = self._check(file)
                whole = num_frames is not None and start + len(out) <= num_frames
                file.seek(_HEADER_BYTES + start * out[0].nbytes)
                whole = whole and file.readinto(out.data) == out.nbytes
        except OSError:
            whole = False
        if not whole:
            raise InputError(
                f"the spectrogram {path} is missing or damaged; start again to have it computed "
                "anew"
            )


def _add_to_index(path: pathlib.Path, found: dict[str, list]) -> None:
    """Add to what other processes have written meanwhile; if it cannot be written, only warn."""
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(_read_index(path) | found))
    except InputError as error:
        warnings.warn(f"{error}; files are decoded again next time", stacklevel=2)


def _read_index(path: pathlib.Path) -> dict[str, list]:
    """`_stamp` and digest by path; damaged and older entries are left out."""
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {
        file: entry
        for file, entry in index.items()
        if isinstance(entry, list) and list(map(type, entry)) == [int, int, int, int, str]
    }


def _stamp(file: pathlib.Path) -> tuple[int, ...]:
    """Size in bytes, inode, and times in ns when content and inode changed; empty of no file.

    Archives give many files one size and modification time, and moving them keeps both.
    """
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
