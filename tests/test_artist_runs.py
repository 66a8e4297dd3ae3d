"""Folds that part no run of tracks."""

import hypothesis
import pytest
from hypothesis import strategies

from research.data.artist_runs import Track, deal, read_tracks, runs_of
from research.errors import InputError


def track(genre: str, number: int, source: int = 0) -> Track:
    return Track(genre, number, source, f"{genre}/{genre}.{number:05d}.wav")


def test_runs_end_at_another_list_and_where_numbers_are_missing():
    numbers = [(0, 0), (1, 0), (2, 1), (3, 0), (7, 0), (12, 0)]
    tracks = [track("jazz", *one) for one in numbers] + [track("blues", 8), track("blues", 2)]
    found = [[(one.genre, one.number) for one in run] for run in runs_of(tracks)]
    assert found == [
        [("blues", 2)],
        [("blues", 8)],
        [("jazz", 0), ("jazz", 1)],
        [("jazz", 2)],
        [("jazz", 3), ("jazz", 7)],
        [("jazz", 12)],
    ]


SETS = strategies.sets(
    strategies.tuples(strategies.sampled_from(["jazz", "pop"]), strategies.integers(0, 99)),
    min_size=1,
)


@hypothesis.given(SETS, strategies.integers(2, 6), strategies.integers(0, 3))
def test_every_run_is_in_one_fold(names, num_folds, seed):
    runs = runs_of([track(genre, number, number // 30 % 2) for genre, number in names])
    folds = deal(runs, num_folds, seed)
    assert len(folds) == num_folds
    assert sorted(one for fold in folds for one in fold) == [one for run in runs for one in run]
    for run in runs:
        assert sum(set(run) <= set(fold) for fold in folds) == 1
    assert deal(runs, num_folds, seed) == folds


def test_runs_as_long_are_dealt_evenly_and_the_seed_orders_them():
    runs = runs_of([track("jazz", 10 * i + j) for i in range(12) for j in range(3)])
    assert [len(fold) for fold in deal(runs, 4, 0)] == [9, 9, 9, 9]
    assert deal(runs, 4, 0) != deal(runs, 4, 1)


def test_a_long_run_is_balanced_by_many_short_ones():
    runs = runs_of(
        [track("pop", i) for i in range(8)] + [track("pop", 20 + 9 * i) for i in range(8)]
    )
    assert sorted(map(len, deal(runs, 2, 0))) == [8, 8]


def test_lists_that_do_not_do_are_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("blues/blues.00029.wav\n\njazz00001.png\n")
    assert read_tracks(str(path), 1) == [
        Track("blues", 29, 1, "blues/blues.00029.wav"),
        Track("jazz", 1, 1, "jazz00001.png"),
    ]
    path.write_text("blues/song.wav\n")
    with pytest.raises(InputError, match=r"list\.txt has 'blues/song\.wav'; give tracks such"):
        read_tracks(str(path), 0)
    with pytest.raises(InputError, match=r"none\.txt cannot be read"):
        read_tracks(str(tmp_path / "none.txt"), 0)
    with pytest.raises(InputError, match=r"jazz\.00001\.wav is listed twice"):
        runs_of([track("jazz", 1), track("jazz", 1, 1)])


def test_the_lists_of_the_command(tmp_path, run_script):
    lists = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, first in zip(lists, (0, 20), strict=True):
        numbers = [first, first + 1, first + 10]
        path.write_text("".join(f"rock/rock.{number:05d}.wav\n" for number in numbers))
    command = ["research.benchmarks.artist_folds", f"--lists={lists[0]},{lists[1]}"]
    ran = run_script(*command, "--folds=2", f"--destination={tmp_path / 'folds'}")
    assert "6 tracks in 4 runs" in ran.stdout
    written = {path.name: path.read_text().split() for path in (tmp_path / "folds").iterdir()}
    assert written.keys() == {f"{name}_{fold}.txt" for name in ("train", "test") for fold in (0, 1)}
    for fold in (0, 1):
        train, test = (set(written[f"{name}_{fold}.txt"]) for name in ("train", "test"))
        assert not train & test
        assert len(train | test) == 6
        assert ("rock/rock.00000.wav" in test) == ("rock/rock.00001.wav" in test)
    refused = run_script(*command, "--folds=5", f"--destination={tmp_path / 'more'}")
    assert refused.returncode == 1
    assert refused.stderr == "artist_folds.py: a fold of 5 has no tracks; lower --folds\n"
    assert not (tmp_path / "more").exists()
