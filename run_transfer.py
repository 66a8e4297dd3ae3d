"""Give back one piece of music in the style of another.

    python run_transfer.py --content=melody.wav --style=band.mp3 --output=out.wav

Without `--content` and `--style`, a piano minuet meets a funk-rock band, both shipped.
"""

import json
import pathlib
import time

from absl import flags

from research import command_line

CLIPS = pathlib.Path(__file__).parent / "research" / "clips"

CONFIG = command_line.define_config(pathlib.Path(__file__).parent / "configs" / "transfer.py")
CONTENT = flags.DEFINE_string(
    "content", str(CLIPS / "piano.ogg"), "Audio file that gives melody, harmony and rhythm."
)
STYLE = flags.DEFINE_string(
    "style", str(CLIPS / "band.ogg"), "Audio file that gives timbre and texture."
)
OUTPUT = flags.DEFINE_string("output", None, "Audio file to write, besides WORKDIR/output.wav.")
WORKDIR = flags.DEFINE_string(
    "workdir", "results/transfer", "Folder for everything the run leaves."
)


def main() -> None:
    """Load, transfer, write."""
    started = time.perf_counter()
    from research.audio.waveform import check_writable, load_waveform, save_waveform
    from research.errors import InputError
    from research.report.progress import ProgressBar
    from research.report.spectrograms import draw_spectrograms
    from research.report.workdir import environment, make_workdir, save_json
    from research.settings import freeze
    from research.transfer.style_transfer import TransferConfig, transfer

    config = freeze(TransferConfig, CONFIG.value)
    content, style = load_waveform(CONTENT.value), load_waveform(STYLE.value)
    workdir = make_workdir(WORKDIR.value)
    outputs = [workdir / "output.wav"]
    if OUTPUT.value is not None:
        outputs.append(pathlib.Path(OUTPUT.value))
    for path in outputs:
        check_writable(path)
    loaded = time.perf_counter()

    with ProgressBar(config.num_iterations) as progress:
        result = transfer(content, style, config, progress)
    minimum = result.minimum

    for path in outputs:
        save_waveform(path, result.output)
    save_json(workdir / "config.json", json.loads(CONFIG.value.to_json()))
    save_json(workdir / "environment.json", environment(config.seed))
    takes = {"content": content, "style": style, "output": result.output}
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
    save_json(workdir / "metrics.json", metrics)
    if minimum.stopped == "non-finite":
        raise InputError(
            f"the loss was no longer finite at iteration {len(minimum.losses)}; the best iterate "
            f"is in {outputs[-1]}; lower config.optimiser.learning_rate or the weights"
        )
    print(
        f"Wrote {outputs[-1]} ({result.output.seconds:.1f} s of audio) "
        f"in {metrics['seconds']['total']:.0f} s; numbers and spectrograms in {workdir}"
    )


if __name__ == "__main__":
    command_line.run(main)
