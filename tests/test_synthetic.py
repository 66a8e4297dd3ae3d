"""The set made in numpy."""

import numpy as np
import pytest
import soundfile

from research.audio.stft import StftConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.data.spectrogram_cache import SpectrogramCache
from research.data.synthetic import GENRES, SAMPLE_RATE, SyntheticConfig, make_synthetic
from research.data.tracks import load_collection
from research.errors import InputError

TINY = SyntheticConfig(tracks_per_genre=2, seconds=0.7, seed=3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small set."""
    return make_synthetic(tmp_path_factory.mktemp("cache"), TINY)


def content(root):
    """Bytes of all files by name."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_set_is_ten_folders_of_tracks(tiny):
    assert sorted(path.name for path in tiny.iterdir()) == sorted(GENRES)
    assert len(GENRES) == 10
    assert list(content(tiny)) == [f"{g}/{g}.{i:05d}.wav" for g in sorted(GENRES) for i in range(2)]


def test_tracks_last_as_asked_and_never_clip(tiny):
    for path in tiny.rglob("*.wav"):
        samples, rate = soundfile.read(path)
        assert (samples.shape, rate) == ((round(0.7 * SAMPLE_RATE),), SAMPLE_RATE)
        assert 0.1 < np.abs(samples).max() < 1


def test_no_two_tracks_are_equal(tiny):
    assert len(set(content(tiny).values())) == 20


def test_seed_decides_every_byte(tiny, tmp_path):
    again = make_synthetic(tmp_path, TINY)
    assert again != tiny
    assert content(again) == content(tiny)
    other = content(make_synthetic(tmp_path, SyntheticConfig(2, 0.7, seed=4)))
    assert other.keys() == content(tiny).keys()
    assert all(other[name] != bytes for name, bytes in content(tiny).items())


def test_larger_set_begins_as_the_smaller(tiny, tmp_path):
    larger = content(make_synthetic(tmp_path, SyntheticConfig(3, 0.7, seed=3)))
    assert content(tiny).items() < larger.items()


def test_sets_of_other_sizes_have_other_folders(tmp_path):
    configs = [
        SyntheticConfig(1, 0.6),
        SyntheticConfig(1, 0.6, 1),
        SyntheticConfig(1, 0.65),
        SyntheticConfig(2, 0.6),
    ]
    assert len({make_synthetic(tmp_path, config) for config in configs}) == 4


def test_set_is_made_once(tmp_path, monkeypatch):
    first = make_synthetic(tmp_path, TINY)
    before = content(first)
    monkeypatch.setattr(soundfile, "write", None)
    assert make_synthetic(tmp_path, TINY) == first
    assert content(first) == before


def failing_after(count, failure):
    """`soundfile.write` that works a few times."""
    write, calls = soundfile.write, []

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) > count:
            raise failure
        write(*arguments)

    return fail


@pytest.mark.parametrize("count", [0, 7])
@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (OSError(28, "No space left on device"), InputError),
        (soundfile.SoundFileRuntimeError("full"), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk", "soundfile", "interrupt"],
)
def test_interrupted_set_leaves_nothing_and_can_be_made_again(
    tmp_path, tiny, monkeypatch, count, failure, raised
):
    config = SyntheticConfig(1, TINY.seconds, TINY.seed)
    with monkeypatch.context() as patch:
        patch.setattr(soundfile, "write", failing_after(count, failure))
        with pytest.raises(raised) as error:
            make_synthetic(tmp_path, config)
    assert content(tmp_path) == {}
    assert [path.name for path in tmp_path.rglob("*")] == ["synthetic"]
    if raised is InputError:
        assert str(tmp_path) in str(error.value)
        assert "\n" not in str(error.value)
    again = content(make_synthetic(tmp_path, config))
    assert len(again) == 10
    assert again.items() < content(tiny).items()


def test_set_made_by_another_process_meanwhile_is_taken(tmp_path, tiny, monkeypatch):
    write = soundfile.write

    def write_and_meet(path, *arguments):
        root = tmp_path / "synthetic" / tiny.name
        if not root.exists():
            root.mkdir()
            (root / "theirs").touch()
        write(path, *arguments)

    monkeypatch.setattr(soundfile, "write", write_and_meet)
    root = make_synthetic(tmp_path, TINY)
    assert [path.name for path in root.rglob("*")] == ["theirs"]
    assert list((tmp_path / "synthetic").iterdir()) == [root]


def test_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written") as error:
        make_synthetic(tmp_path / "file", TINY)
    assert str(tmp_path / "file") in str(error.value)
    assert "\n" not in str(error.value)


def test_set_loads_as_a_collection(tiny, tmp_path):
    config = SpectrogramConfig(SAMPLE_RATE, StftConfig(256, 64))
    cache = SpectrogramCache(tmp_path, config)
    frames = config.num_frames(0.7)
    collection = load_collection(str(tiny), cache, max_bad_share=0.0, min_frames=frames)
    assert collection.genres == tuple(sorted(GENRES))
    assert [track.num_frames for track in collection.tracks] == [frames] * 20
    assert collection.skipped == {}
    assert collection.duplicates == []
