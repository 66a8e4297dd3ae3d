"""Segments: the equally long pieces of tracks that a classifier sees."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from research.settings import above, at_least, fraction, one_of


@dataclasses.dataclass(frozen=True)
class SegmentConfig:
    """How tracks are cut.

    Attributes:
      seconds: that a segment lasts.
      placement: evenly from the start of a track to its end, or at random.
      count: segments a track; 0 for as many as fit.
      overlap: share that a segment has in common with the next, where as many are made as fit.
    """

    seconds: float = above(5.0, 0)
    placement: str = one_of("regular", ["regular", "random"])
    count: int = at_least(0, 0)
    overlap: float = fraction(0.0)


@dataclasses.dataclass(frozen=True)
class Segments:
    """Where every segment lies.

    Attributes:
      track: index of its track, `[segments]`.
      start: its first frame in the track, `[segments]`.
      num_frames: that each of them has.
    """

    track: np.ndarray
    start: np.ndarray
    num_frames: int


def place_segments(
    track_frames: Sequence[int], num_frames: int, config: SegmentConfig, seed: int
) -> Segments:
    """Cut tracks of so many frames into segments of `num_frames`, in the order of the tracks.

    A random start depends on the seed and the place of its track in the sequence alone.
    """
    # Centred frames: n whole segments span n (num_frames - 1) hops. Single frames span none.
    stride = max(round((num_frames - 1) * (1 - config.overlap)), 1)
    tracks, starts = [], []
    for track, available in enumerate(track_frames):
        last = available - num_frames
        count = config.count or 1 + max(last, 0) // stride
        if config.placement == "random":
            start = np.random.default_rng([seed, track]).integers(0, last + 1, count)
        else:
            start = np.linspace(0, last, count).round().astype(np.int64)
        tracks.append(np.full(count, track))
        starts.append(start)
    return Segments(np.concatenate(tracks), np.concatenate(starts), num_frames)
