"""Give back one piece of music in the style of another.

    python run_transfer.py --content=melody.wav --style=band.mp3 --output=out.wav

Without `--content` and `--style`, a piano minuet meets a funk-rock band, both shipped. A style may
be an audio file, a folder of them, what `--mode=style` made of either, or several with weights:

    python run_transfer.py --mode=style --style=records/ --output=records.npz
    python run_transfer.py --content=melody.wav --style=records.npz:0.7,band.mp3:0.3
"""

from __future__ import annotations

import json
import pathlib
import time
from typing import TYPE_CHECKING

from absl import flags

from research import command_line

if TYPE_CHECKING:
    from research.transfer.style_transfer import TransferConfig

CLIPS = pathlib.Path(__file__).parent / "research" / "clips"

CONFIG = command_line.define_config(pathlib.Path(__file__).parent / "configs" / "transfer.py")
CONTENT = flags.DEFINE_string(
    "content", str(CLIPS / "piano.ogg"), "Audio file that gives melody, harmony and rhythm."
)
STYLE = flags.DEFINE_string(
    "style",
    str(CLIPS / "band.ogg"),
    "What gives timbre and texture: an audio file, a folder, a style bank (.npz), or several as "
    "a.wav:0.7,b.npz:0.3.",
)
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Audio file to write, besides WORKDIR/output.wav; the style bank of --mode=style.",
)
MODE = flags.DEFINE_enum(
    "mode", "transfer", ["transfer", "style"], "Transfer, or save what is known of a style."
)
WORKDIR = flags.DEFINE_string(
    "workdir", "results/transfer", "Folder for everything the run leaves."
)


def main() -> None:
    """Do what `--mode` says."""
    from research.settings import freeze
    from research.transfer.style_transfer import TransferConfig

    config = freeze(TransferConfig, CONFIG.value)
    {"transfer": _transfer, "style": _save_style}[MODE.value](config)


def _transfer(config: TransferConfig) -> None:
    """Load, transfer, write."""
    started = time.perf_counter()
    from research.audio.waveform import Waveform, check_writable, load_waveform, save_waveform
    from research.errors import InputError
    from research.report.progress import ProgressBar
    from research.report.spectrograms import draw_spectrograms
    from research.report.workdir import environment, make_workdir, save_json
    from research.transfer.style_source import load_mix
    from research.transfer.style_transfer import transfer

    content, style = load_waveform(CONTENT.value), load_mix(STYLE.value, config)
    workdir = make_workdir(WORKDIR.value)
    outputs = [workdir / "output.wav"]
    if OUTPUT.value is not None:
        outputs.append(pathlib.Path(OUTPUT.value))
    for path in outputs:
        check_writable(path)
    if config.checkpoint:
        # What is wrong with it is better said now than after the transfer.
        from research.training.experiment import load_checkpoint

        load_checkpoint(config.checkpoint)
    loaded = time.perf_counter()

    with ProgressBar(config.num_iterations) as progress:
        result = transfer(content, style, config, progress)
    minimum = result.minimum

    for path in outputs:
        save_waveform(path, result.output)
    save_json(workdir / "config.json", json.loads(CONFIG.value.to_json()))
    save_json(workdir / "environment.json", environment(config.seed))
    takes = {"content": content, "style": style, "output": result.output}
    takes = {name: take for name, take in takes.items() if isinstance(take, Waveform)}
    draw_spectrograms(workdir / "spectrograms.png", takes, config.sample_rate, config.stft)
    metrics = {
        "content": CONTENT.value,
        "style": STYLE.value,
        "loss": {
            "initial": minimum.history[0].loss,
            "final": minimum.loss,
            "rendered": result.rendered_loss(load_waveform(outputs[0])),
            "terms": minimum.terms,
        },
        "num_iterations": len(minimum.losses),
        "num_evaluations": minimum.evaluations,
        "stopped": minimum.stopped,
        "losses": minimum.losses,
        "history": [step._asdict() for step in minimum.history],
        "seconds": {
            "load": loaded - started,
            **result.seconds,
            "total": time.perf_counter() - started,
        },
    }
    heard = ""
    if config.checkpoint:
        from research.training.predict import in_words, verdicts

        metrics["genres"] = verdicts(config.checkpoint, takes)
        heard = f"; {in_words(metrics['genres'])}"
    save_json(workdir / "metrics.json", metrics)
    if minimum.stopped == "non-finite":
        raise InputError(
            f"the loss was no longer finite at iteration {len(minimum.losses)}; the best iterate "
            f"is in {outputs[-1]}; lower config.optimiser.learning_rate or the weights"
        )
    print(
        f"Wrote {outputs[-1]} ({result.output.seconds:.1f} s of audio) "
        f"in {metrics['seconds']['total']:.0f} s; numbers and spectrograms in {workdir}{heard}"
    )


def _save_style(config: TransferConfig) -> None:
    """Keep what is known of a style, without its audio."""
    from research.errors import InputError
    from research.files import check_place
    from research.transfer.bank import check_bank_name
    from research.transfer.style_source import make_bank

    if OUTPUT.value is None:
        raise InputError("--mode=style needs --output, an .npz file to write")
    check_bank_name(OUTPUT.value)
    check_place(OUTPUT.value)
    num_files = make_bank(OUTPUT.value, STYLE.value, config)
    print(f"Wrote {OUTPUT.value}, the style of {num_files} file{'s' if num_files > 1 else ''}")


if __name__ == "__main__":
    command_line.run(main)
