"""Where segments lie in their tracks."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig, place_segments

REGULAR, RANDOM = SegmentConfig(), SegmentConfig(placement="random")
TRACKS = st.lists(st.integers(0, 500), min_size=1, max_size=6)


def starts_by_track(segments):
    count = segments.track[-1] + 1
    return [segments.start[segments.track == i] for i in range(count)]


@pytest.mark.parametrize("num_samples", [661500, 661504, 675808])
def test_half_a_minute_has_six_segments_of_five_seconds(num_samples):
    # Lengths of tracks of GTZAN.
    config = SpectrogramConfig()
    frames, length = config.stft.num_frames(num_samples), config.num_frames(5.0)
    segments = place_segments([frames], length, REGULAR, 0)
    assert (segments.num_frames, len(segments.start)) == (216, 6)
    assert segments.start[0] == 0
    assert segments.start[-1] + 216 == frames
    assert np.ptp(np.diff(segments.start)) <= 1


@hypothesis.given(spare=TRACKS, length=st.integers(2, 200), count=st.integers(0, 9))
def test_regular_segments_go_evenly_from_the_start_to_the_end(spare, length, count):
    frames = [length + more for more in spare]
    segments = place_segments(frames, length, SegmentConfig(count=count), 0)
    assert (np.diff(segments.track) >= 0).all()
    for available, start in zip(frames, starts_by_track(segments), strict=True):
        assert start[0] == 0
        assert start.max() <= available - length
        if len(start) > 1:
            assert start[-1] + length == available
            assert np.ptp(np.diff(start)) <= 1
        assert not count or len(start) == count


@hypothesis.given(spare=TRACKS, length=st.integers(2, 200))
def test_as_many_segments_as_fit_side_by_side(spare, length):
    frames = [length + more for more in spare]
    for available, start in zip(
        frames, starts_by_track(place_segments(frames, length, REGULAR, 0)), strict=True
    ):
        # Neighbours may share the frame at which one ends and the other begins, and no more.
        assert (np.diff(start) >= length - 1).all()
        assert available < 1 + (len(start) + 1) * (length - 1)


@hypothesis.given(
    spare=TRACKS,
    length=st.integers(1, 200),
    count=st.integers(0, 9),
    placement=st.sampled_from(["regular", "random"]),
    seed=st.integers(0, 2**32),
)
def test_segments_always_lie_inside_their_tracks(spare, length, count, placement, seed):
    frames = np.array([length + more for more in spare])
    config = SegmentConfig(placement=placement, count=count)
    segments = place_segments(frames, length, config, seed)
    assert segments.num_frames == length
    assert segments.track.shape == segments.start.shape
    assert (segments.start >= 0).all()
    assert (segments.start + length <= frames[segments.track]).all()
    assert set(segments.track) == set(range(len(frames)))


@pytest.mark.parametrize(
    ("overlap", "wanted"),
    [(0.0, [0, 206]), (0.5, [0, 69, 137, 206]), (0.7, [0, 41, 82, 124, 165, 206])],
)
def test_more_segments_fit_where_they_overlap(overlap, wanted):
    # An image of GTZAN in segments of 11.5 s: 334 frames, 128 in each segment.
    segments = place_segments([334], 128, SegmentConfig(overlap=overlap), 0)
    np.testing.assert_array_equal(segments.start, wanted)


@hypothesis.given(spare=TRACKS, length=st.integers(1, 200), overlap=st.floats(0, 0.99))
def test_overlapping_segments_are_as_many_as_fit(spare, length, overlap):
    frames = [length + more for more in spare]
    segments = place_segments(frames, length, SegmentConfig(overlap=overlap), 0)
    stride = max(round((length - 1) * (1 - overlap)), 1)
    for available, start in zip(frames, starts_by_track(segments), strict=True):
        assert (np.diff(start) >= stride).all()
        assert available - length < len(start) * stride


def test_single_frames_are_all_segments():
    segments = place_segments([10, 1, 3], 1, REGULAR, 0)
    np.testing.assert_array_equal(segments.track, np.repeat([0, 1, 2], [10, 1, 3]))
    np.testing.assert_array_equal(segments.start, [*range(10), 0, *range(3)])


def test_track_as_long_as_a_segment_has_one():
    for config in (REGULAR, RANDOM):
        segments = place_segments([216, 216], 216, config, 0)
        np.testing.assert_array_equal(segments.track, [0, 1])
        np.testing.assert_array_equal(segments.start, [0, 0])


@pytest.mark.parametrize("placement", ["regular", "random"])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_count_is_taken_for_every_track(placement, count):
    config = SegmentConfig(placement=placement, count=count)
    segments = place_segments([216, 500, 1292], 216, config, 0)
    np.testing.assert_array_equal(segments.track, np.repeat([0, 1, 2], count))


def test_random_segments_are_as_many_as_regular_ones():
    frames = [216, 431, 432, 1292]
    for_each = [place_segments(frames, 216, config, 0).track for config in (REGULAR, RANDOM)]
    np.testing.assert_array_equal(*for_each)


def test_seed_decides_random_starts_and_nothing_else():
    frames = [1292] * 5
    first, again, other = (place_segments(frames, 216, RANDOM, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.start, again.start)
    assert (first.start != other.start).any()
    regular = [place_segments(frames, 216, REGULAR, seed).start for seed in (3, 4)]
    np.testing.assert_array_equal(*regular)


def test_random_starts_do_not_depend_on_other_tracks():
    before = starts_by_track(place_segments([300, 1292, 700], 216, RANDOM, 0))
    after = starts_by_track(place_segments([999, 1292, 216, 500], 216, RANDOM, 0))
    np.testing.assert_array_equal(before[1], after[1])


def test_random_starts_differ_between_tracks_and_reach_both_ends():
    segments = place_segments([220] * 40, 216, RANDOM, 0)
    np.testing.assert_array_equal(np.unique(segments.start), np.arange(5))
