"""Recordings in MPEG audio: layers I, II and III (ISO 11172-3, 13818-3).

MPEG audio is a sequence of frames without a container. The first frame may state the number of
those that follow (Xing, Info or VBRI). Tags may lie before, between and behind them.
"""

import dataclasses
import functools
import struct
from collections.abc import Iterator
from typing import NamedTuple

from research.audio.recording import Data, Recording

_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBPS[2, 3] = _KBPS[2, 2]
_VBRI = 36  # Bytes from the beginning of a frame to this mark.
_LONGEST = 4096  # Bytes of a frame, rounded up.
_SURE = 3  # Frames in a row that are not there by chance.
# An ID3 tag of ten zeros. libsndfile recognises MPEG audio in memory by it.
_TAG = b"ID3\4" + bytes(5) + b"\x0a" + bytes(10)
_UNKNOWN = 0xFFFF0000  # Numbers of frames from here on are placeholders.


class _Kind(NamedTuple):
    """What the frames of a recording have in common."""

    version: int  # 1, or 2 for 2.5 as well.
    layer: int
    sample_rate: int
    mono: bool
    num_samples: int  # Of a frame, per channel.


class _Frame(NamedTuple):
    kind: _Kind
    length: int  # Bytes.
    promise: int  # First byte of a number of frames.


@dataclasses.dataclass
class _Group:
    """The frames of a recording, while they are counted.

    Attributes:
      kind: what they have in common.
      head: first four bytes.
      spans: stretches of bytes, `[first, after the last]`.
      promised: number of frames that the first one states; 0 if it does not.
      promised_bytes: their length with the first one; 0 if it is not stated.
      num_frames: number of frames, without one that states a number.
      is_estimated: whether libsndfile does not know the number that is stated.
      continues: whether the recording before it has all frames that it states, so that only their
        number begins this one.
    """

    kind: _Kind
    head: bytes
    spans: list[list[int]]
    promised: int = 0
    promised_bytes: int = 0
    num_frames: int = 0
    is_estimated: bool = False
    continues: bool = False

    def add(self, start: int, end: int) -> None:
        """Append bytes."""
        if self.spans and self.spans[-1][1] == start:
            self.spans[-1][1] = end
        else:
            self.spans.append([start, end])

    @property
    def is_full(self) -> bool:
        """Whether all frames that are stated are there."""
        return 0 < self.promised <= self.num_frames

    @property
    def held(self) -> float:
        """Fraction of the stated frames that is there."""
        missing = self.promised - self.num_frames
        # Some programs count the first frame, too.
        too_short = sum(end - start for start, end in self.spans) < self.promised_bytes
        if missing > 1 or (missing == 1 and too_short):
            return self.num_frames / self.promised
        return 1.0

    def recording(self) -> Recording:
        """The recording of these frames."""
        spans = tuple((start, end) for start, end in self.spans)
        if self.promised and not self.is_estimated:
            return Recording(spans, self.held, _TAG)
        num_samples = self.num_frames * self.kind.num_samples
        length_frame = _length_frame(self.head, self.num_frames)
        return Recording(spans, self.held, _TAG, num_samples, length_frame)


def mpeg_recordings(data: Data, start: int) -> list[Recording]:
    """The recordings from a byte behind tags on to the end, none if it is not MPEG audio.

    Where the sample rate or the number of channels changes, another recording begins, as it does at
    a frame that states a number of frames, and after that number.
    """
    position = start
    if not _is_sure(data, position):
        # Some programs put more zeros behind a tag than it states, and a recording of a radio
        # station begins amid a frame.
        found = _find_frame(data, position, None if start else _LONGEST)
        if found is None:
            return []
        position = found
    groups: list[_Group] = []
    for place, frame in _frames(data, position):
        promise = _promise(data, place, frame)
        group = groups[-1] if groups else None
        if group is None or promise or frame.kind != group.kind or group.is_full:
            continues = group is not None and group.is_full and not promise
            _drop_rest(groups)
            head, numbers = data[place : place + 4], promise or (0, 0)
            group = _Group(frame.kind, head, [], *numbers, continues=continues)
            groups.append(group)
        if data[place + _VBRI : place + _VBRI + 4] == b"VBRI":
            group.is_estimated = True  # libsndfile takes it for sound.
        else:
            group.add(place, place + frame.length)
        group.num_frames += not promise
    _drop_rest(groups)
    return [group.recording() for group in groups if group.spans]


def _drop_rest(groups: list[_Group]) -> None:
    """Drop a last frame that the first one did not count."""
    if len(groups) > 1 and groups[-1].continues and groups[-1].num_frames < 2:
        rest = groups.pop()
        for start, end in rest.spans:
            groups[-1].add(start, end)


def _frames(data: Data, position: int) -> Iterator[tuple[int, _Frame]]:
    """Every complete frame and its first byte, from the first one on, without what is between."""
    size, before = len(data), None
    while position + 4 <= size:
        frame = _frame_at(data, position)
        known = before is not None and frame is not None and frame.kind == before[1].kind
        if frame is None or not (known or _is_sure(data, position)):
            behind = skip_tags(data, position)
            if before is not None and behind == position:
                # The frame before may be cut short, and another recording begin in it.
                found = _find_frame(data, before[0] + 4)
                if found is not None and found < position:
                    before = None
            else:
                found = _find_frame(data, behind)
            if found is None:
                break
            position = found
            continue
        if before is not None:
            yield before
            before = None
        if position + frame.length > size:
            break
        before = position, frame
        position += frame.length
    if before is not None:
        yield before


def skip_tags(data: Data, position: int) -> int:
    """The first byte behind the tags (ID3, APE) that begin at a byte."""
    while True:
        head = data[position : position + 32]
        if head[:3] == b"ID3" and len(head) >= 10:
            # The size is four bytes of seven bits.
            sizes = zip(head[6:10], (21, 14, 7, 0), strict=True)
            position += 10 + sum((byte & 127) << shift for byte, shift in sizes)
            position += 10 if head[5] & 16 else 0
        elif head[:4] == b"TAG+":
            position += 227
        elif head[:3] == b"TAG":
            position += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            size, flags = struct.unpack("<I4xI", head[12:24])
            position += 32 + (size if flags & 1 << 29 else 0)
        else:
            return min(position, len(data))


def _find_frame(data: Data, position: int, end: int | None = None) -> int | None:
    """The first byte of the next frame before `end` that is not there by chance, if any."""
    end = len(data) if end is None else end
    while (position := data.find(b"\xff", position, end)) >= 0:
        if _is_sure(data, position):
            return position
        position += 1
    return None


def _is_sure(data: Data, position: int) -> bool:
    """Whether several frames of a kind follow each other, or a few up to the end of the file."""
    kind = None
    for _ in range(_SURE):
        frame = _frame_at(data, position)
        if frame is None or kind not in (None, frame.kind):
            return kind is not None and skip_tags(data, position) == len(data)
        if kind is None and position + frame.length > len(data):
            return False
        kind = frame.kind
        position += frame.length
    return True


def _frame_at(data: Data, position: int) -> _Frame | None:
    return _parse(data[position : position + 4])


@functools.lru_cache(4096)
def _parse(head: bytes) -> _Frame | None:
    """The frame that begins with four bytes, None if it is none or does not state its length."""
    if len(head) < 4:
        return None
    header = int.from_bytes(head, "big")
    version, layer = {3: 1, 2: 2, 0: 2}.get(header >> 19 & 3), 4 - (header >> 17 & 3)
    bits, rate = header >> 12 & 15, header >> 10 & 3
    if header >> 21 != 0x7FF or version is None or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    sample_rate = (44100, 48000, 32000)[rate] // {3: 1, 2: 2, 0: 4}[header >> 19 & 3]
    num_samples = 384 if layer == 1 else 1152 if layer == 2 or version == 1 else 576
    kbps, padding = _KBPS[version, layer][bits - 1], header >> 9 & 1
    if layer == 1:
        length = 4 * (12000 * kbps // sample_rate + padding)
    else:
        length = num_samples // 8 * 1000 * kbps // sample_rate + padding
    kind = _Kind(version, layer, sample_rate, header >> 6 & 3 == 3, num_samples)
    return _Frame(kind, length, 4 + _side_bytes(kind))


def _side_bytes(kind: _Kind) -> int:
    """Bytes of side information in a frame of layer III."""
    return (17 if kind.mono else 32) if kind.version == 1 else (9 if kind.mono else 17)


def _promise(data: Data, position: int, frame: _Frame) -> tuple[int, int] | None:
    """Frames and bytes that a frame states, 0 for those it does not; None of a frame of audio."""
    place = position + frame.promise
    if data[place : place + 4] in (b"Xing", b"Info"):
        flags, *numbers = struct.unpack(">III", data[place + 4 : place + 16].ljust(12, b"\0"))
        num_frames = numbers.pop(0) if flags & 1 else 0
        num_bytes = numbers.pop(0) if flags & 2 else 0
    elif data[position + _VBRI : position + _VBRI + 4] == b"VBRI":
        numbers = data[position + 46 : position + 54].ljust(8, b"\0")
        num_bytes, num_frames = struct.unpack(">II", numbers)
    else:
        return None
    return (0 if num_frames >= _UNKNOWN else num_frames), num_bytes


def _length_frame(head: bytes, num_frames: int) -> bytes:
    """A frame of no sound that states a number of frames."""
    frame = _frame_at(head, 0)
    if frame is None or frame.kind.layer != 3:
        return b""
    tag = b"Xing" + struct.pack(">II", 1, num_frames)
    # Without a checksum, which would have to be computed.
    plain = bytes([head[0], head[1] | 1, *head[2:]])
    return (plain + bytes(_side_bytes(frame.kind)) + tag).ljust(frame.length, b"\0")
