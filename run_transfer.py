"""Give back one piece of music in the style of another.

    python run_transfer.py --content=melody.wav --style=band.mp3 --output=out.wav

Without `--content` and `--style`, a piano minuet meets a funk-rock band, both shipped. A style may
be an audio file, what `--mode=style` made of several, or a mix by weights:

    python run_transfer.py --mode=style --style=records/ --output=records.npz
    python run_transfer.py --content=melody.wav --style=records.npz:0.7,band.mp3:0.3

Several contents, styles and values of weights are a sweep, optimised side by side:

    python run_transfer.py --content=songs/ --style=a.wav,b.wav --config.sweep.style_weight=0.5,1,2
    python run_transfer.py --mode=compare --input=results/one,results/other
"""

from __future__ import annotations

import json
import os
import pathlib
import time
import warnings
from typing import TYPE_CHECKING

from absl import flags

from research import command_line

if TYPE_CHECKING:
    from research.transfer.config import TransferConfig
    from research.transfer.experiment import PlannedTake

CLIPS = pathlib.Path(__file__).parent / "research" / "clips"

CONFIG = command_line.define_config(pathlib.Path(__file__).parent / "configs" / "transfer.py")
CONTENT = flags.DEFINE_string(
    "content",
    str(CLIPS / "piano.ogg"),
    "Audio file that gives melody, harmony and rhythm; a folder, or several, for several takes.",
)
STYLE = flags.DEFINE_string(
    "style",
    str(CLIPS / "band.ogg"),
    "What gives timbre and texture: an audio file, a style bank (.npz), or a mix by weights, "
    "a.wav:0.7,b.npz:0.3; a folder, or several without weights, for several takes.",
)
PAIRS = flags.DEFINE_string(
    "pairs", None, "Table of a content and a style a line, with a tab between, for several takes."
)
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Audio file to write, besides WORKDIR/output.wav; the style bank of --mode=style.",
)
INPUT = flags.DEFINE_list("input", [], "Workdirs of runs, for --mode=compare.")
MODE = flags.DEFINE_enum(
    "mode",
    "transfer",
    ["transfer", "style", "compare"],
    "Transfer; save what is known of a style; or put runs into one table.",
)
WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder for all that a run leaves: results/transfer, sweep or compare by default.",
)


def main() -> None:
    """Dispatch on the mode."""
    {"transfer": transfer, "style": save_style, "compare": compare}[MODE.value]()


def transfer() -> None:
    """Make a single take, or every pair with every combination of swept values."""
    started = time.perf_counter()
    from research.transfer.experiment import check_pieces, plan
    from research.transfer.sweep import combinations

    config, pairs = _load_config(), _find_pairs()
    kind = "sweep" if len(pairs) * len(combinations(config.sweep)) > 1 else "transfer"
    workdir = pathlib.Path(WORKDIR.value or f"results/{kind}")
    takes = plan(config, pairs, workdir)
    check_pieces(takes)
    if len(takes) == 1:
        _make_one(config, takes[0], started)
    else:
        _make_many(config, takes, workdir, started)


def _find_pairs() -> list[tuple[str, str]]:
    from research.errors import InputError
    from research.transfer.pairs import find_pairs, load_pairs

    if PAIRS.value is None:
        return find_pairs(CONTENT.value, STYLE.value)
    if CONTENT.present or STYLE.present:
        raise InputError("--pairs names contents and styles; leave out --content and --style")
    return load_pairs(PAIRS.value)


def _make_one(config: TransferConfig, take: PlannedTake, started: float) -> None:
    from research.audio.waveform import check_writable, save_waveform
    from research.errors import InputError
    from research.progress import ProgressBar
    from research.report.spectrograms import draw_spectrograms
    from research.transfer.experiment import make_takes, write_results
    from research.transfer.takes import find_takes
    from research.workdir import environment, make_workdir, save_json

    workdir = make_workdir(take.folder)
    if find_takes(workdir) not in ([], [workdir]):
        raise InputError(f"{workdir} holds a sweep; give another --workdir")
    outputs = [workdir / "output.wav"]
    if OUTPUT.value is not None:
        outputs.append(pathlib.Path(OUTPUT.value))
    for path in outputs:
        check_writable(path)
    with ProgressBar(config.num_iterations) as progress:
        [(_, result)] = make_takes(config, [take], 1, lambda _, steps: progress(steps[0]))
    if isinstance(result, InputError):
        raise result
    for path in outputs[1:]:
        save_waveform(path, result.output)
    chosen, made_by = json.loads(CONFIG.value.to_json()), environment(config.seed)
    save_json(workdir / "config.json", chosen)
    save_json(workdir / "environment.json", made_by)
    [pair] = write_results([take], chosen, made_by, workdir)
    sounds = {"content": pair.content, "style": pair.style, "output": result.output}
    sounds = {name: sound for name, sound in sounds.items() if sound is not None}
    draw_spectrograms(workdir / "spectrograms.png", sounds, config.sample_rate, config.stft)
    metrics = pair.takes[0].metrics
    if metrics["stopped"] == "non-finite":
        raise InputError(
            f"the loss was no longer finite at iteration {metrics['num_iterations']}; the best "
            f"iterate is in {outputs[-1]}; lower config.optimiser.learning_rate or the weights"
        )
    heard = ""
    if "genres" in metrics:
        from research.training.predict import in_words

        heard = f"; {in_words(metrics['genres'])}"
    print(
        f"Wrote {outputs[-1]} ({result.output.seconds:.1f} s of audio) in "
        f"{time.perf_counter() - started:.0f} s; listen, look and compare in "
        f"{workdir / 'report.html'}{heard}"
    )


def _make_many(
    config: TransferConfig, takes: list[PlannedTake], workdir: pathlib.Path, started: float
) -> None:
    from research.errors import InputError
    from research.files import held_alone
    from research.progress import CountingBar
    from research.transfer.experiment import identify, make_takes, write_results
    from research.transfer.takes import find_takes
    from research.workdir import claim, environment, make_workdir, save_json

    if OUTPUT.value is not None:
        raise InputError(
            f"--output is for a single take, and these are {len(takes)}, which will be in "
            f"{workdir}; leave it out"
        )
    if find_takes(workdir) == [workdir]:
        raise InputError(f"{workdir} holds a single run; give another --workdir")
    _use_every_core(len(takes))
    with held_alone(make_workdir(workdir)), CountingBar() as bar:
        chosen, binding = json.loads(CONFIG.value.to_json()), bool(find_takes(workdir))
        claim(workdir / "config.json", chosen, binding=binding, free=("sweep.memory_gb",))
        claim(workdir / "takes.json", identify(takes), binding=binding)
        made_by = environment(config.seed)
        save_json(workdir / "environment.json", made_by)
        pending = [take for take in takes if not take.is_done]
        before, failed = len(takes) - len(pending), 0
        each = max(config.num_iterations, 1)
        bar.say(f"{len(takes)} takes" + (f", {before} of them done before" if before else ""))
        bar("compiling", each * before, each * len(takes))

        def on_progress(done: int, steps: list) -> None:
            at_work = sum(step.iteration for step in steps)
            bar("iterations", each * (before + done) + at_work, each * len(takes))

        for take, result in make_takes(config, pending, len(takes), on_progress):
            reason = result if isinstance(result, InputError) else ""
            if not reason and result.minimum.stopped == "non-finite":
                reason = "the loss was no longer finite; the best iterate is kept"
            if reason:
                failed += 1
                warnings.warn(f"{take.folder.name} ({take.name}): {reason}", stacklevel=2)
        bar("pages", 0, 1)
        write_results(takes, chosen, made_by, workdir)
    if failed:
        raise InputError(
            f"{failed} of {len(pending)} takes in {workdir} did not keep a finite loss; lower "
            "their weights or config.optimiser.learning_rate"
        )
    print(
        f"Wrote {len(pending)} takes into {workdir} in {time.perf_counter() - started:.0f} s; "
        f"listen, look and compare in {workdir / 'report.html'}"
    )


def _use_every_core(num_takes: int) -> None:
    """Make each core a device, for takes side by side, unless the environment says how many."""
    import jax

    said = "JAX_NUM_CPU_DEVICES" in os.environ
    if not said and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, num_takes))


def compare() -> None:
    """Put what runs came to into one table and one page."""
    from research.errors import InputError
    from research.transfer.comparison import write_comparison
    from research.workdir import make_workdir

    if not INPUT.value:
        raise InputError("--mode=compare needs --input; give workdirs of runs, commas between")
    names = dict.fromkeys(name.strip() for name in INPUT.value if name.strip())
    folders = [pathlib.Path(name).expanduser() for name in names]
    workdir = make_workdir(WORKDIR.value or "results/compare")
    num_takes = write_comparison(workdir, folders)
    print(f"Wrote {num_takes} takes into {workdir / 'comparison.csv'} and .html")


def _load_config() -> TransferConfig:
    from research.settings import freeze
    from research.transfer.config import TransferConfig

    return freeze(TransferConfig, CONFIG.value)


def save_style() -> None:
    """Keep what is known of a style, without its audio."""
    from research.errors import InputError
    from research.files import check_place
    from research.transfer.style_file import check_style_file_name
    from research.transfer.style_source import make_style_file

    if OUTPUT.value is None:
        raise InputError("--mode=style needs --output, an .npz file to write")
    check_style_file_name(OUTPUT.value)
    check_place(OUTPUT.value)
    num_files = make_style_file(OUTPUT.value, STYLE.value, _load_config())
    print(f"Wrote {OUTPUT.value}, the style of {num_files} file{'s' if num_files > 1 else ''}")


if __name__ == "__main__":
    command_line.run(main)
