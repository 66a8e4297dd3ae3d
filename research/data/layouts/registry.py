"""All layouts."""

import pathlib

from research.audio.find import FileKind
from research.data.labels import check_different
from research.data.layouts.base import LabelledFile, Layout
from research.data.layouts.class_folders import ClassFolders
from research.data.layouts.gtzan import Gtzan
from research.data.layouts.subset_folders import is_subset
from research.errors import InputError

# The first that matches is used.
LAYOUTS: tuple[Layout, ...] = (
    Gtzan(),
    ClassFolders(),
)


def find_labelled_files(root: pathlib.Path, kind: FileKind) -> list[LabelledFile]:
    """All files of a folder by its layout; see `Layout.files`.

    Raises:
      InputError: what seem to be genres are the subsets of a split, or one genre written in two
        ways; or see `Layout.files`.
    """
    layout = next(layout for layout in LAYOUTS if layout.matches(root, kind))
    files = layout.files(root, kind)
    _check_genres(root, [one for one in files if kind.may_be(one.path)])
    return files


def _check_genres(root: pathlib.Path, files: list[LabelledFile]) -> None:
    genres = sorted({one.genre for one in files})
    if genres and all(map(is_subset, genres)):
        names = " and ".join((", ".join(genres[:-1]), genres[-1])) if genres[1:] else genres[0]
        raise InputError(
            f"config.data.root {root} is split into {names}, which are no genres; give a folder "
            "that has one folder a genre with the files of all subsets, and lists of these by "
            "config.data.split=files, config.data.files.train and config.data.files.test"
        )
    check_different(genres, f"config.data.root {root}")
    # A file lies in the folder of its genre: as many folders above it as its name has parts.
    folders = {one.path.parents[one.name.count("/")].name for one in files}
    check_different(folders, f"config.data.root {root}")
