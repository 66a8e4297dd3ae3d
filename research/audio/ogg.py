"""Recordings in an Ogg stream (RFC 3533): Vorbis, Opus, FLAC or Speex.

A recording begins with pages that are marked as the first of their streams. Radio stations and
joined files have several of them, one after the other. The last page of a stream is marked, too, so
a recording without it is cut short.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from research.audio.recording import Data, Recording

_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_FIRST, _LAST = 2, 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # The bits of each byte.


class _Page(NamedTuple):
    start: int
    flags: int
    serial: int
    body: bytes  # The first few bytes.


def ogg_recordings(data: Data, start: int) -> list[Recording]:
    """The recordings from a byte on to the end of the file, none if it is not Ogg."""
    starts, unended, whole = [], [], []
    opening = lost = False
    for page in _pages(data, start):
        if page is None:
            lost = True
            continue
        if page.flags & _FIRST and not opening:
            starts.append(page.start)
            unended.append(set())
            whole.append(True)
        elif lost and whole:
            whole[-1] = False
        opening, lost = bool(page.flags & _FIRST), False
        if opening and page.body.startswith(_CODECS):
            unended[-1].add(page.serial)
        elif page.flags & _LAST and unended:
            unended[-1].discard(page.serial)
    ends = [*starts[1:], len(data)][: len(starts)]
    return [
        Recording(((first, end),), 1.0 if is_whole and not streams else None)
        for first, end, streams, is_whole in zip(starts, ends, unended, whole, strict=True)
    ]


def _pages(data: Data, position: int) -> Iterator[_Page | None]:
    """Every page, and None for bytes of no page: a decoder skips pages with a wrong checksum."""
    while (found := data.find(b"OggS", position)) >= 0:
        if found > position:
            yield None
        head = data[found : found + 27]
        if len(head) < 27:
            return
        flags, serial, checksum, num_parts = struct.unpack("<5xB8xI4xIB", head)
        body = found + 27 + num_parts
        end = body + sum(data[found + 27 : body])
        rest = data[found + 26 : end]
        if end <= len(data) and _checksum(head[:22] + bytes(4) + rest) == checksum:
            yield _Page(found, flags, serial, data[body : min(body + 8, end)])
            position = end
        else:
            yield None
            position = found + 4


def _checksum(page: bytes) -> int:
    """CRC-32 of a page, whose own checksum is 0: that of zlib, but for the order of bits."""
    plain = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{plain:032b}"[::-1], 2)
