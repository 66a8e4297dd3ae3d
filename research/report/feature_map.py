"""The picture of what a network hears, a point a track, and the table behind it."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from research.report.figures import load_pyplot, save_figure
from research.tables import save_table
from research.training.embed import Point

# After those of Okabe & Ito and of Tol, dark enough for white paper.
_COLORS = (
    "#0072b2",
    "#e69f00",
    "#117733",
    "#d55e00",
    "#7b3fa0",
    "#8c564b",
    "#e56bab",
    "#56b4e9",
    "#6e6e6e",
    "#a5b01e",
)
# Shapes by how large they are drawn, so that they look as large; one more than there are colours,
# so that the genres beyond the tenth differ from the first ten.
_MARKERS = {
    "o": 1.0,
    "s": 0.9,
    "D": 0.75,
    "^": 1.15,
    "v": 1.15,
    "P": 1.25,
    "X": 1.2,
    "h": 1.15,
    "p": 1.2,
    "<": 1.15,
    ">": 1.15,
}
_PARTS = {"train": "trained on", "validation": "validation", "test": "held out"}


def save_points(path: str | os.PathLike, points: Sequence[Point]) -> None:
    """Write points as CSV, whole or not at all."""
    header = (field.name for field in dataclasses.fields(Point))
    save_table(path, header, map(dataclasses.astuple, points))


def draw_points(path: str | os.PathLike, points: Sequence[Point], title: str, caption: str) -> None:
    """Tracks by genre, held-out ones emphasised, and takes as stars, as a PNG.

    Args:
      path: of the picture.
      points: an arrow goes from `content` to `output`, where these takes are.
      title: above the picture.
      caption: below it.
    """
    pyplot = load_pyplot()
    figure, panel = pyplot.subplots(figsize=(10.5, 8), layout="constrained")
    genres = sorted({point.genre for point in points if point.genre})
    numbers = {genre: number for number, genre in enumerate(genres)}
    parts = [part for part in _PARTS if any(point.part == part for point in points)]
    for part in parts:
        for genre, number in numbers.items():
            places = [(p.x, p.y) for p in points if (p.part, p.genre) == (part, genre)]
            panel.scatter(*np.reshape(places, (-1, 2)).T, **_look(part, number))
    entries = {
        genre: panel.scatter([], [], **_look("test", number)) for genre, number in numbers.items()
    }
    for part in parts:
        count = sum(point.part == part for point in points)
        entries[f"{_PARTS[part]} ({count} tracks)"] = panel.scatter([], [], **_look(part, None))
    legend = figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside right upper",
        frameon=False,
        ncols=1 + len(entries) // 32,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    panel.set(xticks=[], yticks=[])
    panel.set_aspect("equal", adjustable="datalim")
    panel.margins(0.09)
    _draw_takes(panel, [point for point in points if point.part == "take"])
    panel.spines[:].set_color("0.8")
    panel.set_title(title, fontsize="medium", wrap=True, parse_math=False)
    panel.set_xlabel(caption, fontsize="small", color="0.4")
    save_figure(figure, path)


def _look(part: str, number: int | None) -> dict[str, Any]:
    """How tracks of a part and of the genre of a number, or of any, are drawn."""
    marker, color = "o", "0.35"
    if number is not None:
        marker = list(_MARKERS)[number % len(_MARKERS)]
        color = _COLORS[number % len(_COLORS)]
    size, look = {
        "train": (36, {"color": color, "alpha": 0.55, "linewidths": 0, "zorder": 2}),
        "validation": (40, {"facecolors": "none", "edgecolors": color, "zorder": 3}),
        "test": (85, {"color": color, "edgecolors": "black", "linewidths": 1, "zorder": 4}),
    }[part]
    return {"marker": marker, "s": size * _MARKERS[marker], **look}


def _draw_takes(panel, takes: Sequence[Point]) -> None:
    """Stars, each with its name and what it is heard as: above, below, or between them beside."""
    from matplotlib.patheffects import withStroke

    places = {take.name: (take.x, take.y) for take in takes}
    middle = np.mean(panel.get_xlim())
    for height, take in enumerate(sorted(takes, key=lambda take: take.y)):
        if height == 0:
            side = {"xytext": (0, -12), "ha": "center", "va": "top"}
        elif height == len(takes) - 1:
            side = {"xytext": (0, 12), "ha": "center", "va": "bottom"}
        elif take.x < middle:
            side = {"xytext": (12, 0), "ha": "left", "va": "center"}
        else:
            side = {"xytext": (-12, 0), "ha": "right", "va": "center"}
        panel.scatter(
            take.x, take.y, s=240, marker="*", color="white", edgecolors="black", zorder=6
        )
        panel.annotate(
            f"{take.name}\nheard as {take.predicted}",
            places[take.name],
            textcoords="offset points",
            **side,
            fontsize="small",
            fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.8)],
            parse_math=False,
            zorder=7,
        )
    if {"content", "output"} <= places.keys():
        panel.annotate(
            "",
            places["output"],
            places["content"],
            arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 9, "shrinkB": 9},
            zorder=5,
        )
