"""Batches: what is in them, and in which order."""

import threading

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from research.audio.stft import StftConfig
from research.data.batches import SegmentReader, TrainingBatches, read_ahead
from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig, place_segments
from research.data.spectrogram_cache import SpectrogramCache
from research.data.track_cache import save_whole
from research.data.tracks import Track

SMALL = SpectrogramConfig(22050, StftConfig(6, 2))
LENGTH = 10
FRAMES = (40, 10, 25, 33)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Segments of four tracks, in which frame `t` of track `i` holds `100 i + t` and three more."""
    cache = SpectrogramCache(tmp_path_factory.mktemp("cache"), SMALL)
    cache.folder.mkdir(parents=True)
    tracks = [Track(f"{i}.wav", (2, 0, 1, 0)[i], f"{i}", num) for i, num in enumerate(FRAMES)]
    for i, track in enumerate(tracks):
        frames = 100 * i + np.arange(track.num_frames)[:, None] + np.array([0, 0.25, 0.5, 0.75])
        save_whole(cache.path(track.digest), frames.astype(np.float16))
    return SegmentReader(cache, tracks, place_segments(FRAMES, LENGTH, SegmentConfig(count=4), 0))


def places(batch):
    """Track and first frame of each segment, after a look at the rest of it."""
    first = batch.spectrogram[:, :1, :1].astype(np.float64)
    steps = np.arange(LENGTH)[:, None] + np.array([0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(batch.spectrogram, first + steps)
    return [divmod(int(value), 100) for value in first.ravel()]


def test_reader_gives_the_segments_asked_for(reader):
    indices = np.array([15, 0, 7, 7, 9])
    batch = reader.read(indices)
    assert reader.shape == (LENGTH, 4)
    assert batch.spectrogram.shape == (5, LENGTH, 4)
    assert batch.spectrogram.dtype == np.float16
    segments = reader.segments
    assert places(batch) == list(zip(segments.track[indices], segments.start[indices], strict=True))


def test_labels_are_the_genres_of_the_tracks(reader):
    indices = np.array([0, 4, 8, 12, 3])
    assert reader.labels(indices).dtype == np.int32
    np.testing.assert_array_equal(reader.labels(indices), [2, 0, 1, 0, 2])
    np.testing.assert_array_equal(reader.read(indices).label, [2, 0, 1, 0, 2])


def test_reader_takes_other_starts(reader):
    batch = reader.read(np.array([0, 8, 12]), np.array([30, 7, 0]))
    assert places(batch) == [(0, 30), (2, 7), (3, 0)]
    np.testing.assert_array_equal(batch.label, [2, 1, 0])


def test_no_segments_make_an_empty_batch(reader):
    batch = reader.read(np.array([], np.int64))
    assert batch.spectrogram.shape == (0, LENGTH, 4)
    assert batch.label.shape == (0,)


def assert_same(first, second):
    np.testing.assert_array_equal(first.spectrogram, second.spectrogram)
    np.testing.assert_array_equal(first.label, second.label)


@pytest.mark.parametrize("crop", [False, True])
def test_batch_depends_on_seed_and_step_alone(reader, crop):
    first, second = (TrainingBatches(reader, np.arange(16), 5, 3, crop) for _ in range(2))
    forwards = [first(step) for step in range(12)]
    for step in (11, 0, 7, 7, 3):
        assert_same(second(step), forwards[step])


@pytest.mark.parametrize("crop", [False, True])
def test_seeds_differ(reader, crop):
    first, second = (TrainingBatches(reader, np.arange(16), 16, seed, crop) for seed in (0, 1))
    assert places(first(0)) != places(second(0))


def test_batch_has_the_chosen_segments(reader):
    batches = TrainingBatches(reader, np.arange(16), 5, 0)
    for step in range(7):
        assert_same(batches(step), reader.read(batches.choose(step)))


def test_aligned_epoch_has_every_segment_once_in_another_order(reader):
    batches = TrainingBatches(reader, np.arange(16), 4, 0)
    epochs = [
        np.concatenate([batches.choose(4 * epoch + i) for i in range(4)]) for epoch in range(3)
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(16))
    assert len({tuple(epoch) for epoch in epochs}) == 3


@hypothesis.given(
    count=st.integers(1, 30), batch_size=st.integers(1, 70), seed=st.integers(0, 2**32)
)
def test_stream_is_one_order_of_all_segments_after_the_other(count, batch_size, seed):
    indices = 100 + 3 * np.arange(count)
    batches = TrainingBatches(None, indices, batch_size, seed)
    steps = batches.epoch_end(4)
    chosen = [batches.choose(step) for step in range(steps)]
    assert all(part.shape == (batch_size,) for part in chosen)
    stream = np.concatenate(chosen)
    for epoch in stream[: 4 * count].reshape(4, count):
        np.testing.assert_array_equal(np.sort(epoch), indices)


@hypothesis.given(
    count=st.integers(1, 99), batch_size=st.integers(1, 200), epoch=st.integers(0, 20)
)
def test_epoch_ends_with_the_first_step_that_completes_it(count, batch_size, epoch):
    steps = TrainingBatches(None, np.arange(count), batch_size, 0).epoch_end(epoch)
    assert steps * batch_size >= epoch * count
    assert (steps - 1) * batch_size < epoch * count


def test_only_the_segments_given_are_chosen(reader):
    indices = np.array([2, 3, 11])
    batches = TrainingBatches(reader, indices, 7, 0)
    assert {int(i) for step in range(9) for i in batches.choose(step)} == set(indices.tolist())
    assert len(batches(0).label) == 7


def test_order_does_not_depend_on_the_batch_size(reader):
    streams = [
        np.concatenate(
            [
                TrainingBatches(reader, np.arange(16), size, 0).choose(step)
                for step in range(48 // size)
            ]
        )
        for size in (1, 3, 48)
    ]
    np.testing.assert_array_equal(streams[0], streams[1])
    np.testing.assert_array_equal(streams[0], streams[2])


def test_crops_stay_in_their_tracks_and_reach_all_of_them(reader):
    batches = TrainingBatches(reader, np.arange(16), 16, 0, crop=True)
    seen = set()
    for step in range(40):
        batch = batches(step)
        chosen = batches.choose(step)
        found = places(batch)
        assert [track for track, _ in found] == reader.segments.track[chosen].tolist()
        np.testing.assert_array_equal(batch.label, reader.labels(chosen))
        seen |= set(found)
    expected = {(i, t) for i, num in enumerate(FRAMES) for t in range(num - LENGTH + 1)}
    assert seen == expected


def test_crops_change_with_the_step(reader):
    batches = TrainingBatches(reader, np.array([0]), 1, 0, crop=True)
    assert len({places(batches(step))[0] for step in range(20)}) > 5


def test_crops_of_one_batch_differ(reader):
    batches = TrainingBatches(reader, np.array([0]), 20, 0, crop=True)
    assert len(set(places(batches(0)))) > 5


@pytest.mark.parametrize("depth", [0, 1, 2, 50])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_read_ahead_keeps_the_order(count, depth):
    numbers = range(5, 5 + count)
    assert list(read_ahead(lambda n: n * n, numbers, depth)) == [n * n for n in numbers]


def test_read_ahead_makes_the_next_ones_meanwhile():
    third = threading.Event()
    made = []

    def make(number):
        made.append(number)
        if number == 2:
            third.set()
        return number

    stream = read_ahead(make, range(100), depth=2)
    assert next(stream) == 0
    assert third.wait(10)
    assert made == [0, 1, 2]  # And no more of them.
    stream.close()


def test_read_ahead_passes_exceptions_on_in_their_place():
    def make(number):
        if number == 3:
            raise ValueError("three")
        return number

    stream = read_ahead(make, range(10))
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)
    assert list(stream) == []


def test_read_ahead_that_is_left_early_ends_its_thread():
    before = threading.active_count()
    stream = read_ahead(lambda n: n, iter(int, 1))
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before


def test_read_ahead_of_batches_equals_batches(reader):
    batches = TrainingBatches(reader, np.arange(16), 5, 0, crop=True)
    for step, batch in enumerate(read_ahead(batches, range(9))):
        assert_same(batch, batches(step))
