"""Containers that state the size of their audio: WAV, AIFF, AU, W64, CAF and SPHERE.

libsndfile reads what is there of such a file and says nothing of what is missing, nor of another
file behind it. A size that is not known, as in what comes from a pipe, it takes for an empty file.
"""

import math
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from research.audio.recording import Data, Recording


class _Stated(NamedTuple):
    """What a container states.

    Attributes:
      start: first byte of the audio.
      size: of the audio in bytes; None if it is unknown.
      field: first byte of a size that libsndfile does not accept, and its layout; None elsewhere.
    """

    start: int
    size: int | None
    field: tuple[int, str] | None = None


# A header of SPHERE is text; its size follows its mark.
_FIELD = re.compile(rb"(\w+) -i (\d+)\n")
_SPHERE_SIZES = b"sample_count", b"channel_count", b"sample_n_bytes"
_SLACK = 64  # Bytes. Some programs count a header, too.


def chunk_recording(data: Data, start: int) -> Recording | None:
    """The recording whose container begins at a byte, None if there is no such container.

    It ends where another container begins, or with the file.
    """
    stated = _read(data, start)
    if stated is None:
        return None
    end = _next_container(data, start, stated)
    present = max(end - stated.start, 0)
    held = 1.0
    if stated.size is not None:
        present = min(present, stated.size)
        held = 1.0 if present >= stated.size - _SLACK else present / stated.size
    head = data[start : start + 4]
    if head == b"BW64":  # The same as RF64, and libsndfile knows only that.
        return Recording(((start + 4, end),), held, b"RF64", is_file=False)
    if stated.field is None or not present:
        return Recording(((start, end),), held)
    place, layout = stated.field
    after = place + struct.calcsize(layout)
    head = data[start:place] + struct.pack(layout, present)
    return Recording(((after, end),), held, head, is_file=False)


def _next_container(data: Data, start: int, stated: _Stated) -> int:
    """Where another container begins, behind the stated audio or in it; or the end of the file."""
    name, position = data[start : start + 4], stated.start
    if name in (b".snd", b"dns."):  # Four bytes may be there by chance.
        end = position + (stated.size or 0)
        return end if stated.size and _magic(data, end) else len(data)
    while (position := data.find(name, position)) >= 0:
        if _magic(data, position):
            return position
        position += 1
    return len(data)


def _magic(data: Data, start: int) -> bytes:
    """The name of the container that begins at a byte; empty if there is none."""
    name, form = data[start : start + 4], data[start + 8 : start + 12]
    found = (
        (name in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE")
        or (name == b"FORM" and form in (b"AIFF", b"AIFC", b"8SVX", b"16SV"))
        or (name == b"riff" and data[start + 24 : start + 28] == b"wave")
        or (name in (b".snd", b"dns.") and len(data) >= start + 24)
        or (name == b"caff" and data[start + 4 : start + 12] == b"\0\1\0\0desc")
        or (name == b"NIST" and re.match(rb"_1A\n *\d+ *\n", data[start + 4 : start + 18]))
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
        field = None if size else (start + 8, order + "I")
        return _Stated(start + offset, known, field)
    if name == b"NIST":
        fields = dict(_FIELD.findall(data[start : start + 1024]))
        size = math.prod(int(fields.get(key, 1)) for key in _SPHERE_SIZES)
        size *= _SPHERE_SIZES[0] in fields
        return _Stated(start + int(data[start + 8 : start + 16]), size or None)
    if name == b"riff":
        return _find_audio(data, start + 40, "<16sQ", b"data", 8)
    if name == b"caff":
        return _find_audio(data, start + 8, ">4sQ", b"data", 1)
    order = "<" if name in (b"RIFF", b"RF64", b"BW64") else ">"
    audio = {b"WAVE": b"data", b"AIFF": b"SSND", b"AIFC": b"SSND"}.get(head[8:12], b"BODY")
    return _find_audio(data, start + 12, order + "4sI", audio, 2)


def _find_audio(
    data: Data, first: int, layout: str, audio: bytes, alignment: int
) -> _Stated | None:
    """The chunk of audio, None if it does not begin in the file.

    Args:
      data: bytes of the file.
      first: first byte of the first chunk.
      layout: of the header of a chunk: name and size.
      audio: first four bytes of the name of the chunk.
      alignment: multiple of bytes at which chunks begin, from the first one.
    """
    bits, wide, place = (64 if layout[-1] == "Q" else 32), None, 0
    for name, body, size in _chunks(data, first, layout, alignment):
        if name == b"ds64":
            place = body + 8
            [wide] = struct.unpack("<Q", data[place : place + 8].ljust(8, b"\0"))
        elif name[:4] == audio:
            known = _known(size, bits)
            if wide is not None and size == 0xFFFFFFFF:
                known = _known(wide, 64)
            field = None
            if wide is not None and known is None:
                field = place, "<Q"
            elif layout == ">4sQ" and (known is None or body + known > len(data)):
                field = body - 8, ">Q"  # libsndfile refuses both.
            elif size == 0 and bits == 32:
                field = body - 4, layout[0] + "I"
            if known is None and any(True for _ in _chunks(data, body, layout, alignment)):
                field = None  # Other chunks follow, so it is empty.
            return _Stated(body, known, field)
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
        end = position + header + size
        position = end + (first - end) % alignment


def _known(size: int, bits: int) -> int | None:
    """A stated size, or None if it is what programs write that do not know it yet.

    That is 0, or close to the largest number with or without a sign.
    """
    slack = 0x10000
    largest, positive = 1 << bits, 1 << (bits - 1)
    if size == 0 or size >= largest - slack or abs(size - positive) <= slack:
        return None
    return size
