"""The modes of `run_transfer.py`, as functions with explicit arguments."""

import os
import pathlib
import time
import warnings
from collections.abc import Sequence

from research import processes
from research.errors import InputError
from research.files import check_kept, check_place, exclusive_lock, expand
from research.progress import CountingBar, ProgressBar
from research.settings import to_json
from research.tables import save_records
from research.transfer.comparison import write_comparison
from research.transfer.config import TransferConfig
from research.transfer.experiment import make_takes
from research.transfer.optimise import Progress
from research.transfer.plan import PlannedTake, check_recordings, identify, input_files, plan
from research.transfer.results import write_results
from research.transfer.side_by_side import use_every_core
from research.transfer.single import make_single
from research.transfer.style_file import check_style_file_name
from research.transfer.style_source import make_style_file, parse_source
from research.transfer.sweep import combinations
from research.transfer.takes import find_takes, load_metrics
from research.transfer.votes import count_votes, in_words, load_votes
from research.workdir import claim, claim_config, environment, make_workdir, save_json
from research.workers import Workers, spare_cores, start_workers

_MOST_WORKERS = 8  # Each takes memory.


def transfer(
    config: TransferConfig,
    pairs: list[tuple[str, str]],
    workdir: str | os.PathLike | None = None,
    output: str | os.PathLike | None = None,
    preview: str | os.PathLike | None = None,
) -> None:
    """Make one take, or every pair with every combination of swept values.

    Args:
      config: of all takes.
      pairs: content and style each, of `find_pairs` or `load_pairs`.
      workdir: folder of the results; by default `results/transfer`, or `results/sweep` for several
        takes.
      output: audio file to write, besides the one in the workdir; for one take only.
      preview: audio file for the start of an optimisation, and then the best so far; the same.

    Raises:
      InputError: a recording or a choice that cannot be used, or a loss that is not finite.
    """
    started = time.perf_counter()
    kind = "sweep" if len(pairs) * len(combinations(config.sweep)) > 1 else "transfer"
    folder = pathlib.Path(workdir or f"results/{kind}")
    takes = plan(config, pairs, folder)
    if preview is not None and not config.optimises_waveform:
        raise InputError(
            "--preview is for presets that optimise a waveform, such as "
            "--config=configs/transfer.py:combined; leave it out"
        )
    if len(takes) == 1:
        _make_one(config, takes[0], output, preview, started)
        return
    for flag, path in (("output", output), ("preview", preview)):
        if path is not None:
            raise InputError(
                f"--{flag} is for a single take, and these are {len(takes)}, which will be in "
                f"{folder}; leave it out"
            )
    _make_many(config, takes, folder, started)


def _make_one(
    config: TransferConfig,
    take: PlannedTake,
    output: str | os.PathLike | None,
    preview: str | os.PathLike | None,
    started: float,
) -> None:
    check_recordings(config, [take])
    processes.check_one("a single take")
    outputs = [] if output is None else [pathlib.Path(output)]
    last = [take.folder / "output.wav", *outputs][-1]
    with ProgressBar(config.num_iterations) as bar:

        def on_preview() -> None:
            bar.say_once(f"wrote {preview}, which gets better until the end")

        made = make_single(
            config,
            take,
            outputs,
            preview=preview,
            on_preview=on_preview,
            on_progress=lambda step: bar(step.iteration, step.evaluations, step.loss),
            on_output=lambda: bar.show(f"wrote {last}, judging it and making the page"),
        )
    if made.metrics["stopped"] == "non-finite":
        raise InputError(
            f"the loss was no longer finite at iteration {made.metrics['num_iterations']}; the "
            f"best iterate is in {last}; lower config.optimiser.learning_rate or the weights"
        )
    page = take.folder / "report.html"
    shown = f"; listen, look and compare in {page}" if page.exists() else ""
    genres = ""
    if "genres" in made.metrics:
        from research.training.predict import in_words

        genres = f"; {in_words(made.metrics['genres'])}"
    print(
        f"Wrote {last} ({made.seconds:.1f} s of audio) in "
        f"{time.perf_counter() - started:.0f} s{shown}{genres}"
    )


def _make_many(
    config: TransferConfig, takes: list[PlannedTake], workdir: pathlib.Path, started: float
) -> None:
    own = processes.own_part(takes)
    use_every_core(len(own))  # Before jax counts its devices.
    check_recordings(config, takes)
    if find_takes(workdir) == [workdir]:
        raise InputError(f"{workdir} holds a single run; give another --workdir")
    check_kept(input_files(takes), [take.folder / "output.wav" for take in takes])
    make_workdir(workdir)
    with (
        processes.written_by_first(workdir) as written,
        exclusive_lock(written),
        start_workers(min(spare_cores(), len(own), _MOST_WORKERS)) as workers,
        CountingBar() as bar,
    ):
        chosen, binding = to_json(config), bool(find_takes(workdir))
        claim_config(written / "config.json", config, binding=binding)
        claim(written / "takes.json", identify(config, takes), binding=binding)
        made_by = environment(config.seed)
        save_json(written / "environment.json", made_by)
        pending = [take for take in takes if not take.is_done]
        before = len(takes) - len(pending)
        bar.say(f"{len(takes)} takes" + (f", {before} of them done before" if before else ""))
        processes.wait_for_all()  # The first has checked what the workdir holds.
        _make_pending(config, own, workers, bar)
        processes.wait_for_all()
        bar("pages", 0, 1)
        if processes.is_first():
            write_results(takes, chosen, made_by, workdir, workers)
    failed = sum(not take.is_done or _ended_early(take) for take in pending)
    if failed:
        raise InputError(
            f"{failed} of {len(pending)} takes in {workdir} did not keep a finite loss; lower "
            "their weights or config.optimiser.learning_rate"
        )
    print(
        f"Wrote {len(pending)} takes into {workdir} in {time.perf_counter() - started:.0f} s; "
        f"listen, look and compare in {workdir / 'report.html'}"
    )


def _make_pending(
    config: TransferConfig, takes: list[PlannedTake], workers: Workers, bar: CountingBar
) -> None:
    """Make those takes that are not done."""
    pending = [take for take in takes if not take.is_done]
    before, each = len(takes) - len(pending), max(config.num_iterations, 1)
    bar("compiling", each * before, each * len(takes))

    def on_progress(done: int, steps: list[Progress]) -> None:
        current = sum(step.iteration for step in steps)
        bar("iterations", each * (before + done) + current, each * len(takes))

    for take, result in make_takes(config, pending, len(takes), workers, on_progress):
        reason = ""
        if isinstance(result, InputError):
            reason = str(result)
        elif _ended_early(take):
            reason = "the loss was no longer finite; the best iterate is kept"
        if reason:
            warnings.warn(f"{take.folder.name} ({take.name}): {reason}", stacklevel=3)


def _ended_early(take: PlannedTake) -> bool:
    return load_metrics(take.folder)["stopped"] == "non-finite"


def save_style(output: str | os.PathLike, style: str, config: TransferConfig) -> None:
    """Write the description of a style to a style file.

    Args:
      output: path of the file, which ends in `.npz`.
      style: audio, style files or a mix of them, see `parse_source`.
      config: of the transfers that the style is for.

    Raises:
      InputError: the style cannot be read, or the file cannot be written.
    """
    check_style_file_name(output)
    check_place(output)
    check_kept([part.path for part in parse_source(style)], [output])
    num_files = make_style_file(output, style, config)
    print(f"Wrote {output}, the style of {num_files} file{'s' if num_files > 1 else ''}")


def compare(runs: Sequence[str | os.PathLike], workdir: str | os.PathLike | None = None) -> None:
    """Put runs into one table and on one page, and count the votes of listeners.

    Args:
      runs: workdirs of `run_transfer.py`.
      workdir: folder of the results; by default `results/compare`.

    Raises:
      InputError: a folder is no such workdir, or a recording cannot be read any more.
    """
    folders = [expand(run) for run in dict.fromkeys(runs)]
    folder = make_workdir(workdir or "results/compare")
    votes = [vote for run in folders for vote in load_votes(run)]
    if votes:  # First, for they count without their takes.
        counted = count_votes(votes)
        save_records(folder / "listening.csv", counted)
        for record in counted:
            print(in_words(record))
        print(f"Wrote {len(votes)} votes of listeners into {folder / 'listening.csv'}")
    num_takes = write_comparison(folder, folders)
    print(f"Wrote {num_takes} takes into {folder / 'comparison.csv'} and .html")
