"""The default transfer, and what each part of the transfer of texture is worth, by the judge.

    python -m research.benchmarks.transfer_quality CONTENT STYLE [CONTENT STYLE ...]

Ten seconds of each file are used, mixed down; the shipped clips if no files are given. Rows are
means over the pairs.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from configs.transfer import PRESETS
from research.audio.waveform import Waveform, load_waveform, match_channels, resample
from research.benchmarks import on_files
from research.judge.verdict import EQUALISED, Judge, Verdict
from research.transfer.config import TransferConfig
from research.transfer.style_transfer import transfer

_SECONDS = 10
_CLIPS = pathlib.Path(__file__).parents[1] / "clips"


def variants() -> dict[str, TransferConfig]:
    """The preset `default`, and `texture` with changes to it, by name."""
    config = PRESETS["texture"]
    found = {"default": PRESETS["default"], "texture": config}

    def add(name: str, **changes: object) -> None:
        found[name] = dataclasses.replace(config, **changes)

    for term in config.content.used:
        add(f"without {term}", content=dataclasses.replace(config.content, **{term: 0.0}))
    for term in config.style.used:
        add(f"without {term}", style=dataclasses.replace(config.style, **{term: 0.0}))
    add("start alone", num_iterations=0)
    add("from the content", init="content")
    add("rests filled, dynamics of the style", keep_rests=False, dynamics=0.0)
    for amount in (0.0, 0.25, 0.5, 0.75):
        add(f"style_amount {amount}", style_amount=amount)
    return found


def _load(path: str | pathlib.Path) -> Waveform:
    recording = resample(load_waveform(path), TransferConfig().sample_rate)
    samples = match_channels(recording.samples, 1)[:, : _SECONDS * recording.sample_rate]
    return Waveform(samples, recording.sample_rate)


def _row(name: str, verdicts: Sequence[Verdict]) -> str:
    columns = [
        [v.content_kept for v in verdicts],
        [v.style_reached for v in verdicts],
        [v.score for v in verdicts],
        [v.leak for v in verdicts],
        [v.equaliser for v in verdicts],
        [v.measures["equaliser_magnitude"] for v in verdicts],
        [v.naturalness for v in verdicts],
    ]
    content, style, *others = (f"{np.mean(column):8.2f}" for column in columns)
    above = [v.above_crossfade for v in verdicts]
    points = f"{np.mean(above):+8.1f} {min(above):+8.1f}"
    return " ".join([f"{name:36s}", content, style, points, *others])


def main(paths: list[str]) -> None:
    """Print the table."""
    on_files.check_pairs(paths)
    chosen = paths or [_CLIPS / "piano.ogg", _CLIPS / "band.ogg"]
    recordings = [_load(path) for path in chosen]
    pairs = list(zip(recordings[::2], recordings[1::2], strict=True))
    judges = [Judge(c.samples[0], s.samples[0], c.sample_rate) for c, s in pairs]
    print(
        f"{'mean of ' + str(len(pairs)) + ' pairs':36s}  content    style   points    worst    "
        "score     leak equalise by-magn.  natural"
    )
    best = [max(judge.crossfades, key=lambda verdict: verdict.score) for judge in judges]
    print(_row("best crossfade", best))
    for index, fraction in enumerate(EQUALISED):
        name = "equaliser" + (f" + {100 * fraction:.0f} % style" if fraction else "")
        print(_row(name, [judge.equalised[index] for judge in judges]))
    for name, config in variants().items():
        verdicts = [
            judge(transfer(content, style, config).output.samples[0])
            for judge, (content, style) in zip(judges, pairs, strict=True)
        ]
        print(_row(name, verdicts), flush=True)


if __name__ == "__main__":
    on_files.run(main)
