"""Write lists of folds of artists of GTZAN, as far as `artist_runs` can tell.

    python -m research.benchmarks.artist_folds --lists=train_filtered.txt,valid_filtered.txt

`train_0.txt`, `test_0.txt` and so on are for `--config.data.split=files`.
"""

from absl import flags

from research import command_line
from research.data.artist_runs import deal, read_tracks, runs_of
from research.errors import InputError
from research.files import atomic_write
from research.workdir import make_workdir

LISTS = flags.DEFINE_list("lists", None, "Lists that part no artist.", required=True)
DESTINATION = command_line.define_path("destination", "results/folds", "Folder of the new lists.")
NUM_FOLDS = flags.DEFINE_integer("folds", 5, "Number of folds.", lower_bound=2)
SEED = flags.DEFINE_integer("seed", 0, "Order of runs of about equal length.", lower_bound=0)


def main() -> None:
    """Write the lists."""
    tracks = [track for i, path in enumerate(LISTS.value) for track in read_tracks(path, i)]
    runs = runs_of(tracks)
    folds = deal(runs, NUM_FOLDS.value, SEED.value)
    if not all(folds):
        raise InputError(f"a fold of {len(folds)} has no tracks; lower --folds")
    destination = make_workdir(DESTINATION.value)
    for fold, test in enumerate(folds):
        tested = {track.line for track in test}
        rest = [track for run in runs for track in run if track.line not in tested]
        for name, chosen in (("train", rest), ("test", test)):
            with atomic_write(destination / f"{name}_{fold}.txt") as temporary:
                temporary.write_text("".join(f"{track.line}\n" for track in chosen))
    print(f"Wrote {destination}: {len(tracks)} tracks in {len(runs)} runs")


if __name__ == "__main__":
    command_line.run(main)
