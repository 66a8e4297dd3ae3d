"""Folders of genres: their layouts, and what is wrong with them."""

import json
import pathlib
import warnings

import numpy as np
import pytest
import soundfile
from conftest import ROOT

from research.audio.stft import StftConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.data.spectrogram_cache import SpectrogramCache
from research.data.tracks import SkippedFileWarning, load_collection
from research.errors import InputError
from research.training.experiment import check_genres

SMALL = SpectrogramConfig(22050, StftConfig(256, 64))
GTZAN = ROOT.parent / "shared" / "data" / "gtzan"


def write(path, seconds=0.6, seed=None):
    """Noise that differs from file to file, unless a seed is given."""
    seed = [seed] if seed is not None else list(str(path).encode())
    samples = np.random.default_rng(seed).integers(-9999, 9999, round(seconds * 22050), np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 22050, subtype="PCM_16")
    return path


def write_all(root, *names):
    for name in names:
        write(root / name)
    return root


@pytest.fixture
def load(tmp_path):
    """`load_collection` with a cache of its own."""
    cache = SpectrogramCache(tmp_path / "cache", SMALL)

    def run(root, max_bad_share=0.5, min_frames=1, **others):
        return load_collection(
            str(root), cache, max_bad_share=max_bad_share, min_frames=min_frames, **others
        )

    run.cache = cache
    return run


@pytest.fixture
def root(tmp_path):
    """Two genres of three tracks."""
    names = [f"{genre}/{genre}.{i:05d}.wav" for genre in ("blues", "rock") for i in range(3)]
    return write_all(tmp_path / "music", *names)


def names_of(collection):
    return [track.name for track in collection.tracks]


def assert_one_line_about(what, error):
    assert "\n" not in str(error.value)
    assert str(what) in str(error.value)


@pytest.mark.parametrize("inner", ["", "genres", "genres_original", "Data/genres_original"])
@pytest.mark.parametrize("suffix", ["au", "wav"])
def test_gtzan_is_found_as_its_archives_unpack(tmp_path, load, inner, suffix):
    names = [f"{genre}/{genre}.{i:05d}.{suffix}" for genre in ("blues", "rock") for i in range(2)]
    write_all(tmp_path / "gtzan" / inner, *names)
    collection = load(tmp_path / "gtzan")
    assert collection.root == str(tmp_path / "gtzan")
    assert collection.genres == ("blues", "rock")
    assert names_of(collection) == names
    assert [track.genre for track in collection.tracks] == [0, 0, 1, 1]
    assert collection.skipped == {}
    assert collection.duplicates == []
    if inner:
        assert load(tmp_path / "gtzan" / inner).tracks == collection.tracks


def test_images_and_tables_beside_the_genres_do_not_count(tmp_path, load):
    write_all(tmp_path / "gtzan" / "genres_original", "blues/1.wav", "rock/1.wav")
    for name in ("images_original/blues/blues00000.png", "features_30_sec.csv"):
        (tmp_path / "gtzan" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "gtzan" / name).write_text("not audio")
    assert names_of(load(tmp_path / "gtzan")) == ["blues/1.wav", "rock/1.wav"]


def test_formats_may_be_mixed_and_folders_nested(tmp_path, load):
    names = ["Folk/b.ogg", "Folk/lp/side a/1.flac", "Folk/ä.au", "zouk/A.mp3", "zouk/a.wav"]
    for name in names:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(len(name)).uniform(-0.5, 0.5, 20000), 22050)
    collection = load(tmp_path / "music")
    assert collection.genres == ("Folk", "zouk")
    assert names_of(collection) == names


def test_tracks_are_sorted_by_genre_and_name(tmp_path, load):
    write_all(tmp_path / "music", "b/2.wav", "b/10.wav", "a/z.wav", "c/1.wav", "a/a.wav")
    collection = load(tmp_path / "music")
    assert names_of(collection) == ["a/a.wav", "a/z.wav", "b/10.wav", "b/2.wav", "c/1.wav"]
    assert [track.genre for track in collection.tracks] == [0, 0, 1, 1, 2]


def test_tracks_lead_to_their_spectrograms(root, load):
    for track in load(root).tracks:
        kept = np.load(load.cache.path(track.digest))
        assert kept.shape == (track.num_frames, 129)
        assert track.num_frames == SMALL.num_frames(soundfile.info(root / track.name).duration)


def test_second_load_is_the_same(root, load):
    assert load(root) == load(root)


def test_hidden_files_and_files_at_the_root_are_ignored(root, load):
    expected = load(root)
    for name in (".DS_Store", "README.txt", "blues/._blues.00000.wav", ".git/config", "rock/.x"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("not audio")
    write(root / "stray.wav")
    write(root / ".trash" / "old.wav")
    write(root / "blues" / ".hidden.wav")
    assert load(root) == expected


def test_empty_class_folder_is_no_class(root, load):
    (root / "waltz").mkdir()
    assert load(root).genres == ("blues", "rock")


def test_home_folder_is_understood(root, load, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    collection = load("~/music")
    assert collection.root == "~/music"
    assert len(collection.tracks) == 6


def test_progress_counts_all_files(root, load):
    seen = []
    load(root, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 6) for i in range(6)]


def spoil(root):
    """Bad files by name, as GTZAN's jazz.00054 and as a reader's notes; with their names."""
    whole = (root / "rock" / "rock.00001.wav").read_bytes()
    bad = {
        "blues/blues.00054.wav": whole[:20],
        "blues/notes.wav": b"These are words.\n",
        "rock/empty.wav": b"",
    }
    for name, content in bad.items():
        (root / name).write_bytes(content)
    return sorted(bad)


def test_bad_files_are_skipped_by_name(root, load):
    good = load(root)
    bad = spoil(root)
    with pytest.warns(SkippedFileWarning) as caught:
        collection = load(root)
    assert collection.tracks == good.tracks
    assert sorted(collection.skipped) == bad
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == len(bad)
    for name, message in zip(bad, messages, strict=True):
        assert message == f"skipped: {collection.skipped[name]}"
        assert str(root / name) in message
        assert "\n" not in message


@pytest.mark.parametrize("max_bad_share", [0.0, 0.1, 0.33])
def test_too_many_bad_files_stop_the_work(root, load, max_bad_share):
    bad = spoil(root)
    with (
        warnings.catch_warnings(),
        pytest.raises(InputError, match="3 of the 9 audio files") as error,
    ):
        load(root, max_bad_share)
    assert_one_line_about("config.data.max_bad_share", error)
    assert str(root / bad[0]) in str(error.value)


def test_pictures_and_texts_are_skipped_with_one_warning_and_are_not_bad(root, load):
    good = load(root)
    others = ["blues/cover.jpg", "blues/notes.txt", *(f"rock/{i}.png" for i in range(5))]
    for name in others:
        (root / name).write_bytes(b"no sound")
    with pytest.warns(SkippedFileWarning) as caught:
        collection = load(root, max_bad_share=0.0)
    assert collection.tracks == good.tracks
    assert sorted(collection.skipped) == others
    [message] = [str(warning.message) for warning in caught]
    assert message.startswith(f"skipped: 7 files in {root} are no audio")
    assert "blues/notes.txt" in message


def test_share_of_bad_files_may_be_reached(root, load):
    spoil(root)
    with pytest.warns(SkippedFileWarning):
        assert len(load(root, 1 / 3).skipped) == 3


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: write(root), "is a file"),
        (lambda root: root.mkdir(), "holds no folders of audio files"),
        (lambda root: write_all(root, "1.wav", "2.wav"), "holds no folders of audio files"),
        (lambda root: (root / "a").mkdir(parents=True), "holds no folders of audio files"),
    ],
    ids=["missing", "file", "empty", "flat", "empty class"],
)
def test_what_is_no_folder_of_genres_is_told_in_one_line(tmp_path, load, make, reason):
    root = tmp_path / "root.wav"
    make(root)
    with pytest.raises(InputError, match=reason) as error:
        load(root)
    assert_one_line_about(f"config.data.root {root}", error)


@pytest.mark.parametrize(
    ("names", "genre"),
    [(("a/1.wav", "a/2.wav"), "a"), (("music/a/1.wav", "music/b/1.wav"), "music")],
    ids=["one class", "too high"],
)
def test_one_genre_can_be_tested_and_not_trained_on(tmp_path, load, names, genre):
    write_all(tmp_path / "root", *names)
    collection = load(tmp_path / "root")
    assert collection.genres == (genre,)
    with pytest.raises(InputError, match=rf"holds one genre only \({genre}\)") as error:
        check_genres(collection)
    assert_one_line_about(f"config.data.root {tmp_path / 'root'}", error)


def test_class_of_bad_files_only_is_told(root, load):
    (root / "metal").mkdir()
    (root / "metal" / "1.wav").write_text("These are words.")
    with pytest.warns(SkippedFileWarning, match=r"1\.wav"), pytest.raises(InputError) as error:
        load(root)
    assert_one_line_about(f"{root / 'metal'} holds no usable audio", error)


def test_class_of_short_tracks_only_is_told(root, load):
    write(root / "metal" / "long.wav", 0.55)
    with pytest.warns(SkippedFileWarning, match="long"), pytest.raises(InputError) as error:
        load(root, min_frames=SMALL.num_frames(0.6))
    assert_one_line_about(f"{root / 'metal'} holds no usable audio", error)


def test_tracks_shorter_than_a_segment_are_skipped(root, load):
    frames = SMALL.num_frames(0.8)
    for name in ("blues/just.wav", "rock/long.wav"):
        write(root / name, 0.8 if "just" in name else 1.5)
    with pytest.warns(SkippedFileWarning) as caught:
        collection = load(root, max_bad_share=0.0, min_frames=frames)
    assert names_of(collection) == ["blues/just.wav", "rock/long.wav"]
    assert len(collection.skipped) == len(caught) == 6
    for name, reason in collection.skipped.items():
        assert reason == f"{root / name} has {SMALL.num_frames(0.6)} frames, a segment {frames}"


def test_nothing_but_short_tracks_is_told(root, load):
    longest, wanted = SMALL.num_frames(0.6), SMALL.num_frames(5.0)
    with pytest.raises(InputError, match=r"config\.segments\.seconds") as error:
        load(root, min_frames=wanted)
    assert_one_line_about(f"longest has {longest} frames, a segment {wanted}", error)


def test_duplicates_are_reported_over_genres_and_formats(root, load):
    for name in ("blues/again.flac", "rock/same.au", "rock/z.wav"):
        write(root / name, seed=1)
    write(root / "blues" / "twin.wav", seed=2)
    write(root / "rock" / "twin.wav", seed=2)
    for file in sorted(root.rglob("*.*")):
        load.cache.add([file])
    collection = load(root)
    assert collection.duplicates == [
        ["blues/again.flac", "rock/same.au", "rock/z.wav"],
        ["blues/twin.wav", "rock/twin.wav"],
    ]
    assert len(collection.tracks) == 11


@pytest.mark.parametrize("gtzan", [GTZAN] if GTZAN.is_dir() else [])
def test_real_tracks_load(tmp_path, load, gtzan):
    for genre in ("blues", "rock"):
        target = tmp_path / "gtzan" / "genres_original" / genre
        target.mkdir(parents=True)
        for file in sorted((gtzan / "genres_original" / genre).iterdir())[:2]:
            pathlib.Path(target / file.name).symlink_to(file)
    collection = load(tmp_path / "gtzan", max_bad_share=0.0, min_frames=SMALL.num_frames(25.0))
    assert [pathlib.Path(name).stem for name in names_of(collection)] == [
        "blues.00000",
        "blues.00001",
        "rock.00000",
        "rock.00001",
    ]
    assert collection.duplicates == []


def test_links_are_followed_and_those_that_lead_nowhere_are_bad_files(root, load, tmp_path):
    write(tmp_path / "elsewhere" / "more.wav")
    (root / "blues" / "lp").symlink_to(tmp_path / "elsewhere")
    (root / "rock" / "gone.wav").symlink_to(".git/annex/gone.wav")
    with pytest.warns(SkippedFileWarning, match=r"gone\.wav is a link to \.git/annex/gone"):
        collection = load(root, 1 / 8)
    assert "blues/lp/more.wav" in names_of(collection)
    assert list(collection.skipped) == ["rock/gone.wav"]
    with pytest.raises(InputError, match="1 of the 8 audio files"):
        load(root, 0.1)


def test_names_that_are_not_utf8_pass_through(root, load):
    name = b"caf\xe9.wav".decode(errors="surrogateescape")
    write(root / "rock" / "x.wav").rename(root / "rock" / name)
    with warnings.catch_warnings(action="ignore"):  # Soundfile cannot open it.
        collection = load(root, max_bad_share=0.6)
    assert f"rock/{name}" in {*names_of(collection), *collection.skipped}
    for names in (collection.digests, collection.skipped):
        assert json.loads(json.dumps(names)) == names


def test_files_of_other_programs_beside_tracks_are_not_bad(root, load):
    good = load(root)
    for name in ("rock.00000.wav.asd", "album.m3u", "rip.log"):
        (root / "rock" / name).write_bytes(bytes(99))
    (root / "rock" / "@eaDir").mkdir()
    (root / "rock" / "@eaDir" / "x.wav").write_bytes(bytes(99))
    with pytest.warns(SkippedFileWarning, match="3 files in .* are no audio by their names"):
        assert load(root, max_bad_share=0.0).tracks == good.tracks
