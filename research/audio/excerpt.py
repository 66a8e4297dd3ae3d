"""The middle of a long recording, which is analysed and shown in place of the whole."""

import dataclasses

from research.audio.waveform import Waveform

LONGEST = 90.0
"""Seconds of an excerpt, unless told otherwise. Shorter recordings stay whole."""


def find_middle(seconds: float, longest: float = LONGEST) -> tuple[float, float] | None:
    """Where the excerpt of a recording starts and ends, in seconds; None if it stays whole."""
    start = (seconds - longest) / 2
    return None if start <= 0 else (start, start + longest)


def middle(recording: Waveform, longest: float = LONGEST) -> Waveform:
    """The excerpt, a copy, of a recording that is longer; else the recording itself."""
    span = find_middle(recording.seconds, longest)
    if span is None:
        return recording
    first, last = (round(place * recording.sample_rate) for place in span)
    return dataclasses.replace(recording, samples=recording.samples[:, first:last].copy())


def in_words(seconds: float, longest: float = LONGEST) -> str:
    """Where the excerpt of a recording lies, as ` (9:15 to 10:45)`; empty if it stays whole."""
    span = find_middle(seconds, longest)
    if span is None:
        return ""
    start, end = (f"{int(place) // 60}:{int(place) % 60:02d}" for place in span)
    return f" ({start} to {end})"
