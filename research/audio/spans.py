"""Long arrays part by part, since copies of the whole are large."""

from collections.abc import Iterator


def spans(length: int, size: int) -> Iterator[slice]:
    """Slices of `size` one after the other, up to `length`; the last may be shorter."""
    for first in range(0, length, size):
        yield slice(first, min(first + size, length))
