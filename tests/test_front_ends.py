"""What every front end promises: a line in `ROWS` admits one and checks it."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import librosa
import numpy as np
import pytest
import soundfile
from drawing import write_picture

from research.audio.stft import StftConfig
from research.audio.waveform import Waveform
from research.data.batches import SegmentReader
from research.data.descriptor_tables import DescriptorTable, save_descriptors
from research.data.descriptors import FEATURES
from research.data.front_ends.base import FrontEnd
from research.data.front_ends.descriptors import DescriptorConfig
from research.data.front_ends.images import ImageConfig
from research.data.front_ends.mel import MelConfig
from research.data.front_ends.registry import FRONT_ENDS, convert, for_audio, for_input
from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig, place_segments
from research.errors import InputError
from research.settings import freeze, member_of, to_config_dict
from research.training.augment import AugmentConfig

GENRES = ("blues", "rock")
WORDS = "These are words.\n"


def write_audio(folder: pathlib.Path) -> None:
    """Two tracks of a second in each of two genres; a track has the same samples every time."""
    for genre in GENRES:
        (folder / genre).mkdir(parents=True)
        for i in range(2):
            samples = np.random.default_rng([len(genre), i]).uniform(-0.5, 0.5, 22050)
            soundfile.write(folder / genre / f"{genre}.{i:05d}.wav", samples, 22050)


def write_images(folder: pathlib.Path) -> None:
    """Two images in each of two genres."""
    for genre in GENRES:
        for i in range(2):
            levels = np.random.default_rng([len(genre), i]).integers(0, 256, (216, 334))
            write_picture(folder / genre / f"{genre}{i:05d}.png", levels.astype(np.uint8))


def write_table(folder: pathlib.Path) -> None:
    """A table of two tracks in each of two genres."""
    names = tuple(f"{genre}.{i:05d}.wav" for genre in GENRES for i in range(2))
    features = np.random.default_rng(0).standard_normal((4, len(FEATURES)))
    labels = tuple(genre for genre in GENRES for _ in range(2))
    folder.mkdir(parents=True)
    table = DescriptorTable(names, np.full(4, 661794), features, labels)
    save_descriptors(folder / "features_30_sec.csv", table)


@dataclasses.dataclass(frozen=True)
class Row:
    """A front end, and what it takes to try it.

    Attributes:
      front_end: the one to check.
      write: makes a folder that `load_tracks` reads: two tracks in each of two genres.
      seconds: duration of each of these tracks.
      suffix: of the files that it reads.
    """

    front_end: FrontEnd
    write: Callable[[pathlib.Path], None]
    seconds: float
    suffix: str


ROWS = [
    Row(SpectrogramConfig(), write_audio, 1.0, ".wav"),
    Row(SpectrogramConfig(16000, StftConfig(512, 160, center=False)), write_audio, 1.0, ".wav"),
    Row(MelConfig(), write_audio, 1.0, ".wav"),
    Row(ImageConfig(), write_images, 30.0, ".png"),
    Row(DescriptorConfig(), write_table, 30.0, ".csv"),
]


@pytest.fixture(params=ROWS, ids=[row.front_end.name for row in ROWS])
def row(request) -> Row:
    """Each front end."""
    return request.param


@pytest.fixture
def front_end(row) -> FrontEnd:
    """Each front end."""
    return row.front_end


@pytest.fixture
def root(row, tmp_path) -> pathlib.Path:
    """A data set that the front end reads."""
    row.write(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def load(front_end, root, tmp_path) -> Callable[..., Any]:
    """`load_tracks` with a cache of its own."""

    def run(root: pathlib.Path = root) -> Any:
        return front_end.load_tracks(str(root), tmp_path / "cache", max_bad_share=0.0, min_frames=1)

    return run


@dataclasses.dataclass(frozen=True)
class Holder:
    """A config with a front end in it, as the config of a training has one."""

    spectrogram: FrontEnd = member_of(SpectrogramConfig(), FRONT_ENDS)


def assert_one_line(error: InputError, *words: object) -> None:
    assert "\n" not in str(error)
    assert all(str(word) in str(error) for word in words), str(error)


def waveform(channels: int = 1, rate: int = 22050, seconds: float = 1.0) -> Waveform:
    samples = np.random.default_rng(3).uniform(-0.5, 0.5, (channels, round(seconds * rate)))
    return Waveform(samples.astype(np.float32), rate)


def test_every_front_end_is_checked_here():
    assert {row.front_end.name for row in ROWS} == set(FRONT_ENDS)


def test_it_is_a_hashable_config_known_by_its_name(front_end):
    assert FRONT_ENDS[front_end.name] is type(front_end)
    same = dataclasses.replace(front_end)
    assert same == front_end and hash(same) == hash(front_end)
    with pytest.raises(dataclasses.FrozenInstanceError):
        front_end.name = "other"
    chosen = to_config_dict(Holder(front_end))
    assert chosen.spectrogram.name == front_end.name
    assert freeze(Holder, chosen) == Holder(front_end)
    assert freeze(Holder, json.loads(chosen.to_json())) == Holder(front_end)


def test_its_augmentations_are_known(front_end):
    known = {field.name for field in dataclasses.fields(AugmentConfig)}
    assert set(front_end.augmentations) <= known


def test_tracks_of_a_data_set_are_found_and_read(row, load):
    front_end, (collection, store) = row.front_end, load()
    assert collection.genres == GENRES
    assert [track.genre for track in collection.tracks] == [0, 0, 1, 1]
    assert all(
        track.name.startswith(f"{GENRES[track.genre]}/{GENRES[track.genre]}")
        for track in collection.tracks
    )
    assert len(set(collection.digests.values())) == 4
    assert (store.num_bins, np.dtype(store.dtype)) == (front_end.num_bins, front_end.dtype)
    for track in collection.tracks:
        most = front_end.num_frames(row.seconds) + 1
        assert most - 1 <= track.num_frames <= most
    assert front_end.frame_seconds > 0
    # Again, from what is kept by now.
    assert load()[0] == collection


def test_frames_of_segments_are_those_of_the_input(front_end, load, root):
    collection, store = load()
    files = front_end.find_inputs(str(root), "--input")
    inputs = [frames for _, frames in front_end.read_inputs(files)]
    length = min(3, len(inputs[0]))
    lengths = [track.num_frames for track in collection.tracks]
    assert lengths == [len(frames) for frames in inputs]
    segments = place_segments(lengths, length, SegmentConfig(count=2), 0)
    reader = SegmentReader(store, collection.tracks, segments)
    batch = reader.read(np.arange(8))
    assert batch.spectrogram.shape == (8, length, front_end.num_bins)
    assert batch.spectrogram.dtype == front_end.dtype
    for index, found in enumerate(batch.spectrogram):
        frames = inputs[segments.track[index]][segments.start[index] :][:length]
        np.testing.assert_array_equal(found, frames)
        assert np.isfinite(found).all()


def test_a_bad_data_set_is_refused_in_one_line(load, root):
    with pytest.raises(InputError) as error:
        load(root / "none")
    assert_one_line(error.value, "config.data.root", root / "none", "does not exist")
    (root / "empty").mkdir()
    with pytest.raises(InputError) as error:
        load(root / "empty")
    assert_one_line(error.value, "config.data.root", root / "empty")


def test_inputs_are_found_by_name(row, front_end, root):
    files = front_end.find_inputs(str(root), "--input")
    assert files and all(file.suffix == row.suffix for file in files)
    assert all(map(front_end.accepts, files))
    for name in (f".hidden{row.suffix}", ".folder/x" + row.suffix, "notes.txt", "saved.npz"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(WORDS)
        assert row.suffix in name or not front_end.accepts(root / name)
    assert front_end.find_inputs(str(root), "--input") == files
    # A file that is named may be called anything.
    other = files[0].rename(root / "song")
    assert front_end.find_inputs(str(other), "--input") == [other]
    (root / "empty").mkdir()
    for name in ("none", "empty"):
        with pytest.raises(InputError) as error:
            front_end.find_inputs(str(root / name), "--input")
        assert_one_line(error.value, f"--input {root / name} ", "; give ")


def test_a_file_that_cannot_be_read_is_named_in_one_line(row, front_end, root):
    good, *_ = front_end.find_inputs(str(root), "--input")
    bad = root / f"bad{row.suffix}"
    bad.write_text(WORDS)
    try:
        *_, (name, error), _ = front_end.read_inputs([good, bad, good])
    except InputError as raised:  # A file of several tracks stops the work.
        name, error = bad, raised
    assert name == bad
    assert isinstance(error, InputError)
    assert_one_line(error, bad, "; give ")


def test_louder_frames_add_up(front_end):
    """Amplifying is an action of the group of gains, as far as levels are not clipped."""
    frames = np.random.default_rng(0).uniform(0.4, 0.6, (2, 5, front_end.num_bins))
    frames = frames.astype(np.float32)
    if "gain_db" not in front_end.augmentations:
        assert "equaliser_db" not in front_end.augmentations
        with pytest.raises(NotImplementedError, match=front_end.name):
            front_end.amplify(frames, np.float32(1))
        return
    amplify = jax.jit(front_end.amplify)
    random = np.random.default_rng(1)
    by_segment, by_bin = random.uniform(-5, 5, (2, 1, 1)), random.uniform(-5, 5, front_end.num_bins)
    np.testing.assert_allclose(amplify(frames, 0.0), frames, rtol=1e-5)
    np.testing.assert_allclose(
        amplify(amplify(frames, by_segment), by_bin),
        amplify(frames, by_segment + by_bin),
        rtol=1e-4,
    )
    np.testing.assert_allclose(amplify(amplify(frames, by_segment), -by_segment), frames, rtol=1e-4)
    assert (amplify(frames, 3.0) > frames).all() and (amplify(frames, -3.0) < frames).all()


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_waveform_may_have_any_rate_and_channels(front_end, rate, channels):
    sound = waveform(channels, rate)
    if not front_end.from_audio:
        with pytest.raises(NotImplementedError, match=front_end.name):
            front_end.frames(sound)
        return
    frames = front_end.frames(sound)
    assert frames.dtype == front_end.dtype
    assert frames.shape[1] == front_end.num_bins
    assert 0 <= len(frames) - front_end.num_frames(sound.seconds) <= 1
    assert np.isfinite(frames).all()
    mean = Waveform(sound.samples.mean(axis=0, keepdims=True), rate)
    np.testing.assert_array_equal(frames, front_end.frames(mean))
    with pytest.raises(InputError) as error:
        front_end.frames(Waveform(1e25 * sound.samples, rate))
    assert_one_line(error.value, "far above full scale")


@pytest.mark.parametrize("offset", [0.02, -0.4])
def test_an_offset_or_channels_that_cancel_change_nothing(front_end, offset):
    if not front_end.from_audio:
        return
    sound = waveform(1, seconds=3.0)
    centred = sound.samples - sound.samples.mean(dtype=np.float64).astype(np.float32)
    expected = front_end.frames(Waveform(centred, 22050))
    shifted = front_end.frames(Waveform(centred + np.float32(offset), 22050))
    np.testing.assert_allclose(shifted, expected, rtol=0.01, atol=0.02)
    both = np.concatenate([centred, -centred])
    np.testing.assert_array_equal(front_end.frames(Waveform(both, 22050)), expected)


def test_invertible_frames_are_log_magnitudes(front_end):
    if not front_end.invertible:
        assert not hasattr(front_end, "stft") and not hasattr(front_end, "sample_rate")
        return
    assert front_end.from_audio
    sound = waveform(rate=front_end.sample_rate)
    spectrum = librosa.stft(
        sound.samples[0].astype(np.float64),
        n_fft=front_end.stft.n_fft,
        hop_length=front_end.stft.hop_length,
        center=front_end.stft.center,
        pad_mode="constant",
    )
    expected = np.log1p(np.abs(spectrum)).T
    np.testing.assert_allclose(front_end.frames(sound), expected, rtol=2**-10, atol=1e-4)


def test_a_family_has_the_same_frames_and_is_converted_into_each_other(row, front_end, root):
    assert convert(front_end, "no such name") == front_end
    for name, other in FRONT_ENDS.items():
        found = convert(front_end, name)
        related = other.family == front_end.family
        assert found.name == (name if related else front_end.name)
        if not related or name == front_end.name:
            assert found is front_end
        assert (found.num_bins, found.dtype) == (front_end.num_bins, front_end.dtype)
        assert found.augmentations == front_end.augmentations
        assert found.num_frames(11.5) == front_end.num_frames(11.5)
        assert found.frame_seconds == pytest.approx(front_end.frame_seconds, rel=1e-3)
    audio = for_audio(front_end)
    assert audio.family == front_end.family
    assert audio.from_audio or not any(
        other.from_audio and other.family == front_end.family for other in FRONT_ENDS.values()
    )
    for path in (root, *front_end.find_inputs(str(root), "--input")):
        for name in FRONT_ENDS:
            assert for_input(convert(front_end, name), str(path)) == front_end
    assert for_input(front_end, str(root / "none" / ("x" * 300))).family == front_end.family
