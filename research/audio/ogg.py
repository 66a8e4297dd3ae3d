"""Recordings in an Ogg stream (RFC 3533): Vorbis, Opus, FLAC or Speex.

A recording begins with pages that are marked as the first of their streams. Radio stations and
joined files have several of them, one after the other. The last page of a stream is marked, too, so
a recording without it is cut short.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from research.audio.recording import Data, Recording

_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_FIRST, _LAST = 2, 4


class _Page(NamedTuple):
    start: int
    flags: int
    serial: int
    body: bytes  # The first few bytes.


def ogg_recordings(data: Data, start: int) -> list[Recording]:
    """The recordings from a byte on to the end of the file, none if it is not Ogg."""
    starts, ended = [], []
    opening = False
    for page in _pages(data, start):
        if page.flags & _FIRST:
            if not opening:
                starts.append(page.start)
                ended.append({})
            if page.body.startswith(_CODECS):
                ended[-1][page.serial] = False
        opening = bool(page.flags & _FIRST)
        if page.flags & _LAST and ended and page.serial in ended[-1]:
            ended[-1][page.serial] = True
    return [
        Recording(((first, end),), 1.0 if all(streams.values()) else None)
        for first, end, streams in zip(starts, [*starts[1:], len(data)], ended, strict=True)
    ]


def _pages(data: Data, position: int) -> Iterator[_Page]:
    """Every complete page."""
    while True:
        head = data[position : position + 27]
        if head[:4] != b"OggS":
            position = data.find(b"OggS", position)
            if position < 0:
                return
            continue
        if len(head) < 27:
            return
        flags, serial, num_parts = struct.unpack("<5xB8xI8xB", head)
        body = position + 27 + num_parts
        end = body + sum(data[position + 27 : body])
        other = data.find(b"OggS\0", position + 4, end)
        if other >= 0:  # Begins in this one, which is cut short.
            position = other
        elif end <= len(data):
            yield _Page(position, flags, serial, data[body : min(body + 8, end)])
            position = end
        else:
            return
