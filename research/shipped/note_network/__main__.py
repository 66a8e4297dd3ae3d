"""Train the network that hears notes, and put it here.

    python -m research.shipped.note_network

It records notes of two soundfonts in `--workdir`, makes random pieces of 6 s from them, trains, and
measures on pieces that it was not trained on. Notes and pieces that are there already are used
again, and a training that was killed goes on; a workdir is for one list of soundfonts and for one
version of the modules that make pieces. fluidsynth, pretty_midi and the soundfonts must be
installed.
"""

import functools
import multiprocessing
import pathlib

from absl import flags

from research import command_line
from research.arrays import load_arrays
from research.audio.midi import OTHER_SOUNDFONT, SOUNDFONT, check_tools
from research.models.network import Variables
from research.progress import CountingBar
from research.shipped.note_network.fit import fit, measure
from research.shipped.note_network.instruments import soundfont_digests
from research.shipped.note_network.mixtures import (
    PIECES_OF_FILE,
    Mixture,
    make_file,
    source_digests,
)
from research.training.checkpoints import Checkpoints
from research.training.weights import save_weights
from research.workdir import claim, make_workdir, save_json

WORKDIR = command_line.define_path("workdir", "results/note_network", "Folder of notes and pieces.")
DESTINATION = command_line.define_path(
    "destination", str(pathlib.Path(__file__).parent), "Where the weights go."
)
PIECES = flags.DEFINE_integer("pieces", 5900, "Number of pieces to train on.", lower_bound=1)
TEST_PIECES = flags.DEFINE_integer("test_pieces", 100, "Number of other pieces.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 6000, "Number of gradient steps.", lower_bound=2)
SEED = flags.DEFINE_integer("seed", 0, "Of weights and order.", lower_bound=0)
SOUNDFONTS = flags.DEFINE_list("soundfonts", [SOUNDFONT, OTHER_SOUNDFONT], "Paths of soundfonts.")


def main() -> None:
    """Make the pieces, train, measure, write."""
    check_tools(["pretty_midi"], SOUNDFONTS.value)
    workdir = make_workdir(pathlib.Path(WORKDIR.value))
    claim(workdir / "soundfonts.json", soundfont_digests(SOUNDFONTS.value), binding=True)
    claim(workdir / "sources.json", source_digests(), binding=True)
    destination = make_workdir(pathlib.Path(DESTINATION.value))
    with CountingBar() as bar:
        mixtures = _make_mixtures(workdir, PIECES.value + TEST_PIECES.value, bar)
        tested, trained = mixtures[: TEST_PIECES.value], mixtures[TEST_PIECES.value :]
        pieces = f"pieces_{len(tested)}_to_{len(mixtures)}"
        kept = f"{pieces}_steps_{STEPS.value}_seed_{SEED.value}"
        with Checkpoints(workdir / kept) as checkpoints:
            parameters = fit(
                trained,
                STEPS.value,
                SEED.value,
                lambda done, loss: bar("steps", done, STEPS.value),
                checkpoints,
            )
    accuracy = measure(parameters, tested)
    save_weights(destination / "weights.npz", Variables(parameters, {}))
    save_json(
        destination / "about.json",
        {
            "pieces": len(trained),
            "steps": STEPS.value,
            "seed": SEED.value,
            "soundfonts": [pathlib.Path(path).name for path in SOUNDFONTS.value],
            "test_pieces": len(tested),
            **{name: round(value, 4) for name, value in accuracy._asdict().items()},
        },
    )
    print(
        f"F1 {accuracy.f1:.3f}, levels within {accuracy.level_error:.1f} dB, percussion within "
        f"{accuracy.percussion_error:.1f} dB, on {len(tested)} pieces\nWrote {destination}"
    )


def _make_mixtures(workdir: pathlib.Path, count: int, bar: CountingBar) -> list[Mixture]:
    """Pieces of the seeds 0 to `count`, from the workdir or made by all cores."""
    from joblib import cpu_count

    files = [workdir / "pieces" / f"{first}.npz" for first in range(0, count, PIECES_OF_FILE)]
    missing = [file for file in files if not file.is_file()]
    if missing:
        (workdir / "pieces").mkdir(exist_ok=True)
        make = functools.partial(make_file, SOUNDFONTS.value, workdir / "notes")
        context = multiprocessing.get_context("spawn")
        with context.Pool(min(cpu_count(), len(missing))) as pool:
            for number, _ in enumerate(pool.imap_unordered(make, missing), 1):
                bar("pieces", PIECES_OF_FILE * number, PIECES_OF_FILE * len(missing))
    mixtures = []
    for file in files:
        arrays = load_arrays(file, "pieces", "delete it")
        mixtures += map(Mixture, arrays["spectrum"], arrays["amplitudes"], arrays["tuning"])
    return mixtures[:count]


if __name__ == "__main__":
    command_line.run(main)
