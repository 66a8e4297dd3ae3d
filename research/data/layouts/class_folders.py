"""A folder with one folder a genre, and files in these at any depth."""

import pathlib

from research.audio.find import FileKind, is_hidden
from research.data.layouts.base import LabelledFile, Layout


class ClassFolders(Layout):
    """`<genre>/<any folders>/<file>`; files beside the genres are ignored."""

    def matches(self, root: pathlib.Path, kind: FileKind) -> bool:
        """True of every folder."""
        return True

    def files(self, root: pathlib.Path, kind: FileKind) -> list[LabelledFile]:
        """All files under the folders of genres."""
        return [
            LabelledFile(genre.name, file.relative_to(genre).as_posix(), file)
            for genre in sorted(root.iterdir())
            if genre.is_dir()
            for file in sorted(genre.rglob("*"))
            if file.is_file() and not is_hidden(file.relative_to(root))
        ]
