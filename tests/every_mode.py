"""Every mode once: `python every_mode.py SOUNDS RESULTS DEVICES [PLACE]`.

Args:
  SOUNDS: folders `high` and `low` with `5.wav`, `12.wav` and `18.wav`, named by their seconds.
  RESULTS: a folder to fill.
  DEVICES: their number.
  PLACE: of this process among several, see `processes.join`; they do what several can.
"""

import pathlib
import sys

import jax

from configs import multi_channel
from configs.transfer import get_config
from research import processes
from research.settings import freeze
from research.training import commands as training
from research.training.config import TrainConfig
from research.transfer import commands, single
from research.transfer import results as tables
from research.transfer.config import TransferConfig
from research.transfer.recordings import load_recordings

RATE = 4000


def work(sounds: pathlib.Path, results: pathlib.Path) -> None:
    """Train, evaluate, predict, embed, transfer and sweep, in the order of their needs."""
    alone = processes.count() == 1
    chosen = multi_channel.get_config("smoke")
    chosen.update_from_flattened_dict(
        {
            "data.root": str(sounds),
            "data.cache": str(results / "cache"),
            "data.test_share": 0.34,
            "data.validation_share": 0.34,
            "spectrogram.sample_rate": RATE,
            "spectrogram.stft.n_fft": 256,
            "spectrogram.stft.hop_length": 128,
            "segments.seconds": 1.0,
            "batch_size": 6,  # 8 devices do not divide it.
            "model.batch_norm": True,  # Of the whole batch, on every device.
            "model.dropout": 0.2,
            "num_epochs": 1,
        }
    )
    trained = results / "trained"
    training.train(freeze(TrainConfig, chosen), trained)
    training.evaluate(TrainConfig(checkpoint=str(trained)), results / "evaluated", {})
    if alone:
        training.predict(
            TrainConfig(checkpoint=str(trained)), results / "predicted", {}, str(sounds / "high")
        )
    chosen = get_config("texture")
    chosen.update_from_flattened_dict(
        {
            **{f"style.{name}": 0.0 for name in chosen.style},
            **{f"content.{name}": 0.0 for name in chosen.content},
            "content.spectrogram": 1.0,
            "style.spectrum": 1.0,
            "sample_rate": RATE,
            "init": "content",
            "phase.num_iterations": 2,
            "num_iterations": 1,
            "optimiser.name": "adam",
            "optimiser.log_every": 1,
            "checkpoint": str(trained),
        }
    )
    style = str(results / "style.npz")  # Without audio of the style, nothing is judged.
    with processes.first_then_others():
        if processes.is_first():
            commands.save_style(style, str(sounds / "low"), freeze(TransferConfig, chosen))
    middle, long = ((str(sounds / "high" / f"{n}.wav"), style) for n in (12, 18))
    if alone:
        commands.transfer(freeze(TransferConfig, chosen), [long], results / "transfer_18")
    chosen.sweep.style_weight = (0.5, 2.0)
    commands.transfer(freeze(TransferConfig, chosen), [middle], results / "sweep")
    if alone:
        recordings = load_recordings(str(results / "transfer_18"))
        training.embed(TrainConfig(checkpoint=str(trained)), results / "embedded", {}, recordings)


if __name__ == "__main__":
    # Pages and pictures take longest, and no device draws them.
    for module, draw in (
        (tables, "write_report"),
        (single, "draw_spectrograms"),
        (training, "draw_confusion"),
        (training, "draw_curves"),
        (training, "draw_points"),
    ):
        setattr(module, draw, lambda *_: None)
    jax.config.update("jax_num_cpu_devices", int(sys.argv[3]))
    for place in sys.argv[4:]:
        processes.join(place)
    work(*map(pathlib.Path, sys.argv[1:3]))
    processes.end_together()
