"""The folder that keeps the descriptors of each track, computed on all cores.

Worker processes import this module, so nothing in it may import JAX.
"""

import pathlib
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from research.audio.waveform import load_waveform
from research.data.descriptors import FEATURES, HOP_LENGTH, describe_track
from research.data.track_cache import Entry, TrackCache, collect, is_whole
from research.errors import InputError
from research.workers import start_server, start_workers

# Raise it when descriptors are computed in another way: all are computed again.
_VERSION = 1
_PRELOADED = "research.data.descriptor_programs"


class DescriptorCache(TrackCache):
    """Descriptors of tracks and their slices, `[1 + slices, 58]` float64; see `describe_track`."""

    _mend = "give another --workdir"

    def _add(
        self, files: Sequence[pathlib.Path], on_progress: Callable[[int, int], None]
    ) -> list[Entry]:
        from joblib import cpu_count

        entries = []
        start_server(__name__, _PRELOADED)
        with start_workers(cpu_count()) as workers:
            try:
                collect(workers, self.add_one, files, entries, on_progress)
            except BrokenProcessPool as error:
                raise InputError(
                    f"a process that describes tracks was killed, near {files[len(entries)]}; "
                    "free memory and start again, what is done is kept"
                ) from error
        return entries

    def _decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        waveform = load_waveform(file)
        return waveform.digest(f"{_VERSION}, "), lambda: describe_track(waveform)

    def _count(self, array: np.ndarray) -> int:
        return 1 + int(array[0, 0]) // HOP_LENGTH

    def _num_frames(self, digest: str) -> int | None:
        rows = self._load(digest)
        return None if rows is None else self._count(rows)

    def read(self, digest: str) -> np.ndarray:
        """What `describe_track` returned for a track, `[1 + slices, 58]` float64.

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
                if not is_whole(file):
                    return None
                file.seek(0)
                rows = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        whole = rows.ndim == 2 and rows.shape[1] == 1 + len(FEATURES) and np.isfinite(rows).all()
        return rows if whole else None
