"""Pictures as GTZAN has them: spectrograms drawn in a colour map, with margins and an edge."""

import pathlib

import matplotlib
import numpy as np
from PIL import Image

MAGMA = matplotlib.colormaps["magma"](np.arange(256), bytes=True)
"""The colours, cut to whole numbers as Matplotlib cuts them."""


def write_picture(
    path: pathlib.Path, levels: np.ndarray, colours: np.ndarray = MAGMA, mode: str = "RGBA"
) -> pathlib.Path:
    """A figure with white margins and an edge around levels, row 0 at the bottom."""
    canvas = np.full((288, 432, 4), 255, np.uint8)
    canvas[35:253, 54:390] = colours[200]
    canvas[36:252, 55:389] = colours[levels[::-1]]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).convert(mode).save(path, "PNG")
    return path


def write_noise(root: pathlib.Path, per_genre: int) -> pathlib.Path:
    """A folder of pictures of noise of two genres that GTZAN has, by names that it has not."""
    random = np.random.default_rng(0)
    for genre, level in (("metal", 200), ("jazz", 60)):
        for number in range(per_genre):
            levels = random.integers(level // 2, level, (216, 334))
            write_picture(root / genre / f"{genre}0020{number}.png", levels)
    return root
