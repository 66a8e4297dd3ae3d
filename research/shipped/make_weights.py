"""Train the weights that are shipped, and put them here.

    cat train_filtered.txt valid_filtered.txt > both.txt
    python -m research.shipped.make_weights --root=gtzan --train=both.txt

It trains as `configs/pictures.py` says, one network for each seed, in `--workdir`, and continues
there if it was stopped. Tracks of `--test` are tested on and decide nothing. Flags such as
`--config.num_epochs=9` change the config.
"""

import pathlib
import sys
import tempfile

from absl import flags
from ml_collections import config_flags

from research import command_line
from research.errors import InputError
from research.settings import freeze
from research.training import commands
from research.training.config import TrainConfig
from research.training.run import SHIPPED, Run, fingerprint
from research.training.weights import save_weights
from research.workdir import load_json, make_workdir, save_json

CONFIG = command_line.define_config(pathlib.Path(__file__).parents[2] / "configs" / "pictures.py")
DATA = command_line.define_path("root", None, "Folder of GTZAN's images.", required=True)
TRAIN = command_line.define_path("train", None, "List of tracks to train on.", required=True)
TEST = command_line.define_path("test", None, "List of tracks to test on; none if not given.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Number of networks.", lower_bound=1)
WORKDIR = command_line.define_path("workdir", "results/shipped", "Folder of the training.")
DESTINATION = command_line.define_path("destination", str(SHIPPED), "Where the weights go.")


_FLAG_OF = {
    "data.root": "root",
    "data.split": "train",
    "data.files.train": "train",
    "data.files.test": "test",
    "seeds": "seeds",
}


def main() -> None:
    """Train, and keep what it takes to use the networks."""
    for key in config_flags.get_override_values(flags.FLAGS["config"]):
        if key in _FLAG_OF:
            raise InputError(f"--config.{key} is set by --{_FLAG_OF[key]}; give that")
    chosen = CONFIG.value
    chosen.data.update(root=DATA.value, split="files")
    chosen.data.files.update(train=TRAIN.value, test=TEST.value)
    chosen.seeds = SEEDS.value
    workdir, destination = pathlib.Path(WORKDIR.value), pathlib.Path(DESTINATION.value)
    commands.train(freeze(TrainConfig, chosen), workdir)
    print(f"Wrote {destination}: {ship(workdir, destination) / 1e6:.1f} MB")


def ship(workdir: pathlib.Path, destination: pathlib.Path) -> int:
    """Copy a training to use it elsewhere: config, weights, and tracks without their names.

    Returns:
      Size of the files, bytes.

    Raises:
      InputError: the training is damaged, or the files cannot be written.
    """
    run = Run.load(workdir)
    config = load_json(workdir / "config.json")
    config["data"] |= {
        "root": None,
        "cache": None,
        "split": "all",
        "files": dict.fromkeys(config["data"]["files"]),
    }
    # The names are for others to publish. Fingerprints say which tracks were trained on.
    fits = {
        name: {subset: sorted(map(fingerprint, fit[subset])) for subset in ("train", "validation")}
        for name, fit in run.fits.items()
    }
    known = {name for fit in fits.values() for names in fit.values() for name in names}
    digests = {fingerprint(name): digest for name, digest in run.tracks.items()}
    tracks = {name: digest for name, digest in sorted(digests.items()) if name in known}
    make_workdir(destination)
    with tempfile.TemporaryDirectory(dir=destination) as folder:
        made = pathlib.Path(folder)
        weights = make_workdir(made / "weights")
        for name in run.fits:
            network, _ = run.restore(name)
            save_weights(weights / f"{name}.npz", network.variables)
        save_json(made / "config.json", config)
        save_json(made / "data.json", {"genres": run.genres, "tracks": tracks, "fits": fits})
        size = sum(file.stat().st_size for file in made.rglob("*.*"))
        # The weights before these are kept until these are in place.
        if (destination / "weights").exists():
            (destination / "weights").replace(made / "before")
        for name in ("weights", "config.json", "data.json"):
            (made / name).replace(destination / name)
    return size


if __name__ == "__main__":
    # Flags of the config may also follow a `--`.
    sys.argv = [argument for argument in sys.argv if argument != "--"]
    command_line.run(main)
