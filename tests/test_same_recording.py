"""Which tracks are of one recording, by their names."""

import time

import pytest

from research.data.same_recording import group_tracks, recording_key, recording_keys, track_key
from research.data.tracks import Track


def groups(*names: str) -> list[str]:
    """The names of each recording, joined."""
    found = {}
    for name, key in zip(names, recording_keys([f"a/{name}" for name in names]), strict=True):
        found.setdefault(key, []).append(name)
    return [" | ".join(each) for each in found.values()]


SLICED = [
    (
        "blues.00000.3.wav",
        "blues.00000_3.wav",
        "blues.00000-3.au",
        "blues00000 3",
        "BLUES00000.png",
    ),
    ("blues.00000.wav", "blues_00000 - Copy.wav", "blues.00000 (1).wav", "x/blues.00000/7.wav"),
    ("song.wav", "song.mp3", "Song.FLAC", "song copy.wav", "song - Copy (2).wav"),
    ("song_slice3.wav", "song slice 04.wav", "song.segment.5.wav", "song-part-1-of-2.wav"),
    ("song (clip 3).wav", "song_chunk003.wav", "song_piece_1.wav", "song-excerpt 2.wav"),
    ("song_1of3.wav", "song 2 of 3.wav"),
    ("song_30s.wav", "song_60s-90s.wav", "song 1m30s.wav", "song_500ms.wav"),
    ("song-0-29.mp3", "song-30-59.mp3", "song-59-88.mp3"),
    ("song_0.0_3.0.wav", "song_3.0_6.0.wav"),
    ("caf\udce9_slice1.wav", "café_slice2.wav", "cafe\u0301_slice3.wav"),
]


@pytest.mark.parametrize("names", SLICED, ids=lambda names: names[0].encode("ascii", "replace"))
def test_slices_and_copies_are_of_one_recording(names):
    assert groups(*names, "other.wav") == [" | ".join(names), "other.wav"]


@pytest.mark.parametrize(
    "together",
    [
        (("x_0.wav", "x_1.wav", "x_2.wav"), ("y_0.wav", "y_1.wav")),
        (("x_0.wav", "x_1.wav", "x.wav"), ("y_0.wav", "y_1.wav"), ("z.wav",)),
        (("s1.0.wav", "s1.1.wav"), ("s2.0.wav", "s2.1.wav")),
        (("x_0.0.wav", "x_0.5.wav", "x_1.0.wav"), ("y_0.0.wav", "y_0.5.wav")),
        (("p/0.wav", "p/1.wav"), ("q/0.wav", "q/1.wav"), ("loose.wav",)),
        (("p/0.wav", "p/30.wav", "p/60.wav", "p/90.wav"), ("q/0.wav", "q/30.wav")),
        (("p/p_0.wav", "p/p_1.wav"), ("q/part 1.wav", "q/part 2.wav")),
        (("p/track 1.wav", "p/track 2.wav"), ("q/track 1.wav", "q/track 2.wav")),
        (("1-3-0-0.wav", "1-3-0-1.wav"), ("2-3-0-0.wav", "2-3-0-4.wav")),
    ],
)
def test_names_that_differ_in_numbers_or_folders_are_grouped_where_several_are(together):
    names = [name for group in together for name in group]
    assert groups(*names) == [" | ".join(group) for group in together]


@pytest.mark.parametrize(
    "names",
    [
        [f"a.{i:05d}.wav" for i in range(4)],
        [f"song {i}.wav" for i in range(4)],
        [f"{i}.wav" for i in range(4)],
        [f"a_part_{i}.wav" for i in range(4)],
        [f"track_{i}.wav" for i in range(2)] + [f"a_{i}.wav" for i in range(2)],
        [f"wavs/{i}.wav" for i in range(4)],
        [f"{part}/{i}.wav" for part in ("train", "test") for i in range(3)],
        [f"{part}/song {i}.wav" for part in ("train", "test") for i in range(3)],
        ["000/000002.mp3", "000/000140.mp3", "001/001077.mp3", "001/001999.mp3"],
        ["q/q - we.mp3", "q/q - rock.mp3", "b/b - x.mp3", "b/b - y.mp3"],
        ["cd_1_02.wav", "cd_1_03.wav", "cd_2_03.wav"],
        ["one.wav", "two.wav", "...three.wav", "partial 1.wav", "compartment 2.wav"],
    ],
    ids=lambda names: names[0],
)
def test_others_are_recordings_of_their_own(names):
    assert groups(*names) == names


def test_genres_are_apart():
    names = [f"{genre}/x_slice_{i}.wav" for genre in "ab" for i in range(2)]
    assert recording_keys(names) == ["a/x", "a/x", "b/x", "b/x"]


def test_a_recording_is_known_by_its_own_name():
    for name in ("jazz.00000.au", "jazz00000_2.png", "clips/JAZZ.00000.wav", "jazz.00000/3.wav"):
        assert recording_key(f"jazz/{name}") == "jazz/jazz.00000"
    assert recording_key("jazz/a b_slice_3.wav") == "jazz/a b"
    assert recording_key("alone.wav") == "alone"


def test_keys_of_tracks_have_no_suffix_and_one_spelling():
    assert track_key("A\\B.b.Wav") == "a/b.b"
    assert track_key("a/01. song") == track_key("a/01. song.mp3") == "a/01. song"
    assert track_key("a/caf\udce9.wav") == track_key("a/cafe\u0301.wav") == "a/café"


def test_duplicates_and_slices_are_connected():
    names = ["x_slice_0", "y_slice_0", "x_slice_1", "y_slice_1", "z"]
    digests = ["0", "1", "2", "0", "3"]
    tracks = [Track(f"a/{n}.wav", 0, d, 9) for n, d in zip(names, digests, strict=True)]
    assert group_tracks(tracks) == [[0, 1, 2, 3], [4]]
    assert group_tracks(tracks, by_names=False) == [[0, 3], [1], [2], [4]]


PARTS = "1.", "1 ", "1s", "part 1 ", "1 of 1 ", "copy ", "...", "1_", "11", "1-1s ", "1s ", "1.5s "


def test_no_name_takes_long():
    start = time.perf_counter()
    for part in (
        "1.",
        "1 ",
        "1s",
        "part 1 ",
        "1 of 1 ",
        "copy ",
        "...",
        "1_",
        "11",
        "1-1s ",
        "1s ",
        "1.5s ",
    ):
        for end in ("", "x", "!"):
            recording_keys([f"a/{folder}{part * 40}{end}.wav" for folder in ("", "p/", "q/")])
    assert time.perf_counter() - start < 5
