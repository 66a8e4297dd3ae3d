"""Title, artist, album and date of a recording, as its file states them."""

import contextlib
import os
import pathlib

from research.audio.media import is_media

TAGS = "title", "artist", "album", "date"
"""The tags that are kept; what else a file states may not be true of an output."""
_LONGEST = 200  # Characters. Formats have limits.


def read_tags(path: str | os.PathLike) -> dict[str, str]:
    """The tags of a file, those of `TAGS` that it has; none if they cannot be read."""
    import soundfile

    path = pathlib.Path(path)
    with contextlib.suppress(soundfile.SoundFileError, OSError):
        if is_media(path):
            return _read_media_tags(path)
        with path.open("rb") as raw, soundfile.SoundFile(raw.fileno(), closefd=False) as file:
            return _kept(file.copy_metadata())
    return {}


def _read_media_tags(path: pathlib.Path) -> dict[str, str]:
    with contextlib.suppress(ImportError):
        import av

        # The errors of FFmpeg are OSErrors or ValueErrors.
        with contextlib.suppress(ValueError), av.open(str(path), metadata_errors="ignore") as file:
            return _kept(file.metadata)
    return {}


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    lower = {name.lower(): text.strip()[:_LONGEST] for name, text in metadata.items()}
    return {name: lower[name] for name in TAGS if lower.get(name)}
