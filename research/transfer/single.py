"""Make one take in a folder of its own, with its page and its picture."""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from research.audio.tags import read_tags
from research.audio.waveform import Waveform, load_waveform
from research.audio.writing import check_writable, save_waveform
from research.errors import InputError, only_warn
from research.files import check_kept, exclusive_lock
from research.report.page import write_report
from research.report.spectrograms import draw_spectrograms
from research.settings import to_json
from research.transfer.config import TransferConfig
from research.transfer.experiment import make_takes
from research.transfer.optimise import Progress
from research.transfer.plan import PlannedTake, input_files
from research.transfer.results import load_pairs
from research.transfer.takes import find_takes
from research.workdir import environment, make_workdir
from research.workers import spare_cores, start_workers


class Single(NamedTuple):
    """A take that was made.

    Attributes:
      seconds: length of its output.
      metrics: content of its `metrics.json`.
    """

    seconds: float
    metrics: dict[str, Any]


def make_single(
    config: TransferConfig,
    take: PlannedTake,
    outputs: Sequence[str | os.PathLike] = (),
    *,
    preview: str | os.PathLike | None = None,
    on_preview: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_output: Callable[[], None] = lambda: None,
) -> Single:
    """Make one take: `output.wav` first, then its judgement, its page and its picture.

    Args:
      config: of the take.
      take: of `plan`.
      outputs: audio files to write, besides `output.wav` in the folder of the take.
      preview: audio file for the start of the optimisation of a waveform, and then the best so far.
      on_preview: called whenever it is written.
      on_progress: called at the end of every chunk of iterations.
      on_output: called when the output is written and not yet judged.

    Raises:
      InputError: a recording or a choice that cannot be used, or a loss that is never finite.
    """
    workdir = make_workdir(take.folder)
    if find_takes(workdir) not in ([], [workdir]):
        raise InputError(f"{workdir} holds a sweep; give another --workdir")
    written = [workdir / "output.wav", *map(pathlib.Path, outputs)]
    content = load_waveform(take.content)
    form = len(content.samples), content.sample_rate
    del content  # It is large.
    places = written if preview is None else [*written, pathlib.Path(preview)]
    for path in places:
        check_writable(path, *form)
    check_kept(input_files([take]), places)
    tags = read_tags(take.content)

    def save_preview(best: Waveform) -> None:
        if preview is not None:
            save_waveform(preview, best)
            on_preview()

    def save_outputs(output: Waveform) -> None:
        for path in written[1:]:
            save_waveform(path, output, tags)
        on_output()

    one = min(spare_cores(), 1)
    with exclusive_lock(workdir), start_workers(one) as workers, start_workers(one) as artists:
        chosen, made_by = to_json(config), environment(config.seed)
        documents = {"config.json": chosen, "environment.json": made_by}
        [(take, seconds)] = make_takes(
            config,
            [take],
            1,
            workers,
            lambda done, steps: on_progress(steps[0]),
            documents,
            save_outputs,
            None if preview is None else save_preview,
        )
        if isinstance(seconds, InputError):
            raise seconds
        [pair] = load_pairs([take])
        [made] = pair.takes
        sounds = {"content": pair.content, "style": pair.style, "output": made.waveform}
        sounds = {name: sound for name, sound in sounds.items() if sound is not None}
        page, picture = workdir / "report.html", workdir / "spectrograms.png"
        with only_warn(picture):
            drawn = artists.submit(
                draw_spectrograms, picture, sounds, config.sample_rate, config.stft
            )
            with only_warn(page):
                workers.submit(write_report, page, [pair], chosen, made_by).result()
            drawn.result()
    return Single(seconds, made.metrics)
