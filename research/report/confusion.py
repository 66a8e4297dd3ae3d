"""Figure of a confusion matrix."""

import os
from collections.abc import Sequence

import numpy as np

from research.report.figures import draw_png


def draw_confusion(
    path: str | os.PathLike, confusion: Sequence[Sequence[int]], genres: Sequence[str], title: str
) -> None:
    """Draw a confusion matrix as a PNG. The shade of a cell is its fraction of the row.

    Args:
      path: the PNG file.
      confusion: counts `[true, predicted]`.
      genres: names of the classes.
      title: text above the matrix.

    Raises:
      InputError: the file cannot be written.
    """
    counts = np.array(confusion)
    fractions = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.5 + 0.55 * len(genres)
    with draw_png(path, (size, size)) as (_, panel):
        panel.imshow(fractions, vmin=0, vmax=1, cmap="magma")
        for row, column in np.argwhere(counts):
            panel.text(
                column,
                row,
                counts[row, column],
                ha="center",
                va="center",
                color="black" if fractions[row, column] > 0.6 else "white",
            )
        panel.set_xticks(range(len(genres)), genres, rotation=45, ha="right")
        panel.set_yticks(range(len(genres)), genres)
        panel.set(xlabel="predicted", ylabel="true")
        panel.set_title(title, fontsize="small", wrap=True)
