"""Shared by all figures: a PNG file that is drawn without a display."""

import contextlib
import os
import typing
from collections.abc import Iterator

from research.files import atomic_write

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextlib.contextmanager
def draw_png(
    path: str | os.PathLike,
    size: tuple[float, float],
    num_rows: int = 1,
    num_columns: int = 1,
    **options: typing.Any,
) -> Iterator[tuple["Figure", typing.Any]]:
    """Yields a figure and its axes; at the end of the block it is written as a PNG, atomically.

    Texts are set as they are: a dollar sign in a name does not begin a formula.

    Args:
      path: the PNG file.
      size: width and height in units of 100 pixels.
      num_rows: rows of axes.
      num_columns: columns of axes.
      **options: more arguments of `Figure.subplots`.

    Raises:
      InputError: the file cannot be written.
    """
    # Without pyplot, no backend is loaded or changed.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        yield figure, figure.subplots(num_rows, num_columns, **options)
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png", dpi=100)
