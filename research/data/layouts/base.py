"""The contract of a layout: which files of a data set are its tracks, and of which genre."""

import abc
import pathlib
from typing import NamedTuple

from research.audio.find import FileKind


class LabelledFile(NamedTuple):
    """A file of a data set.

    Attributes:
      genre: name of its class.
      name: POSIX path below the genre, unique in it; `genre/name` is the name of the track, by
        which file lists and other runs know it.
      path: where the file is.
    """

    genre: str
    name: str
    path: pathlib.Path


class Layout(abc.ABC):
    """How a data set is laid out on disk. An implementation is a line in `registry.LAYOUTS`."""

    @abc.abstractmethod
    def matches(self, root: pathlib.Path, kind: FileKind) -> bool:
        """True if a folder has this layout.

        Args:
          root: a folder that exists.
          kind: what files are looked for; a data set may keep each kind in a folder of its own.
        """

    @abc.abstractmethod
    def files(self, root: pathlib.Path, kind: FileKind) -> list[LabelledFile]:
        """All files of a folder that matches, sorted by genre and name; see `list_files`.

        Files of another kind, by their names, may be among them: the caller skips them.
        """
