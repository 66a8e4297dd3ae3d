"""Batches of segments, read as they are needed."""

import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from research.data.front_ends.base import FrameStore
from research.data.segments import Segments
from research.data.tracks import Track

T = TypeVar("T")


class Batch(NamedTuple):
    """Segments and their classes.

    Attributes:
      spectrogram: `[batch, frames, bins]` in the dtype of the front end.
      label: class indices, `[batch]` int32.
    """

    spectrogram: np.ndarray
    label: np.ndarray


@dataclasses.dataclass(frozen=True)
class SegmentReader:
    """Reads any segments of a collection.

    Attributes:
      store: where the frames are read from.
      tracks: of the collection.
      segments: placed in these tracks.
    """

    store: FrameStore
    tracks: Sequence[Track]
    segments: Segments

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and bins of a segment."""
        return self.segments.num_frames, self.store.num_bins

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Class indices of segments, `[segments]` int32."""
        return np.array([track.genre for track in self.tracks_of(indices)], np.int32)

    def tracks_of(self, indices: np.ndarray) -> list[Track]:
        """The track of each segment."""
        return [self.tracks[track] for track in self.segments.track[indices].tolist()]

    def read(self, indices: np.ndarray, starts: np.ndarray | None = None) -> Batch:
        """Read the segments of these indices.

        Args:
          indices: `[batch]`.
          starts: other first frames in the same tracks, `[batch]`.

        Raises:
          InputError: a file of frames is missing or damaged.
        """
        starts = self.segments.start[indices] if starts is None else starts
        spectrogram = np.empty((len(indices), *self.shape), self.store.dtype)
        for track, start, out in zip(self.tracks_of(indices), starts, spectrogram, strict=True):
            self.store.read(track.digest, int(start), out)
        return Batch(spectrogram, self.labels(indices))

    def random_starts(self, indices: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Random first frames in the tracks of these segments, `[segments]`."""
        frames = np.array([track.num_frames for track in self.tracks_of(indices)])
        return random.integers(0, frames - self.shape[0] + 1)


@dataclasses.dataclass(frozen=True)
class TrainingBatches:
    """An endless, shuffled stream of training segments, cut into batches.

    Each epoch has all segments in a random order. Batch `step` depends on the seed and `step`
    alone, so training can continue from any step.

    Attributes:
      reader: of the collection.
      indices: of the training segments.
      batch_size: segments a batch.
      seed: of the orders and crops.
      crop: True if each segment is read at a random place in its track, drawn again every time.
    """

    reader: SegmentReader
    indices: np.ndarray
    batch_size: int
    seed: int
    crop: bool = False

    def epoch_end(self, epoch: int) -> int:
        """Steps after which each segment was read at least `epoch` times."""
        return -(-epoch * len(self.indices) // self.batch_size)

    def choose(self, step: int) -> np.ndarray:
        """Indices of the segments of batch `step`, `[batch]`."""
        place = step * self.batch_size + np.arange(self.batch_size)
        epoch, within = np.divmod(place, len(self.indices))
        orders = {i: _order(self.seed, int(i), len(self.indices)) for i in np.unique(epoch)}
        chosen = [orders[i][j] for i, j in zip(epoch, within, strict=True)]
        return self.indices[chosen]

    def __call__(self, step: int) -> Batch:
        """Batch number `step`, counted from 0."""
        chosen = self.choose(step)
        if not self.crop:
            return self.reader.read(chosen)
        random = np.random.default_rng([self.seed, step, 0xC0B])
        return self.reader.read(chosen, self.reader.random_starts(chosen, random))


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 0x0EDE6]).permutation(count)


def read_ahead(make: Callable[[int], T], numbers: Iterable[int], depth: int = 2) -> Iterator[T]:
    """`make(number)` for each number in order, computed by a thread up to `depth` ahead."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = []
        try:
            for number in numbers:
                waiting.append(pool.submit(make, number))
                if len(waiting) > depth:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
