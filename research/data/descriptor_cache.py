"""Descriptors of many tracks, by all cores, and the folder in which each track's are kept.

Worker processes import this module, so that nothing in it may import JAX.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from research.audio.waveform import load_waveform
from research.data.descriptors import FEATURES, HOP_LENGTH, describe_track
from research.errors import InputError, about
from research.files import written_whole

# Of how descriptors are computed; raise it when that changes, and what is kept is computed anew.
_VERSION = 1
_PRELOADED = ("librosa.feature.rhythm", "librosa.feature.spectral", "librosa.onset")


class DescriptorCache:
    """Descriptors on disk, a `.npy` file a track, named by what was decoded.

    It takes the place of a `SpectrogramCache` in `load_collection`.

    Args:
      folder: made when something is put into it.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder)

    def path(self, digest: str) -> pathlib.Path:
        """Where the descriptors of a track are kept."""
        return self.folder / f"{digest}.npy"

    def add(
        self,
        files: Sequence[pathlib.Path],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[tuple[str, int] | InputError]:
        """See that the descriptors of every audio file are there, by as many processes as cores.

        Returns:
          for each file, the digest of its decoded samples and the number of its frames, or why it
          cannot be used.

        Raises:
          InputError: the folder cannot be written, or a process was killed.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.folder} cannot be made ({error.strerror}); give another --workdir"
            ) from error
        entries = []
        # With a process a core, more threads are in each other's way.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # Forked from a server that has no threads, as JAX has, and where Librosa is read once.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *_PRELOADED])
        with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), context, _start) as pool:
            try:
                for entry in pool.map(self.add_one, files):
                    entries.append(entry)
                    on_progress(len(entries), len(files))
            except BrokenProcessPool as error:
                raise InputError(
                    f"a process that describes tracks was killed, near {files[len(entries)]}; "
                    "free memory and start again, what is done is kept"
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)
        return entries

    def add_one(self, file: pathlib.Path) -> tuple[str, int] | InputError:
        """The same of one file, in this process."""
        try:
            waveform = load_waveform(file)
            digest = waveform.digest(f"{_VERSION}, ")
            rows = self._load(digest)
            if rows is not None:
                return digest, _num_frames(rows)
            with about(file):
                rows = describe_track(waveform)
        except InputError as error:
            return error
        with written_whole(self.path(digest)) as temporary, temporary.open("wb") as out:
            np.save(out, rows)
        return digest, _num_frames(rows)

    def read(self, digest: str) -> np.ndarray:
        """What `describe_track` said of a track, `[1 + slices, 58]` float64.

        Raises:
          InputError: the file is missing or damaged.
        """
        rows = self._load(digest)
        if rows is None:
            raise InputError(f"{self.path(digest)} is missing or damaged; start again")
        return rows

    def _load(self, digest: str) -> np.ndarray | None:
        try:
            with self.path(digest).open("rb") as file:
                rows = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        whole = rows.ndim == 2 and rows.shape[1] == 1 + len(FEATURES) and np.isfinite(rows).all()
        return rows if whole else None


def _num_frames(rows: np.ndarray) -> int:
    return 1 + int(rows[0, 0]) // HOP_LENGTH


def _start() -> None:
    """Leave interrupts to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
