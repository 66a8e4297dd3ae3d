"""One recording in a file, and what its container promises."""

import mmap
from typing import NamedTuple

Data = bytes | mmap.mmap
"""The bytes of a file."""


class Recording(NamedTuple):
    """One recording in a file. Files that were joined hold several.

    Attributes:
      spans: the stretches of bytes that it consists of, as pairs of the first byte and the one
        after the last.
      held: fraction of the promised audio that is there: 1 if all of it is, or if nothing is
        promised, None if some is missing and nothing says how much.
      head: bytes to put in front of these, if they are decoded without the rest of the file.
      num_samples: samples per channel, where they were counted.
      length_frame: bytes that state `num_samples`, to be put behind the head for a decoder that
        would estimate fewer.
      is_file: whether a decoder can be given the file as it is.
    """

    spans: tuple[tuple[int, int], ...]
    held: float | None = 1.0
    head: bytes = b""
    num_samples: int | None = None
    length_frame: bytes = b""
    is_file: bool = True
