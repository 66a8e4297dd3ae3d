"""GTZAN's archives as published: the folders of genres lie in a folder for each kind of file."""

import pathlib

from research.audio.find import FileKind
from research.data.layouts.base import LabelledFile
from research.data.layouts.class_folders import ClassFolders

# By name of the kind, the first that exists; `Data` is the archive of Kaggle.
_FOLDERS = {
    "audio": ("genres_original", "genres", "Data/genres_original"),
    "PNG": ("images_original", "Data/images_original"),
}


class Gtzan(ClassFolders):
    """`genres_original/<genre>/<file>.wav` and `images_original/<genre>/<file>.png`."""

    def matches(self, root: pathlib.Path, kind: FileKind) -> bool:
        """True if one of GTZAN's folders for the kind is there."""
        return bool(_folders(root, kind))

    def files(self, root: pathlib.Path, kind: FileKind) -> list[LabelledFile]:
        """All files under the folders of genres."""
        return super().files(_folders(root, kind)[0], kind)


def _folders(root: pathlib.Path, kind: FileKind) -> list[pathlib.Path]:
    return [root / name for name in _FOLDERS.get(kind.name, ()) if (root / name).is_dir()]
