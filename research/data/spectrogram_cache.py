"""The folder in which the spectrogram of each whole track is kept once it was computed.

The cache holds one `.npy` file a track, half precision, named by what was decoded and foldered by
how it was transformed. Nothing of it has to be kept in step with anything else: segments, splits
and data sets read the same files, and one of the wrong size or header is computed anew.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Sequence

import numpy as np

from research.data.front_ends.images import PictureConfig
from research.data.front_ends.mel import MelConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.errors import InputError, about
from research.files import user_cache, written_whole

StoredConfig = SpectrogramConfig | MelConfig | PictureConfig

# Of how spectrograms are computed; raise it when that changes, and the cache begins anew.
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


class SpectrogramCache:
    """Spectrograms on disk, read a segment at a time.

    Args:
      folder: made when something is put into it.
      config: of the spectrograms, of audio or as they are pictured.
    """

    def __init__(self, folder: str | os.PathLike, config: StoredConfig):
        text = json.dumps([_VERSION, dataclasses.asdict(config)], sort_keys=True)
        key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        self.config = config
        self.root = pathlib.Path(folder)
        self.folder = self.root / f"{config.folder}_{key}"

    def path(self, digest: str) -> pathlib.Path:
        """Where the spectrogram of a track is kept."""
        return self.folder / f"{digest}.npy"

    def add(
        self,
        files: Sequence[pathlib.Path],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[tuple[str, int] | InputError]:
        """See that the spectrogram of every file is there, by as many threads as cores.

        A file that was seen before, by path, size and time of change, is not decoded again unless
        its spectrogram is missing or damaged.

        Returns:
          for each file, the digest of what was decoded and the number of its frames, or why it
          cannot be used.

        Raises:
          InputError: the cache cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the cache {self.folder} cannot be made ({error.strerror}); give another folder "
                "by config.data.cache"
            ) from error
        index = self.root / "digests.json"
        known = _read_index(index)
        stamps = [_stamp(file) for file in files]
        entries = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for entry in pool.map(functools.partial(self._add, known), files, stamps):
                    entries.append(entry)
                    on_progress(len(entries), len(files))
            finally:
                pool.shutdown(cancel_futures=True)
                for file, stamp, entry in zip(files, stamps, entries, strict=False):
                    if not isinstance(entry, InputError):
                        known[str(file.resolve())] = [*stamp, entry[0]]
                with written_whole(index) as temporary:
                    temporary.write_text(json.dumps(known))
        return entries

    def _add(
        self, known: dict[str, list], file: pathlib.Path, stamp: tuple[int, int]
    ) -> tuple[str, int] | InputError:
        *before, digest = known.get(str(file.resolve()), (None, None, ""))
        num_frames = self._num_frames(digest) if tuple(before) == stamp else None
        if num_frames is not None:
            return digest, num_frames
        try:
            digest, make_frames = self.config.decode(file)
            num_frames = self._num_frames(digest)
            if num_frames is not None:
                return digest, num_frames
            with about(file):
                frames = make_frames()
        except InputError as error:
            return error
        free = shutil.disk_usage(self.folder).free
        if free < frames.nbytes:
            raise InputError(
                f"the cache {self.folder} has {free >> 20} MiB left on its disk; make room or give "
                "another folder by config.data.cache"
            )
        with written_whole(self.path(digest)) as temporary, temporary.open("wb") as out:
            np.save(out, frames)
        return digest, len(frames)

    def _num_frames(self, digest: str) -> int | None:
        """Frames of a spectrogram that is there, whole and of the right shape."""
        try:
            with self.path(digest).open("rb", buffering=0) as file:
                return self._check(file)
        except OSError:
            return None

    def _check(self, file: io.FileIO) -> int | None:
        """Number of frames, by the header; None if the file is not as it was written."""
        header = _HEADER.fullmatch(file.read(_HEADER_BYTES))
        if header is None:
            return None
        num_frames, num_bins = map(int, header.groups())
        size = _HEADER_BYTES + 2 * num_frames * num_bins
        whole = num_bins == self.config.num_bins and os.fstat(file.fileno()).st_size == size
        return num_frames if whole else None

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Copy the frames from `start` on into `out`, `[frames, bins]` float16.

        By a plain read at its place in the file, which takes a third of the time of mapping it.

        Raises:
          InputError: the file is missing, damaged, or ends before.
        """
        path = self.path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                whole = self._check(file) is not None
                file.seek(_HEADER_BYTES + start * out[0].nbytes)
                whole = whole and file.readinto(out) == out.nbytes
        except OSError:
            whole = False
        if not whole:
            raise InputError(
                f"the spectrogram {path} is missing or damaged; start again to have it computed "
                "anew"
            )


def _read_index(path: pathlib.Path) -> dict[str, list]:
    """Size, time of change and digest by path; what is damaged of it is left out."""
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {
        file: entry
        for file, entry in index.items()
        if isinstance(entry, list) and list(map(type, entry)) == [int, int, str]
    }


def _stamp(file: pathlib.Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
