"""GTZAN's images of spectrograms, decoded into the spectrograms that they show.

An image is a figure of 432 by 288 pixels in the colour map magma, with margins. The spectrogram in
it has 334 columns for 30 s and 216 rows, the lowest frequency at the bottom, and 40 dB from the
darkest colour to the brightest. Each of 128 mel bands is one or two rows high.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from research.audio.find import FileKind
from research.data.front_ends.decibels import NUM_BANDS, DecibelFrames
from research.errors import InputError

IMAGES = FileKind("PNG", "a PNG file", lambda file: file.suffix.lower() == ".png")
SIZE = 432, 288
# Without the margins and the edge around the spectrogram.
ROWS, COLUMNS = slice(36, 252), slice(55, 389)
# The mel band of each row, from the lowest. Matplotlib drew 128 bands over 0.755 of the height of
# the figure, and the edge covers the first row.
_BANDS = (np.arange(1, 217) * NUM_BANDS / (0.755 * SIZE[1])).astype(int)
_BAND_ROWS = np.unique(_BANDS, return_index=True)[1]
# Raise it when images are decoded in another way: all are decoded again.
_VERSION = 2


@dataclasses.dataclass(frozen=True)
class ImageConfig(DecibelFrames):
    """The spectrograms in GTZAN's images, `[334 frames, 128 mel bands]` from 0 to 1."""

    name: ClassVar[str] = "picture"
    kind: ClassVar[FileKind] = IMAGES

    @property
    def folder(self) -> str:
        """Name and version."""
        return f"pictures_{_VERSION}"

    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of an image, and a function that computes its frames, `[334, 128]` float16.

        Raises:
          InputError: see `load_image`.
        """
        levels = load_image(file)
        digest = hashlib.blake2b(b"picture" + levels.tobytes(), digest_size=16).hexdigest()
        return digest, lambda: np.ascontiguousarray(levels[_BAND_ROWS].T / 255, np.float16)


def load_image(path: str | os.PathLike) -> np.ndarray:
    """The index of each pixel in magma, `[216, 334]` uint8; row 0 is the lowest frequency.

    It is the index of the nearest of Matplotlib's 256 colours, truncated to whole numbers as
    Matplotlib does. The published images have them rounded, so a channel may differ by one.

    Raises:
      InputError: the file is no whole PNG, of another size, or has other colours.
    """
    from PIL import Image, UnidentifiedImageError

    # Kept in data.json where a file is skipped, and compared when a run is continued.
    hint = "give GTZAN's pictures of spectrograms as published"
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.size == SIZE:
                image.load()
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no PNG file; {hint}") from error
    # What Pillow raises for a damaged file.
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}); {hint}") from error
    if image.size != SIZE:
        wanted, found = ("{} by {}".format(*size) for size in (SIZE, image.size))
        raise InputError(f"{path} has {found} pixels, not {wanted}; {hint}")
    # With alpha, so that a pixel is one number of 32 bits.
    opaque = np.asarray(image.convert("RGB").convert("RGBA"))
    pixels = np.ascontiguousarray(opaque[ROWS, COLUMNS][::-1]).view(np.uint32)[..., 0]
    codes = np.unique(pixels)
    place = np.searchsorted(codes, pixels)  # A fifth of the time of NumPy's own inverse.
    colours = codes[:, None].view(np.uint8)[:, :3].astype(int)
    apart = np.abs(colours[:, None] - _magma())
    levels = np.square(apart).sum(-1).argmin(1)
    off = apart[np.arange(len(codes)), levels].max(1) > 1
    if off.any():
        fraction = np.mean(off[place])
        colour = tuple(colours[off.argmax()].tolist())
        raise InputError(
            f"{path} has colours that are not in the colour map magma, such as {colour}, in "
            f"{fraction:.1%} of its spectrogram; {hint}"
        )
    return levels.astype(np.uint8)[place]


@functools.cache
def _magma() -> np.ndarray:
    """The colours of the map, `[256, 3]` from 0 to 255."""
    from matplotlib import colormaps

    return (colormaps["magma"](np.arange(256))[:, :3] * 255).astype(int)
