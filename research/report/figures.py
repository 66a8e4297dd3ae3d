"""Shared by all figures: matplotlib without a display, and PNG files written atomically."""

import os
import types
import typing

from research.files import atomic_write

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_pyplot() -> types.ModuleType:
    """The module `matplotlib.pyplot` with the Agg backend. It is imported on the first call."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: "Figure", path: str | os.PathLike) -> None:
    """Write a figure as a PNG of 100 dots per inch, atomically, and close it.

    Raises:
      InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    load_pyplot().close(figure)
