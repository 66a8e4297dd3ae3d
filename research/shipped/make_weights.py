"""Train the weights that are shipped, and put them here.

    python -m research.shipped.make_weights --root=gtzan --train=train_filtered.txt \
        --test=valid_filtered.txt

It trains as `configs/pictures.py` says, once a seed, in `--workdir`, and goes on there where it was
stopped. The tracks to test on decide nothing. Further flags of `run_train.py` go after a `--`.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from absl import app, flags, logging

from research.errors import InputError
from research.training.run import SHIPPED, fingerprint, load_run, restore
from research.training.weights import save_weights
from research.workdir import load_json, make_workdir, save_json

_ROOT = pathlib.Path(__file__).parents[2]
DATA = flags.DEFINE_string("root", None, "Folder of GTZAN's pictures.", required=True)
TRAIN = flags.DEFINE_string("train", None, "List of tracks to train on.", required=True)
TEST = flags.DEFINE_string("test", None, "List of tracks to test on.", required=True)
SEEDS = flags.DEFINE_integer("seeds", 5, "Networks, which are asked together.", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", "results/shipped", "Folder of the training.")
DESTINATION = flags.DEFINE_string("destination", str(SHIPPED), "Where the weights go.")


def main(arguments: list[str]) -> int:
    """Train, and keep what it takes to use the networks."""
    logging.set_verbosity(logging.WARNING)
    command = [
        sys.executable,
        str(_ROOT / "run_train.py"),
        f"--config={_ROOT / 'configs' / 'pictures.py'}",
        f"--config.data.root={DATA.value}",
        "--config.data.split=files",
        f"--config.data.files.train={TRAIN.value}",
        f"--config.data.files.test={TEST.value}",
        f"--config.seeds={SEEDS.value}",
        f"--workdir={WORKDIR.value}",
        *arguments[1:],
    ]
    failed = subprocess.run(command).returncode
    if failed:
        return failed
    try:
        size = ship(pathlib.Path(WORKDIR.value), pathlib.Path(DESTINATION.value))
    except InputError as error:
        print(f"make_weights: {error}", file=sys.stderr)
        return 1
    print(f"Wrote {DESTINATION.value}: {size / 1e6:.1f} MB")
    return 0


def ship(workdir: pathlib.Path, destination: pathlib.Path) -> int:
    """Keep config, manifest and weights of a training without any name; the bytes that they are.

    Raises:
      InputError: the training is damaged, or the files cannot be written.
    """
    config, manifest = load_run(workdir)
    chosen = load_json(workdir / "config.json")
    chosen["data"] |= {
        "root": None,
        "cache": None,
        "split": "all",
        "files": dict.fromkeys(chosen["data"]["files"]),
    }
    # The lists are for others to publish; by fingerprints it can still be told what was trained on.
    fits = {
        name: {part: sorted(map(fingerprint, fit[part])) for part in ("train", "validation")}
        for name, fit in manifest["fits"].items()
    }
    known = {name for fit in fits.values() for part in fit.values() for name in part}
    digests = {fingerprint(name): digest for name, digest in manifest["tracks"].items()}
    tracks = {name: digest for name, digest in sorted(digests.items()) if name in known}
    make_workdir(destination)
    with tempfile.TemporaryDirectory(dir=destination) as folder:
        made = pathlib.Path(folder)
        weights = make_workdir(made / "weights")
        for name in fits:
            network, _ = restore(config, workdir, name, len(manifest["genres"]))
            save_weights(weights / f"{name}.npz", network.variables)
        save_json(made / "config.json", chosen)
        used = {"genres": manifest["genres"], "tracks": tracks, "fits": fits}
        save_json(made / "data.json", used)
        size = sum(file.stat().st_size for file in made.rglob("*.*"))
        shutil.rmtree(destination / "weights", ignore_errors=True)
        for path in made.iterdir():
            path.replace(destination / path.name)
    return size


if __name__ == "__main__":
    app.run(main)
