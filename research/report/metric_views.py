"""Plots and tables of `metrics.json` for a page: losses, predicted genres, the judge's verdicts."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from research.report.plots import BOX, Axis, curve, fit_axis

COLUMNS = {
    "content_kept": "content",
    "style_reached": "style",
    "above_crossfade": "points",
    "score": "score",
    "leak": "leak",
    "equaliser": "equaliser",
    "naturalness": "naturalness",
}
_HUES = 10  # Colours of the style sheet, `--hue-0` to `--hue-9`.


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve with its entry in the legend.

    Attributes:
      name: text of the legend.
      path: SVG path.
      colour: CSS colour.
      dashed: True if another curve has the same colour.
      first: first value of the curve, None if it has no finite value.
      last: last value, the same.
    """

    name: str
    path: str
    colour: str
    dashed: bool
    first: float | None
    last: float | None


@dataclasses.dataclass(frozen=True)
class LossPlot:
    """The loss and its terms over iterations."""

    iterations: Axis
    values: Axis
    lines: tuple[Line, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table of verdicts.

    Attributes:
      name: text of the first column.
      sound: id of the player, None if the page has none for this row.
      values: by the names of `COLUMNS`, None where there is no value.
      best: True for the take with the highest score.
      measures: the measures behind the values, by name.
    """

    name: str
    sound: str | None
    values: dict[str, float | None]
    best: bool
    measures: dict[str, float]


@dataclasses.dataclass(frozen=True)
class TradeOffPoint:
    """A take in the trade-off plot.

    Attributes:
      name: of the take.
      sound: id of the player.
      x: SVG units from the left.
      y: SVG units from the top.
      colour: CSS colour.
      content_kept: horizontal value.
      style_reached: vertical value.
    """

    name: str
    sound: str
    x: int
    y: int
    colour: str
    content_kept: float
    style_reached: float


@dataclasses.dataclass(frozen=True)
class TradeOff:
    """Content kept against style reached.

    Attributes:
      axis: both axes.
      line: SVG path through the crossfades.
      crossfades: the crossfades as `x` and `y` in SVG units and fraction of style.
      equalised: the equalised contents as `x` and `y` and name.
      points: one for each take.
      setting: config key that the colours show, "" if there is none.
      colours: values of the setting and their CSS colours, in order.
    """

    axis: Axis
    line: str
    crossfades: tuple[tuple[int, int, float], ...]
    equalised: tuple[tuple[int, int, str], ...]
    points: tuple[TradeOffPoint, ...]
    setting: str
    colours: tuple[tuple[str, str], ...]


def loss_plot(history: Sequence[dict[str, Any]]) -> LossPlot | None:
    """Curves of the `history` of `metrics.json`, None if it has fewer than two entries."""
    if len(history) < 2:
        return None
    iterations = [step["iteration"] for step in history]
    curves = {"total": [_finite(step.get("loss")) for step in history]}
    for name in dict.fromkeys(name for step in history for name in step.get("terms", {})):
        curves[name] = [_finite(step.get("terms", {}).get(name)) for step in history]
    values = fit_axis([value for points in curves.values() for value in points])
    across = Axis(float(iterations[0]), float(max(iterations[-1], iterations[0] + 1)))
    lines = []
    for index, (name, points) in enumerate(curves.items()):
        known = [value for value in points if not math.isnan(value)]
        lines.append(
            Line(
                name=name,
                path=curve(across.place(iterations), values.place(points)),
                colour="currentColor" if index == 0 else f"var(--hue-{(index - 1) % _HUES})",
                dashed=index > _HUES,
                first=known[0] if known else None,
                last=known[-1] if known else None,
            )
        )
    return LossPlot(across, values, tuple(lines))


def genre_table(genres: dict[str, Any], most: int = 10) -> list[tuple[str, list[float]]]:
    """The most probable genres with their probabilities, one for each of the sounds.

    Args:
      genres: predictions by sound, each with `probabilities` by genre.
      most: number of genres.
    """
    names = {name for prediction in genres.values() for name in prediction["probabilities"]}
    table = {
        name: [prediction["probabilities"].get(name, 0.0) for prediction in genres.values()]
        for name in names
    }
    return sorted(table.items(), key=lambda row: (-max(row[1]), row[0]))[:most]


def best_crossfade(judge: dict[str, Any] | None) -> dict[str, Any] | None:
    """The crossfade with the highest score, None if no crossfade has a score.

    Args:
      judge: `judge` of `metrics.json`, None if there was no judge.
    """
    known = [each for each in (judge or {}).get("crossfades", ()) if _has(each, "score")]
    return max(known, key=lambda each: each["score"], default=None)


def equalised_name(share: float) -> str:
    """Title of the content through a fixed equaliser, with a fraction of style mixed in."""
    return "Equaliser" + (f" + {100 * share:.0f} % style" if share else "")


def judge_rows(
    judges: Sequence[dict[str, Any]],
    names: Sequence[str],
    sounds: Sequence[str],
    inputs: dict[str, str],
) -> list[Row]:
    """Rows for content, style, the best crossfade, the equalised contents, and all takes.

    Args:
      judges: `judge` of the `metrics.json` of each take.
      names: names of the takes.
      sounds: ids of the players of the takes.
      inputs: ids of the players of the others by kind: "content", "style", "crossfade", "equaliser"
        and "mix".
    """
    crossfades = judges[0].get("crossfades", ())
    ends = {
        fraction: next((each for each in crossfades if each.get("share") == fraction), None)
        for fraction in (0.0, 1.0)
    }
    rows = [
        _row("content itself", inputs.get("content"), ends[0.0] or _end(1.0, 0.0)),
        _row("style itself", inputs.get("style"), ends[1.0] or _end(0.0, 1.0)),
    ]
    best = best_crossfade(judges[0])
    if best is not None:
        title = f"best crossfade, {100 * best['share']:.0f} % style"
        rows.append(_row(title, inputs.get("crossfade"), best))
    for each in judges[0].get("equalised", ()):
        share, kind = each.get("share", 0.0), "mix" if each.get("share") else "equaliser"
        title = equalised_name(share)
        rows.append(_row(title[0].lower() + title[1:], inputs.get(kind), each))
    scores = [judge["score"] for judge in judges if _has(judge, "score")]
    for judge, name, sound in zip(judges, names, sounds, strict=True):
        first = len(scores) > 1 and judge.get("score") == max(scores)
        rows.append(_row(name, sound, judge, best=first))
    return rows


def trade_off(
    judges: Sequence[dict[str, Any]],
    names: Sequence[str],
    sounds: Sequence[str],
    settings: Sequence[dict[str, Any]],
) -> TradeOff:
    """The plot of takes, coloured by the first of their settings.

    Args:
      judges: `judge` of the `metrics.json` of each take.
      names: names of the takes.
      sounds: ids of the players of the takes.
      settings: config keys in which the takes differ, with their values, for each take.
    """
    axis = Axis(0.0, 1.0)
    setting = next(iter(settings[0]), "")
    colours = _colours([each.get(setting) for each in settings]) if setting else {}
    points = []
    for judge, name, sound, chosen in zip(judges, names, sounds, settings, strict=True):
        kept, reached = _finite(judge.get("content_kept")), _finite(judge.get("style_reached"))
        if not (math.isnan(kept) or math.isnan(reached)):
            colour = colours.get(_label(chosen.get(setting)), "var(--accent)")
            point = TradeOffPoint(name, sound, *_corner(kept, reached), colour, kept, reached)
            points.append(point)
    crossfades = sorted(
        (
            each
            for each in judges[0].get("crossfades", ())
            if _has(each, "content_kept") and _has(each, "style_reached")
        ),
        key=lambda each: each["share"],
    )
    kept = [each["content_kept"] for each in crossfades]
    reached = [each["style_reached"] for each in crossfades]
    return TradeOff(
        axis=axis,
        line=curve(axis.place(kept), axis.place(reached)),
        crossfades=tuple(
            (*_corner(x, y), each["share"])
            for x, y, each in zip(kept, reached, crossfades, strict=True)
        ),
        equalised=tuple(
            (
                *_corner(each["content_kept"], each["style_reached"]),
                equalised_name(each.get("share", 0.0)),
            )
            for each in judges[0].get("equalised", ())
            if _has(each, "content_kept") and _has(each, "style_reached")
        ),
        points=tuple(points),
        setting=setting,
        colours=tuple(colours.items()),
    )


def _row(name: str, sound: str | None, judge: dict[str, Any], best: bool = False) -> Row:
    values = {key: judge.get(key) for key in COLUMNS}
    return Row(name, sound, values, best, judge.get("measures") or {})


def _end(content_kept: float, style_reached: float) -> dict[str, float]:
    return {"content_kept": content_kept, "style_reached": style_reached}


def _corner(kept: float, reached: float) -> tuple[int, int]:
    """SVG units from the left and from the top."""
    return round(kept * BOX), round((1 - reached) * BOX)


def _colours(values: Sequence[Any]) -> dict[str, str]:
    """A CSS colour for each distinct value: a scale by rank for numbers, else hues."""
    numbers = all(isinstance(value, int | float) for value in values)
    distinct = sorted(set(values)) if numbers else list(dict.fromkeys(map(_label, values)))
    if not numbers:
        return {value: f"var(--hue-{i % _HUES})" for i, value in enumerate(distinct)}
    return {
        _label(value): f"color-mix(in oklab, var(--scale-low), var(--scale-high) {percent:.0f}%)"
        for i, value in enumerate(distinct)
        for percent in [100 * i / max(len(distinct) - 1, 1)]
    }


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


def _has(judge: dict[str, Any], key: str) -> bool:
    """True if a verdict has a finite value."""
    return not math.isnan(_finite(judge.get(key)))
