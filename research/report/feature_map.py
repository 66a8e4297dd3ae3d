"""Map of tracks in the feature space of a network: a CSV table of points and a figure."""

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from research.report.figures import draw_png
from research.tables import save_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
# Marker shapes and the factors that make them look equally large. There is one more than there are
# colours, so that the genres after the tenth differ from the first ten.
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
_LEGEND = {"train": "trained on", "validation": "validation", "test": "held out"}


@dataclasses.dataclass(frozen=True)
class Point:
    """A track, or a waveform of a transfer, in the plane. The fields are the columns of the table.

    Attributes:
      name: path of the track, or `content`, `style` or `output` of a transfer.
      genre: true genre of the track, empty for a transfer.
      part: `train`, `validation` or `test`, the subset that the track was in; `take` for a
        transfer.
      predicted: genre that the network predicts.
      x: horizontal coordinate, without a unit.
      y: vertical coordinate, upwards.
    """

    name: str
    genre: str
    part: str
    predicted: str
    x: float
    y: float


def save_points(path: str | os.PathLike, points: Sequence[Point]) -> None:
    """Write points as CSV, atomically.

    Raises:
      InputError: the file cannot be written.
    """
    header = (field.name for field in dataclasses.fields(Point))
    save_table(path, header, (dataclasses.astuple(point) for point in points))


def draw_points(path: str | os.PathLike, points: Sequence[Point], title: str, caption: str) -> None:
    """Draw tracks by genre, test tracks emphasised, and a transfer as stars, as a PNG.

    Args:
      path: the PNG file.
      points: if `content` and `output` of a transfer are among them, an arrow connects the two.
      title: text above the axes.
      caption: text below the axes.

    Raises:
      InputError: the file cannot be written.
    """
    with draw_png(path, (10.5, 8)) as (figure, panel):
        genres = sorted({point.genre for point in points if point.genre})
        numbers = {genre: number for number, genre in enumerate(genres)}
        parts = [part for part in _LEGEND if any(point.part == part for point in points)]
        for part in parts:
            for genre, number in numbers.items():
                places = [(p.x, p.y) for p in points if (p.part, p.genre) == (part, genre)]
                panel.scatter(*np.reshape(places, (-1, 2)).T, **_marker_style(part, number))
        entries = {
            genre: panel.scatter([], [], **_marker_style("test", number))
            for genre, number in numbers.items()
        }
        for part in parts:
            count = sum(point.part == part for point in points)
            label = f"{_LEGEND[part]} ({count} tracks)"
            entries[label] = panel.scatter([], [], **_marker_style(part, None))
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside right upper",
            frameon=False,
            ncols=1 + len(entries) // 32,
        )
        panel.set(xticks=[], yticks=[])
        panel.set_aspect("equal", adjustable="datalim")
        panel.margins(0.09)
        _draw_takes(panel, [point for point in points if point.part == "take"])
        panel.spines[:].set_color("0.8")
        panel.set_title(title, fontsize="medium", wrap=True)
        panel.set_xlabel(caption, fontsize="small", color="0.4")


def _marker_style(part: str, number: int | None) -> dict[str, Any]:
    """Keyword arguments of `scatter` for a subset and the number of a genre (None: any genre)."""
    marker, color = "o", "0.35"
    if number is not None:
        marker = list(_MARKERS)[number % len(_MARKERS)]
        color = _COLORS[number % len(_COLORS)]
    size, style = {
        "train": (36, {"color": color, "alpha": 0.55, "linewidths": 0, "zorder": 2}),
        "validation": (40, {"facecolors": "none", "edgecolors": color, "zorder": 3}),
        "test": (85, {"color": color, "edgecolors": "black", "linewidths": 1, "zorder": 4}),
    }[part]
    return {"marker": marker, "s": size * _MARKERS[marker], **style}


def _draw_takes(panel: "Axes", takes: Sequence[Point]) -> None:
    """Draw stars with labels: below the lowest, above the highest, beside the ones between."""
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
            f"{take.name}\npredicted: {take.predicted}",
            places[take.name],
            textcoords="offset points",
            **side,
            fontsize="small",
            fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.8)],
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
