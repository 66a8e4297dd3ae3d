"""All layouts."""

import pathlib

from research.audio.find import FileKind
from research.data.layouts.base import LabelledFile, Layout
from research.data.layouts.class_folders import ClassFolders
from research.data.layouts.gtzan import Gtzan

# The first that matches is used.
LAYOUTS: tuple[Layout, ...] = (
    Gtzan(),
    ClassFolders(),
)


def find_labelled_files(root: pathlib.Path, kind: FileKind) -> list[LabelledFile]:
    """All files of a folder by its layout; see `Layout.files`."""
    layout = next(layout for layout in LAYOUTS if layout.matches(root, kind))
    return layout.files(root, kind)
