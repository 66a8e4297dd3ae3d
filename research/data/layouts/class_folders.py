"""A folder with one folder a genre, and files in these at any depth."""

import pathlib

from research.audio.find import FileKind, check_link, is_hidden, list_files
from research.data.labels import clean_label
from research.data.layouts.base import LabelledFile, Layout


class ClassFolders(Layout):
    """`<genre>/<any folders>/<file>`; files beside the genres are ignored."""

    def matches(self, root: pathlib.Path, kind: FileKind) -> bool:
        """True of every folder."""
        return True

    def files(self, root: pathlib.Path, kind: FileKind) -> list[LabelledFile]:
        """All files under the folders of genres.

        Raises:
          InputError: what seems to be the folder of a genre is a link that leads nowhere.
        """
        found = []
        for folder in sorted(root.iterdir()):
            if is_hidden(folder.name):
                continue
            if not folder.suffix:
                check_link(folder)
            if folder.is_dir():
                genre = clean_label(folder.name)
                found += [
                    LabelledFile(genre, file.relative_to(folder).as_posix(), file)
                    for file in list_files(folder)
                ]
        return found
