"""The recordings that the page knows: two that are shipped, and those that were given to it."""

import dataclasses
import pathlib
import re
import secrets
import shutil
import threading
from typing import Any, BinaryIO

from research.audio.waveform import load_waveform
from research.errors import InputError

_CLIPS = pathlib.Path(__file__).parents[1] / "clips"
_SHIPPED = {"piano": "Piano minuet", "band": "Funk-rock band"}
# What may not be in the name of a file. Commas and colons separate styles and weights.
_ODD = re.compile(r"[^\w .()&'+-]+")
_LONGEST = 80  # Characters of a name.


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


class Upload:
    """A file that is being received. What is not finished is removed.

    Attributes:
      path: of the file.
    """

    def __init__(self, folder: pathlib.Path, name: str, most_bytes: int):
        self.name = _ODD.sub("_", name).strip(" .")[-_LONGEST:].strip(" .") or "sound"
        self.id = secrets.token_hex(6)
        self.path = folder / self.id / self.name
        self._most, self._size = most_bytes, 0
        self.path.parent.mkdir(parents=True)
        self._file: BinaryIO = self.path.open("wb")

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
            seconds = load_waveform(self.path).seconds
        except InputError as error:
            raise InputError(str(error).replace(str(self.path), self.name)) from error
        return Sound(self.id, self.name, self.path, seconds)

    def discard(self) -> None:
        """Remove what was received."""
        self._file.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)


class Sounds:
    """All recordings, by id. Files that were given before are found again."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._sounds: dict[str, Sound] = {}
        for id, name in _SHIPPED.items():
            path = _CLIPS / f"{id}.ogg"
            self._sounds[id] = Sound(id, name, path, load_waveform(path).seconds)
        folder.mkdir(exist_ok=True)
        for path in sorted(folder.glob("*/*"), key=lambda path: path.stat().st_mtime_ns):
            try:
                self.add(Sound(path.parent.name, path.name, path, load_waveform(path).seconds))
            except InputError:  # Of a process that was killed while it was received.
                shutil.rmtree(path.parent, ignore_errors=True)

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
