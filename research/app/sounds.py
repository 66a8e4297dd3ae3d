"""The recordings that the page knows: two that are shipped, and those that were given to it."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import secrets
import shutil
import threading
import unicodedata
import warnings
from typing import Any, BinaryIO

from research.audio.waveform import load_waveform
from research.errors import InputError
from research.workdir import load_dict, save_json

_CLIPS = pathlib.Path(__file__).parents[1] / "clips"
_SHIPPED = {"piano": "Piano minuet", "band": "Funk-rock band"}
# Besides letters and digits, what a name may have. Commas and colons separate styles and weights.
_PLAIN = "_ .()&'+-"
_LONGEST = 200  # Bytes of a name.
_PART, _ABOUT = ".part", ".about.json"  # What is being received; the length of a recording.
_ID = re.compile(r"[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True)
class Sound:
    """A recording.

    Attributes:
      id: its key.
      name: for people.
      path: of its file.
      seconds: duration.
    """

    id: str
    name: str
    path: pathlib.Path
    seconds: float

    def summary(self) -> dict[str, Any]:
        """What the page shows of it."""
        return {"id": self.id, "name": self.name, "seconds": self.seconds}


def harmless(name: str) -> str:
    """A name of a file with `_` for what a path, a style or another system may not have."""

    def is_plain(character: str) -> bool:
        return unicodedata.category(character)[0] in "LMN" or character in _PLAIN

    runs = itertools.groupby(unicodedata.normalize("NFC", name), is_plain)
    name = "".join("".join(run) if plain else "_" for plain, run in runs).strip(" .")
    return name.encode()[-_LONGEST:].decode(errors="ignore").strip(" .") or "sound"


class Upload:
    """A file that is being received. What is not finished is removed.

    Attributes:
      path: of the file.
    """

    def __init__(self, folder: pathlib.Path, name: str, most_bytes: int):
        self.name, self.id = harmless(name), secrets.token_hex(6)
        self.path = folder / self.id / self.name
        self._part = self.path.with_name(_PART)
        self._most, self._size = most_bytes, 0
        self.path.parent.mkdir(parents=True)
        self._file: BinaryIO = self._part.open("wb")

    def write(self, data: bytes) -> None:
        """Add what has come.

        Raises:
          InputError: it is more than is allowed.
        """
        self._size += len(data)
        if self._size > self._most:
            raise InputError(
                f"{self.name} has more than {self._most / 1e6:.0f} MB; give a shorter one, or "
                "start with a higher --upload_mb"
            )
        self._file.write(data)

    def finish(self) -> Sound:
        """Close the file, and check that it is a recording.

        Raises:
          InputError: it is not.
        """
        self._file.close()
        try:
            seconds = load_waveform(self._part).seconds
        except InputError as error:
            raise InputError(str(error).replace(str(self._part), self.name)) from error
        save_json(self.path.with_name(_ABOUT), {"seconds": seconds})
        os.replace(self._part, self.path)
        return Sound(self.id, self.name, self.path, seconds)

    def discard(self) -> None:
        """Remove what was received."""
        self._file.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)


class Sounds:
    """All recordings, by id. Files that were given before are found again, and never removed."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._sounds: dict[str, Sound] = {}
        for id, name in _SHIPPED.items():
            path = _CLIPS / f"{id}.ogg"
            self._sounds[id] = Sound(id, name, path, load_waveform(path).seconds)
        folder.mkdir(exist_ok=True)
        owned = [path for path in folder.iterdir() if _ID.fullmatch(path.name)]
        for home in sorted(owned, key=lambda path: path.stat().st_mtime_ns):
            try:
                # Of a process that was killed while it was received.
                (home / _PART).unlink(missing_ok=True)
                sound = _find(home)
            except (InputError, OSError) as error:
                warnings.warn(f"left out: {error}", stacklevel=2)
                continue
            if sound is not None:
                self.add(sound)
            else:
                with contextlib.suppress(OSError):
                    home.rmdir()

    def add(self, sound: Sound) -> None:
        """Add a recording."""
        with self._lock:
            self._sounds[sound.id] = sound

    def __getitem__(self, id: str) -> Sound:
        with self._lock:
            if id not in self._sounds:
                raise InputError(f"there is no recording {id!r}; reload the page")
            return self._sounds[id]

    def summary(self) -> list[dict[str, Any]]:
        """What the page shows of all."""
        with self._lock:
            return [sound.summary() for sound in self._sounds.values()]


def _find(home: pathlib.Path) -> Sound | None:
    """The recording in a folder of its own; None if there is none.

    Raises:
      InputError: it has to be decoded to know its length, and cannot be.
    """
    files = [path for path in home.iterdir() if path.name[0] != "."]
    if not files:
        (home / _ABOUT).unlink(missing_ok=True)
        return None
    path = max(files, key=lambda path: path.stat().st_size)
    try:
        seconds = load_dict(home / _ABOUT, {"seconds": float})["seconds"]
    except InputError:  # Recordings of before have no such file.
        seconds = load_waveform(path).seconds
    return Sound(home.name, path.name, path, seconds)
