"""Batches of segments, read from the cache as they are needed."""

import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from research.data.front_ends.descriptors import DescriptorTracks
from research.data.segments import Segments
from research.data.spectrogram_cache import SpectrogramCache
from research.data.tracks import Track

T = TypeVar("T")


class Batch(NamedTuple):
    """Segments and their classes.

    Attributes:
      spectrogram: `[batch, frames, bins]` float16; of descriptors float32.
      label: index of the class, `[batch]` int32.
    """

    spectrogram: np.ndarray
    label: np.ndarray


@dataclasses.dataclass(frozen=True)
class SegmentReader:
    """Reads any segments of a collection.

    Attributes:
      cache: where spectrograms, or descriptors, are.
      tracks: of the collection.
      segments: placed in these tracks.
    """

    cache: SpectrogramCache | DescriptorTracks
    tracks: Sequence[Track]
    segments: Segments

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and bins of a segment."""
        return self.segments.num_frames, self.cache.config.num_bins

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Classes of segments, `[segments]` int32."""
        tracks = self.segments.track[indices]
        return np.array([self.tracks[track].genre for track in tracks], np.int32)

    def read(self, indices: np.ndarray, starts: np.ndarray | None = None) -> Batch:
        """The segments of these indices, or as long ones of the same tracks at other starts."""
        starts = self.segments.start[indices] if starts is None else starts
        spectrogram = np.empty((len(indices), *self.shape), self.cache.config.dtype)
        for index, start, out in zip(indices, starts, spectrogram, strict=True):
            track = self.tracks[self.segments.track[index]]
            self.cache.read(track.digest, int(start), out)
        return Batch(spectrogram, self.labels(indices))


@dataclasses.dataclass(frozen=True)
class TrainingBatches:
    """The endless, shuffled stream of training segments, cut into batches.

    The stream is one random order of all segments after the other, an epoch each. Batch `step`
    depends on the seed and `step` alone; nothing has to be remembered to go on from there.

    Attributes:
      reader: of the collection.
      indices: of the training segments.
      batch_size: segments a batch.
      seed: of the orders and crops.
      crop: whether each segment is read at a random place of its track, anew every time.
    """

    reader: SegmentReader
    indices: np.ndarray
    batch_size: int
    seed: int
    crop: bool = False

    def epoch_end(self, epoch: int) -> int:
        """Steps after which each segment was seen at least `epoch` times."""
        return -(-epoch * len(self.indices) // self.batch_size)

    def choose(self, step: int) -> np.ndarray:
        """Indices of the segments of batch `step`, `[batch]`."""
        place = step * self.batch_size + np.arange(self.batch_size)
        epoch, within = np.divmod(place, len(self.indices))
        orders = {i: _order(self.seed, int(i), len(self.indices)) for i in np.unique(epoch)}
        chosen = [orders[i][j] for i, j in zip(epoch, within, strict=True)]
        return self.indices[chosen]

    def __call__(self, step: int) -> Batch:
        """Batch number `step`, from 0."""
        chosen = self.choose(step)
        if not self.crop:
            return self.reader.read(chosen)
        random = np.random.default_rng([self.seed, step, 0xC0B])
        tracks = [self.reader.tracks[track] for track in self.reader.segments.track[chosen]]
        free = np.array([track.num_frames for track in tracks]) - self.reader.shape[0]
        return self.reader.read(chosen, random.integers(0, free + 1))


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 0x0EDE6]).permutation(count)


def read_ahead(make: Callable[[int], T], numbers: Iterable[int], depth: int = 2) -> Iterator[T]:
    """`make(number)` for each number in order, made by a thread while earlier ones are used."""
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
