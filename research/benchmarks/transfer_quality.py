"""What each part of the default transfer is worth, by a judge of its own.

    python -m research.benchmarks.transfer_quality CONTENT STYLE [CONTENT STYLE ...]

Ten seconds of each file, mixed down. Rows are means over the pairs; the shipped clips if none are
given.
"""

import pathlib
import sys

import numpy as np

from configs.transfer import get_config
from research.audio.waveform import Waveform, load_waveform, resample
from research.judge.verdict import Judge, Verdict
from research.settings import freeze
from research.transfer.config import TransferConfig
from research.transfer.style_transfer import transfer

_SECONDS = 10
_CLIPS = pathlib.Path(__file__).parents[1] / "clips"


def variants() -> dict[str, dict[str, float | str | bool]]:
    """Changes to the default config, by name."""
    config = get_config()
    changes: dict[str, dict[str, float | str | bool]] = {"default": {}}
    for group in ("content", "style"):
        for term, weight in config[group].items():
            if weight > 0:
                changes[f"without {term}"] = {f"{group}.{term}": 0.0}
    changes["start alone"] = {"num_iterations": 0}
    changes["from the content"] = {"init": "content"}
    changes["rests filled, dynamics of the style"] = {"keep_rests": False, "dynamics": 0.0}
    for amount in (0.0, 0.25, 0.5, 0.75):
        changes[f"style_amount {amount}"] = {"style_amount": amount}
    return changes


def _load(path: str) -> Waveform:
    piece = resample(load_waveform(path), get_config().sample_rate)
    samples = piece.samples.mean(axis=0, keepdims=True)[:, : _SECONDS * piece.sample_rate]
    return Waveform(samples, piece.sample_rate)


def _row(name: str, verdicts: list[Verdict]) -> str:
    columns = [
        [v.content_kept for v in verdicts],
        [v.style_reached for v in verdicts],
        [v.score for v in verdicts],
        [v.leak for v in verdicts],
        [v.equaliser for v in verdicts],
        [v.measures["equaliser_magnitude"] for v in verdicts],
    ]
    content, style, *others = (f"{np.mean(column):8.2f}" for column in columns)
    above = [v.above_crossfade for v in verdicts]
    points = f"{np.mean(above):+8.1f} {min(above):+8.1f}"
    return " ".join([f"{name:36s}", content, style, points, *others])


def main(paths: list[str]) -> None:
    """Print the table."""
    pieces = [_load(path) for path in paths or [_CLIPS / "piano.ogg", _CLIPS / "band.ogg"]]
    pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
    judges = [Judge(c.samples[0], s.samples[0], c.sample_rate) for c, s in pairs]
    print(
        f"{'mean of ' + str(len(pairs)) + ' pairs':36s}  content    style   points    worst    "
        "score     leak equalise by-magn."
    )
    best = [max(judge.crossfades, key=lambda verdict: verdict.score) for judge in judges]
    print(_row("best crossfade", best))
    for name, changes in variants().items():
        config = get_config()
        config.update_from_flattened_dict(changes)
        frozen = freeze(TransferConfig, config)
        verdicts = [
            judge(transfer(content, style, frozen).output.samples[0])
            for judge, (content, style) in zip(judges, pairs, strict=True)
        ]
        print(_row(name, verdicts), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
