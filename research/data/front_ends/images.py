"""GTZAN's pictures of spectrograms, as the spectrograms that they show.

Each is a figure of 432 by 288 pixels in the colour map magma, 40 dB from the darkest to the
brightest, 334 columns of 30 s by 216 rows, the lowest frequency at the bottom. The rows show 128
mel bands, one or two rows each.
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
from research.data.front_ends.mel import DecibelFrames
from research.errors import InputError

PICTURES = FileKind(
    "PNG",
    "a PNG file",
    lambda file: file.suffix.lower() == ".png",
    ("images_original", "Data/images_original"),
)
SIZE = 432, 288
# Inside of the margins and of the box's own edge.
ROWS, COLUMNS = slice(36, 252), slice(55, 389)
# The band of each row, from the lowest: Matplotlib drew 128 over 0.755 of the figure's height, of
# which the first row is under the edge.
_BANDS = (np.arange(1, 217) * DecibelFrames.num_bins / (0.755 * SIZE[1])).astype(int)
_BAND_ROWS = np.unique(_BANDS, return_index=True)[1]
_SECONDS = 30.0
# Of how pictures are decoded; raise it when that changes, and what is kept is decoded anew.
_VERSION = 2


@dataclasses.dataclass(frozen=True)
class PictureConfig(DecibelFrames):
    """What a classifier sees of GTZAN's pictures: `[334 frames, 128 mel bands]` from 0 to 1.

    Attributes:
      name: of this way to see a track.
      folder: what the folder of such spectrograms is called.
    """

    name: ClassVar[str] = "picture"
    frame_seconds: ClassVar[float] = _SECONDS / (COLUMNS.stop - COLUMNS.start)
    folder: ClassVar[str] = f"pictures_{_VERSION}"

    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of a picture, and what makes its frames, `[334, 128]` float16.

        Raises:
          InputError: see `load_picture`.
        """
        levels = load_picture(file)
        digest = hashlib.blake2b(b"picture" + levels.tobytes(), digest_size=16).hexdigest()
        return digest, lambda: np.ascontiguousarray(levels[_BAND_ROWS].T / 255, np.float16)


def load_picture(path: str | os.PathLike) -> np.ndarray:
    """The level of each pixel in magma, `[216, 334]` uint8; row 0 is the lowest frequency.

    It is that of the nearest of Matplotlib's 256 colours, cut to whole numbers as Matplotlib cuts
    them. The published pictures have them rounded, so that a channel may be off by one.

    Raises:
      InputError: the file is no whole PNG, of another size, or has other colours.
    """
    from PIL import Image, UnidentifiedImageError

    mend = "give GTZAN's pictures of spectrograms as published"
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.size == SIZE:
                image.load()
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no PNG file; {mend}") from error
    # What Pillow raises of a damaged file.
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}); {mend}") from error
    if image.size != SIZE:
        wanted, found = ("{} by {}".format(*size) for size in (SIZE, image.size))
        raise InputError(f"{path} has {found} pixels, not {wanted}; {mend}")
    # Opaque, so that a colour is one number.
    opaque = np.asarray(image.convert("RGB").convert("RGBA"))
    pixels = np.ascontiguousarray(opaque[ROWS, COLUMNS][::-1]).view(np.uint32)[..., 0]
    codes = np.unique(pixels)
    place = np.searchsorted(codes, pixels)  # A fifth of the time that NumPy's own inverse takes.
    colours = codes[:, None].view(np.uint8)[:, :3].astype(int)
    apart = np.abs(colours[:, None] - _magma())
    levels = np.square(apart).sum(-1).argmin(1)
    off = apart[np.arange(len(codes)), levels].max(1) > 1
    if off.any():
        share = np.mean(off[place])
        colour = tuple(colours[off.argmax()].tolist())
        raise InputError(
            f"{path} has colours that are not in the colour map magma, such as {colour}, in "
            f"{share:.1%} of its spectrogram; {mend}"
        )
    return levels.astype(np.uint8)[place]


@functools.cache
def _magma() -> np.ndarray:
    """Its colours, `[256, 3]` whole numbers."""
    from matplotlib import colormaps

    return (colormaps["magma"](np.arange(256))[:, :3] * 255).astype(int)
