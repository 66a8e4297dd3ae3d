"""What all pictures share: matplotlib without a screen, and files that are written whole."""

import os
import typing

from research.files import written_whole

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_pyplot():
    """The module `matplotlib.pyplot`, drawing into memory; imported where a picture is drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: "Figure", path: str | os.PathLike) -> None:
    """Write a figure as a PNG and close it."""
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    load_pyplot().close(figure)
