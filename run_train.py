"""Train a genre classifier, test it and use it.

The input is audio, GTZAN's images of spectrograms, or tables of descriptors.

    python run_train.py --config=configs/multi_channel.py --config.data.root=gtzan
    python run_train.py --mode=evaluate --workdir=results/multi_channel
    python run_train.py --mode=predict --workdir=results/multi_channel --input=song.mp3
    python run_train.py --mode=pca --workdir=results/multi_channel --config.data.root=gtzan
    python run_train.py --mode=embed --workdir=results/multi_channel --transfer=results/transfer
    python run_train.py --mode=describe --workdir=results/described --config.data.root=gtzan
    python run_train.py --config=configs/descriptors.py --config.data.root=features_30_sec.csv
    python run_train.py --config=configs/pictures.py --config.data.root=gtzan
    python run_train.py --mode=predict --config.checkpoint=shipped --input=song.mp3

Without `--config.data.root`, a synthetic set of ten genres is made and trained on.
"""

import pathlib

from research import command_line
from research.command_line import config_flags, flags

FLAGS_OF = {
    "train": (),
    "evaluate": (),
    "predict": ("input",),
    "pca": (),
    "embed": ("transfer",),
    "describe": (),
}

CONFIG = command_line.define_config(pathlib.Path(__file__).parent / "configs" / "multi_channel.py")
MODE = flags.DEFINE_enum(
    "mode",
    "train",
    list(FLAGS_OF),
    "Train and test; test a trained network; predict genres; fit principal components; draw a map "
    "of tracks in the features of a network; or write tables of descriptors in GTZAN's format.",
)
INPUT = flags.DEFINE_string(
    "input",
    None,
    "Audio file or image, or folder of them, or table of descriptors, for --mode=predict.",
)
TRANSFER = flags.DEFINE_string(
    "transfer", None, "Workdir of a run_transfer.py run, which --mode=embed adds to the map."
)
WORKDIR = command_line.define_path(
    "workdir", None, "Folder of the run; results/ and the name of the config file by default."
)


def main() -> None:
    """Call the command of the mode."""
    from research import processes
    from research.settings import freeze
    from research.training import commands
    from research.training.config import TrainConfig

    file = config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0]
    command_line.check_flags(MODE.value, FLAGS_OF)
    workdir = pathlib.Path(WORKDIR.value or f"results/{pathlib.Path(file).stem}")
    config = freeze(TrainConfig, CONFIG.value)
    if MODE.value not in ("train", "evaluate"):
        processes.check_one(f"--mode={MODE.value}")
    changes = config_flags.get_override_values(flags.FLAGS["config"])
    if MODE.value == "train":
        commands.train(config, workdir, changes)
    elif MODE.value == "evaluate":
        commands.evaluate(config, workdir, changes)
    elif MODE.value == "predict":
        commands.predict(config, workdir, changes, INPUT.value)
    elif MODE.value == "pca":
        commands.pca(config, workdir, changes)
    elif MODE.value == "embed":
        recordings = {}
        if TRANSFER.value is not None:
            from research.transfer.recordings import load_recordings

            recordings = load_recordings(TRANSFER.value)
        commands.embed(config, workdir, changes, recordings)
    else:
        commands.describe(config, workdir, changes)


def run() -> None:
    """Parse the command line and call `main`: the command that is installed."""
    command_line.run(main)


if __name__ == "__main__":
    run()
