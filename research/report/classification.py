"""Pictures of a training: its curves and its confusion."""

import os
from typing import Any

import numpy as np

from research.report.figures import load_pyplot, save_figure


def draw_curves(path: str | os.PathLike, log: list[dict[str, Any]]) -> None:
    """Loss and accuracy over epochs, a line a fit, validation dashed, as a PNG.

    Args:
      path: of the picture.
      log: the objects of `metrics.jsonl`.
    """
    pyplot = load_pyplot()
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    fits = list(dict.fromkeys(entry["fit"] for entry in log))
    for panel, name in zip(axes, ("loss", "accuracy"), strict=True):
        for number, fit in enumerate(fits):
            entries = [entry for entry in log if entry["fit"] == fit]
            epochs = [entry["epoch"] for entry in entries]
            color = f"C{number % 10}"
            panel.plot(epochs, [entry[name] for entry in entries], ".-", color=color, label=fit)
            validated = [entry for entry in entries if f"validation_{name}" in entry]
            panel.plot(
                [entry["epoch"] for entry in validated],
                [entry[f"validation_{name}"] for entry in validated],
                ".--",
                color=color,
            )
        panel.set(xlabel="epoch", title=f"{name} (dashed: validation)", ylim=(0, None))
    axes[1].set_ylim(0, 1)
    if len(fits) <= 10:
        axes[1].legend(fontsize="small")
    save_figure(figure, path)


def draw_confusion(
    path: str | os.PathLike, confusion: list[list[int]], genres: list[str], title: str
) -> None:
    """Counts `[true, predicted]` as a shaded table, rows shaded by share, as a PNG."""
    pyplot = load_pyplot()
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.5 + 0.55 * len(genres)
    figure, panel = pyplot.subplots(figsize=(size, size), layout="constrained")
    panel.imshow(shares, vmin=0, vmax=1, cmap="magma")
    for row, column in np.argwhere(counts):
        panel.text(
            column,
            row,
            counts[row, column],
            ha="center",
            va="center",
            color="black" if shares[row, column] > 0.6 else "white",
        )
    panel.set_xticks(range(len(genres)), genres, rotation=45, ha="right")
    panel.set_yticks(range(len(genres)), genres)
    panel.set(xlabel="predicted", ylabel="true")
    panel.set_title(title, fontsize="small", wrap=True)
    save_figure(figure, path)
