"""Which recordings a file holds, and what it says of their lengths.

Formats are recognised by their bytes. A name may say anything.
"""

import re

from research.audio.chunks import chunk_recording
from research.audio.mpeg import mpeg_recordings, skip_tags
from research.audio.ogg import ogg_recordings
from research.audio.recording import Data, Recording

# A stream of FLAC and the header of its first block, which always has 34 bytes.
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_ID3V1 = 128  # Bytes of a tag at the end, which is damage to a decoder of FLAC.


def find_recordings(data: Data) -> list[Recording]:
    """The recordings in a file, in order.

    Of a format that is not known here, the whole file is one recording that promises nothing.
    """
    found = _find(data, skip_tags(data, 0))
    if len(found) > 1 or any(len(recording.spans) > 1 for recording in found):
        found = [recording._replace(is_file=False) for recording in found]
    return found or [Recording(((0, len(data)),))]


def _find(data: Data, start: int) -> list[Recording]:
    found, first = [], start
    while start < len(data):
        recording = chunk_recording(data, start)
        if recording is None:
            break
        found.append(recording)
        start = recording.spans[-1][1]
    if found:
        return found
    if data[first : first + 4] == b"OggS":
        # libsndfile reads no Ogg behind a tag.
        return [each._replace(is_file=not first) for each in ogg_recordings(data, first)]
    if _FLAC.match(data, first):
        starts = [match.start() for match in _FLAC.finditer(data, first)]
        end = len(data) - _ID3V1 if data[-_ID3V1:].startswith(b"TAG") else len(data)
        spans = zip(starts, [*starts[1:], end], strict=True)
        return [Recording((span,), is_file=end == len(data)) for span in spans]
    return [each._replace(is_file=_is_plain(data, each)) for each in mpeg_recordings(data, first)]


def _is_plain(data: Data, recording: Recording) -> bool:
    """Whether nothing but tags surrounds MPEG audio, so that libsndfile can read the file."""
    (begin, _), (_, end) = recording.spans[0], recording.spans[-1]
    return begin == skip_tags(data, 0) and skip_tags(data, end) == len(data)
