"""An HTML page with players, plots and tables of the outputs of a run, a sweep or several runs.

The page is one file. It holds all audio and images and makes no requests.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from research.audio.excerpt import LONGEST
from research.audio.waveform import Waveform
from research.files import atomic_write
from research.judge.crossfade import crossfade
from research.judge.fixed_equaliser import equalise
from research.judge.verdict import EQUALISED
from research.report.media import choose_kbps, mp3_uri
from research.report.metric_views import (
    COLUMNS,
    LossPlot,
    Row,
    TradeOff,
    best_crossfade,
    equalised_name,
    genre_table,
    judge_rows,
    loss_plot,
    trade_off,
)
from research.report.sound_views import SoundViews, view_sounds
from research.workers import HERE, Workers, spare_cores

MAX_BYTES = 10_000_000
_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_REFERENCES = 5  # Sounds of a pair that are no takes: content, style and what is made of both.
_SAMPLE_RATE = 22050  # Hz, for the plots if the config has no sample rate.
_ALL_SECONDS, _LEAST_SECONDS = 1800.0, 10.0
_MOST_ENCODERS = 4  # At a time; each holds copies of its sound.
_FIXED = "of the content, fixed, to the style's spectrum"
_EVEN = 0.5  # Fraction of style of the crossfade that is played if there is no judge.


@dataclasses.dataclass(frozen=True)
class Take:
    """One output of a run.

    Attributes:
      name: "output", or its own settings in a sweep, such as "style_weight=3, seed=1".
      waveform: the output.
      metrics: contents of `metrics.json`. `judge`, `genres` and `settings` are optional.
    """

    name: str
    waveform: Waveform
    metrics: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A content, a style, and the outputs for these two.

    Attributes:
      content_name: text for the page.
      style_name: text for the page.
      content: the waveform.
      style: the waveform, None if the style is not one audio file.
      takes: in the order of the page.
    """

    content_name: str
    style_name: str
    content: Waveform
    style: Waveform | None
    takes: tuple[Take, ...]


@dataclasses.dataclass(frozen=True)
class _Sound:
    """A player and its plots.

    Attributes:
      id: id of the HTML element.
      kind: "content", "style", "crossfade", "equaliser", "mix" or "take".
      name: title.
      detail: small text beside the title, may be empty.
      words: name within a sentence.
      waveform: the sound.
      metrics: contents of the `metrics.json` of a take, else empty.
      views: plots of the sound.
      loss: loss curves of a take that was optimised, else None.
      genres: genres and their probabilities, in the order of `metrics["genres"]`.
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
    """What the template needs of a pair."""

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
        """Titles of the columns of the table of verdicts that hold a value, by key."""
        return {
            key: title
            for key, title in COLUMNS.items()
            if any(row.values[key] is not None for row in self.rows)
        }

    @property
    def measures(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row.measures))


def longest_excerpt(num_pairs: int, num_takes: int) -> float:
    """Seconds that a page plays of each sound, so that all are about half an hour, at least 10.

    A page holds all of its sounds in memory at once, and so does a browser.
    """
    num_sounds = num_takes + _REFERENCES * num_pairs
    return min(max(_ALL_SECONDS / num_sounds, _LEAST_SECONDS), LONGEST)


def write_report(
    path: str | os.PathLike,
    pairs: Sequence[Pair],
    config: dict[str, Any],
    environment: dict[str, Any],
    table: Sequence[dict[str, Any]] = (),
    workers: Workers = HERE,
) -> None:
    """Write a page as one HTML file, atomically.

    The bit rate of the MP3s is the highest at which the page stays under 10 MB, at least 32 kb/s.

    Args:
      path: the HTML file.
      pairs: at least one, with at least one take each.
      config: nested settings. Sounds are resampled to its `sample_rate` for the plots.
      environment: versions and device, nested.
      table: rows of the table at the top, values by column; no table if empty.
      workers: where sounds are analysed.

    Raises:
      InputError: the file cannot be written.
    """
    sample_rate = int(config.get("sample_rate", _SAMPLE_RATE))
    views = [
        _view(f"pair{index}", pair, sample_rate, workers) for index, pair in enumerate(pairs, 1)
    ]
    sounds = [sound for view in views for sound in view.sounds]
    template = _load_template()

    def render(players: dict[str, str]) -> str:
        return template.render(
            pairs=views, config=config, environment=environment, table=table, players=players
        )

    silent = render(dict.fromkeys((sound.id for sound in sounds), ""))
    spare = MAX_BYTES - len(silent.encode())
    kbps = choose_kbps([sound.waveform for sound in sounds], spare)
    encoders = min(1 + spare_cores(), _MOST_ENCODERS)
    with ThreadPoolExecutor(encoders) as pool:  # Encoding is done outside of Python.
        players = pool.map(lambda sound: mp3_uri(sound.waveform, kbps), sounds)
        page = render(dict(zip((sound.id for sound in sounds), players, strict=True)))
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _view(name: str, pair: Pair, sample_rate: int, workers: Workers) -> _PairView:
    judges = [take.metrics.get("judge") for take in pair.takes]
    named = [("content", "Content", pair.content_name, "content", pair.content, {})]
    if pair.style is not None:
        best = best_crossfade(next(filter(None, judges), None))
        fraction = _EVEN if best is None else best["share"]
        mixed = crossfade(pair.content, pair.style, fraction)
        equalised = equalise(pair.content, pair.style)
        mix_name = equalised_name(EQUALISED[1])
        equalised_mix = crossfade(equalised, pair.style, EQUALISED[1])
        detail = f"{100 * fraction:.0f} % style"
        named += [
            ("style", "Style", pair.style_name, "style", pair.style, {}),
            ("crossfade", "Crossfade", detail, f"crossfade with {detail}", mixed, {}),
            ("equaliser", equalised_name(0.0), _FIXED, "equalised content", equalised, {}),
            ("mix", mix_name, _FIXED, "equalised content with some style", equalised_mix, {}),
        ]
    for take in pair.takes:
        words = take.name if len(pair.takes) == 1 else f"take {take.name}"
        named.append(("take", take.name, "", words, take.waveform, take.metrics))
    plots = view_sounds([entry[4] for entry in named], sample_rate, workers)
    sounds = tuple(
        _Sound(
            f"{name}-{index}",
            *entry,
            views=views,
            loss=loss_plot(entry[5].get("history", ())),
            genres=genre_table(entry[5].get("genres", {})),
        )
        for index, (entry, views) in enumerate(zip(named, plots, strict=True), 1)
    )
    return _PairView(pair.content_name, pair.style_name, sounds, *_judged(pair.takes, sounds))


def _judged(takes: Sequence[Take], sounds: Sequence[_Sound]) -> tuple[list[Row], TradeOff | None]:
    """Table and trade-off plot of the takes that have a verdict."""
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
    """A float with a number of significant digits; other values unchanged."""
    if isinstance(value, bool | int | str):
        return str(value)
    return _odd(value) or f"{value:.{digits}g}"


def _fixed(value: float | None, places: int = 2, signed: bool = False) -> str:
    """A value with a number of decimals."""
    return _odd(value) or f"{value:{'+' if signed else ''}.{places}f}"


def _odd(value: float | None) -> str:
    """Text for None, NaN and infinities, "" for other values."""
    if value is None:
        return "-"
    if math.isnan(value):
        return "NaN"
    return "" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def _hertz(value: float) -> str:
    """Text of a frequency, such as "40 Hz" or "11 kHz"."""
    return f"{value / 1000:.3g} kHz" if value >= 1000 else f"{value:.3g} Hz"
