"""Containers that state the size of their audio: WAV, AIFF, AU, W64 and CAF.

libsndfile reads what is there of such a file and says nothing of what is missing.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from research.audio.recording import Data, Recording


class _Stated(NamedTuple):
    """What a container states.

    Attributes:
      start: first byte of the audio.
      size: of the audio in bytes; None if it is unknown.
      ends: where the container may end.
      field: where a size of 32 bits is stated as 0, and its order of bytes; None elsewhere.
    """

    start: int
    size: int | None
    ends: tuple[int, ...]
    field: tuple[int, str] | None = None


def chunk_recording(data: Data, start: int) -> Recording | None:
    """The recording whose container begins at a byte, None if there is no such container.

    It ends where another container begins, or with the file.
    """
    stated = _read(data, start)
    if stated is None:
        return None
    if stated.size is None:
        if stated.field is None or stated.start >= len(data):
            return Recording(((start, len(data)),))
        # libsndfile would take it for an empty file.
        place, order = stated.field
        size = struct.pack(order + "I", len(data) - stated.start)
        rest = ((place + 4, len(data)),)
        return Recording(rest, head=data[start:place] + size, is_file=False)
    ends = (end for end in stated.ends if end >= stated.start and _magic(data, end))
    end = next(ends, len(data))
    present = max(min(len(data) - stated.start, stated.size), 0)
    return Recording(((start, end),), present / stated.size)


def _magic(data: Data, start: int) -> bytes:
    """The name of the container that begins at a byte; empty if there is none."""
    name, form = data[start : start + 4], data[start + 8 : start + 12]
    found = (
        (name in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE")
        or (name == b"FORM" and form in (b"AIFF", b"AIFC", b"8SVX", b"16SV"))
        or (name == b"riff" and data[start + 24 : start + 28] == b"wave")
        or (name in (b".snd", b"dns.") and len(data) >= start + 24)
        or (name == b"caff" and data[start + 4 : start + 6] == b"\0\1")
    )
    return name if found else b""


def _read(data: Data, start: int) -> _Stated | None:
    name, head = _magic(data, start), data[start : start + 24]
    if not name:
        return None
    if name in (b".snd", b"dns."):
        order = ">" if name == b".snd" else "<"
        offset, size = struct.unpack(order + "II", head[4:12])
        known = _known(size, 32)
        field = None if size else (start + 8, order)
        return _Stated(start + offset, known, (start + offset + (known or 0),), field)
    if name == b"riff":
        [whole] = struct.unpack("<Q", head[16:24])
        return _find_audio(data, start + 40, "<16sQ", b"data", 8, start + whole)
    if name == b"caff":
        after = data.find(b"caff\0\1\0\0desc", start + 8)  # Nothing states where it ends.
        return _find_audio(data, start + 8, ">4sQ", b"data", 1, max(after, start))
    order = "<" if name in (b"RIFF", b"RF64", b"BW64") else ">"
    [whole] = struct.unpack(order + "I", head[4:8])
    audio = {b"WAVE": b"data", b"AIFF": b"SSND", b"AIFC": b"SSND"}.get(head[8:12], b"BODY")
    return _find_audio(data, start + 12, order + "4sI", audio, 2, start + 8 + whole)


def _find_audio(
    data: Data, first: int, layout: str, audio: bytes, alignment: int, end: int
) -> _Stated | None:
    """The chunk of audio, None if it does not begin in the file.

    Args:
      data: bytes of the file.
      first: first byte of the first chunk.
      layout: of the header of a chunk: name and size.
      audio: first four bytes of the name of the chunk.
      alignment: multiple of bytes at which chunks begin, from the first one.
      end: of the container, as it is stated.
    """
    bits, wide = (64 if layout[-1] == "Q" else 32), None
    for name, body, size in _chunks(data, first, layout, alignment):
        if name == b"ds64":
            [wide] = struct.unpack("<Q", data[body + 8 : body + 16])
        elif name[:4] == audio:
            known = _known(size, bits)
            if wide is not None and size == 0xFFFFFFFF:
                known = _known(wide, 64)
            after = body + (known or 0)
            ends = (end, _align(end, first, alignment), after, _align(after, first, alignment))
            field = (body - 4, layout[0]) if size == 0 and bits == 32 else None
            if any(True for _ in _chunks(data, body, layout, alignment)):
                field = None  # Other chunks follow, so it is empty.
            return _Stated(body, known, ends, field)
    return None


def _chunks(
    data: Data, first: int, layout: str, alignment: int
) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of each chunk."""
    position, header = first, struct.calcsize(layout)
    while position + header <= len(data):
        name, size = struct.unpack(layout, data[position : position + header])
        size -= header if name[4:] else 0  # W64 counts the header.
        if size < 0 or not all(32 <= byte < 127 for byte in name[:4]):
            return
        yield name, position + header, size
        position = _align(position + header + size, first, alignment)


def _align(position: int, start: int, alignment: int) -> int:
    return start + -(-(position - start) // alignment) * alignment


def _known(size: int, bits: int) -> int | None:
    """A stated size, or None if it is what programs write that do not know it yet.

    That is 0, or close to the largest number with or without a sign.
    """
    slack = 0x10000
    largest, positive = 1 << bits, 1 << (bits - 1)
    if size == 0 or size >= largest - slack or abs(size - positive) <= slack:
        return None
    return size
