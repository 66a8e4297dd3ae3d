"""A page of a run, or of a sweep of many: one file to listen to, look at and compare.

It needs no network and no other file: sounds and pictures are in it.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from research.audio.waveform import Waveform
from research.files import written_whole
from research.judge.crossfade import crossfade
from research.report.media import choose_kbps, mp3_uri
from research.report.metric_views import (
    COLUMNS,
    LossPlot,
    Row,
    TradeOff,
    best_crossfade,
    heard_genres,
    judge_rows,
    loss_plot,
    trade_off,
)
from research.report.sound_views import SoundViews, view_sounds

MAX_BYTES = 10_000_000
_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_SAMPLE_RATE = 22050  # Of the pictures, in Hz, where the config has none.
_EVEN = 0.5  # Share of the crossfade that is played where no judge has chosen one.


@dataclasses.dataclass(frozen=True)
class Take:
    """One output.

    Attributes:
      name: "output", or what is special about it: "style_weight=3, seed=1".
      waveform: the sound.
      metrics: what `metrics.json` holds; `judge`, `genres` and `settings` where there are any.
    """

    name: str
    waveform: Waveform
    metrics: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A content, a style, and what was made of them.

    Attributes:
      content_name: to show.
      style_name: to show.
      content: the sound.
      style: the sound, None where it is not one.
      takes: in the order to show.
    """

    content_name: str
    style_name: str
    content: Waveform
    style: Waveform | None
    takes: tuple[Take, ...]


@dataclasses.dataclass(frozen=True)
class _Sound:
    """A player with its pictures.

    Attributes:
      id: within the page.
      kind: "content", "style", "crossfade" or "take".
      name: to show.
      detail: to show smaller.
      words: within a sentence.
      waveform: what plays.
      metrics: of a take, else empty.
      views: its pictures.
      loss: curves of a take that was optimised.
      genres: probabilities heard, by genre, in the order of `metrics["genres"]`.
    """

    id: str
    kind: str
    name: str
    detail: str
    words: str
    waveform: Waveform
    metrics: dict[str, Any]
    views: SoundViews
    loss: LossPlot | None
    genres: list[tuple[str, list[float]]]


@dataclasses.dataclass(frozen=True)
class _PairView:
    content_name: str
    style_name: str
    sounds: tuple[_Sound, ...]
    rows: list[Row]
    trade: TradeOff | None

    @property
    def takes(self) -> list[_Sound]:
        return [sound for sound in self.sounds if sound.kind == "take"]

    @property
    def columns(self) -> dict[str, str]:
        """Those of the judge's table that hold something."""
        return {
            key: title
            for key, title in COLUMNS.items()
            if any(row.values[key] is not None for row in self.rows)
        }

    @property
    def measures(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row.measures))


def write_report(
    path: str | os.PathLike,
    pairs: Sequence[Pair],
    config: dict[str, Any],
    environment: dict[str, Any],
    table: Sequence[dict[str, Any]] = (),
) -> None:
    """Write the page of a run, or of several, as one HTML file, whole or not at all.

    MP3s are of the highest bit rate with which the page stays under 10 MB, down to 32 kb/s.

    Args:
      path: of the page.
      pairs: one for a run; a sweep has many takes in each.
      config: what was chosen, nested; its `sample_rate` is that of the pictures.
      environment: versions and device, nested.
      table: rows to begin with, values by column.

    Raises:
      InputError: the file cannot be written.
    """
    sample_rate = int(config.get("sample_rate", _SAMPLE_RATE))
    views = [_view(f"pair{index}", pair, sample_rate) for index, pair in enumerate(pairs, 1)]
    sounds = [sound for view in views for sound in view.sounds]
    template = _load_template()

    def render(players: dict[str, str]) -> str:
        return template.render(
            pairs=views, config=config, environment=environment, table=table, players=players
        )

    silent = render(dict.fromkeys((sound.id for sound in sounds), ""))
    spare = MAX_BYTES - len(silent.encode())
    kbps = choose_kbps([sound.waveform for sound in sounds], spare)
    page = render({sound.id: mp3_uri(sound.waveform, kbps) for sound in sounds})
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _view(name: str, pair: Pair, sample_rate: int) -> _PairView:
    judges = [take.metrics.get("judge") for take in pair.takes]
    named = [("content", "Content", pair.content_name, "content", pair.content, {})]
    if pair.style is not None:
        best = best_crossfade(next(filter(None, judges), None))
        share = _EVEN if best is None else best["share"]
        mixed = crossfade(pair.content, pair.style, share)
        detail = f"{100 * share:.0f} % style"
        named += [
            ("style", "Style", pair.style_name, "style", pair.style, {}),
            ("crossfade", "Crossfade", detail, f"crossfade with {detail}", mixed, {}),
        ]
    for take in pair.takes:
        words = take.name if len(pair.takes) == 1 else f"take {take.name}"
        named.append(("take", take.name, "", words, take.waveform, take.metrics))
    pictures = view_sounds([entry[4] for entry in named], sample_rate)
    sounds = tuple(
        _Sound(
            f"{name}-{index}",
            *entry,
            views=views,
            loss=loss_plot(entry[5].get("history", ())),
            genres=heard_genres(entry[5].get("genres", {})),
        )
        for index, (entry, views) in enumerate(zip(named, pictures, strict=True), 1)
    )
    return _PairView(pair.content_name, pair.style_name, sounds, *_judged(pair.takes, sounds))


def _judged(takes: Sequence[Take], sounds: Sequence[_Sound]) -> tuple[list[Row], TradeOff | None]:
    """Table and plot of the takes that were judged."""
    ids = [sound.id for sound in sounds if sound.kind == "take"]
    judged = [(take, id) for take, id in zip(takes, ids, strict=True) if take.metrics.get("judge")]
    if not judged:
        return [], None
    judges = [take.metrics["judge"] for take, _ in judged]
    names = [take.name for take, _ in judged]
    ids = [id for _, id in judged]
    inputs = {sound.kind: sound.id for sound in sounds if sound.kind != "take"}
    settings = [take.metrics.get("settings") or {} for take, _ in judged]
    return judge_rows(judges, names, ids, inputs), trade_off(judges, names, ids, settings)


def _load_template():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "fixed": _fixed, "hertz": _hertz}
    return environment.get_template("report.html.jinja")


def _number(value: Any, digits: int = 4) -> str:
    """A value of some significant digits; other things as they are."""
    if isinstance(value, bool | int | str):
        return str(value)
    return _odd(value) or f"{value:.{digits}g}"


def _fixed(value: float | None, places: int = 2, signed: bool = False) -> str:
    """A value with so many decimals."""
    return _odd(value) or f"{value:{'+' if signed else ''}.{places}f}"


def _odd(value: float | None) -> str:
    """What is no number in words, "" for one that is."""
    if value is None:
        return "-"
    if math.isnan(value):
        return "NaN"
    return "" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def _hertz(value: float) -> str:
    """A frequency in words: "40 Hz", "11 kHz"."""
    return f"{value / 1000:.3g} kHz" if value >= 1000 else f"{value:.3g} Hz"
