"""Segments: stretches of tracks, all of one length, that a classifier is applied to."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from research.settings import above, between, fraction, one_of


@dataclasses.dataclass(frozen=True)
class SegmentConfig:
    """How tracks are cut.

    Attributes:
      seconds: duration of a segment.
      placement: `regular`, evenly from the start of a track to its end, or `random`.
      count: segments a track; 0 for as many as fit.
      overlap: fraction that a segment has in common with the next, where `count` is 0.
    """

    seconds: float = above(5.0, 0)
    placement: str = one_of("regular", ["regular", "random"])
    count: int = between(0, 0, 100000)
    overlap: float = fraction(0.0)


@dataclasses.dataclass(frozen=True)
class Segments:
    """Positions of segments.

    Attributes:
      track: index of the track, `[segments]`.
      start: first frame in the track, `[segments]`.
      num_frames: frames of each segment.
    """

    track: np.ndarray
    start: np.ndarray
    num_frames: int


def place_segments(
    track_frames: Sequence[int], num_frames: int, config: SegmentConfig, seed: int
) -> Segments:
    """Cut tracks into segments, in the order of the tracks.

    A random start depends on the seed and the index of its track alone.

    Args:
      track_frames: frames of each track, at least `num_frames`.
      num_frames: frames of a segment.
      config: how they are placed.
      seed: of random starts.
    """
    # Frames are centred: n segments span n (num_frames - 1) hops, and single frames none.
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
