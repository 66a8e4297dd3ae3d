"""What a classifier sees of a track, one of four by `name`: from files to frames."""

import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from research.audio.find import AUDIO, find_files, list_files
from research.data.front_ends.descriptors import (
    DescriptorConfig,
    DescriptorTracks,
    find_table,
    load_descriptor_tracks,
    rows_by_track,
)
from research.data.front_ends.images import PICTURES, PictureConfig
from research.data.front_ends.mel import MelConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.data.spectrogram_cache import SpectrogramCache
from research.data.tracks import Collection, load_collection
from research.errors import InputError, about

FrontEnd = SpectrogramConfig | MelConfig | PictureConfig | DescriptorConfig
FRONT_ENDS = {
    kind.name: kind for kind in (SpectrogramConfig, MelConfig, PictureConfig, DescriptorConfig)
}
_KINDS = {SpectrogramConfig: AUDIO, MelConfig: AUDIO, PictureConfig: PICTURES}


def load_tracks(
    root: str,
    config: FrontEnd,
    folder: pathlib.Path,
    *,
    max_bad_share: float,
    min_frames: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Collection, SpectrogramCache | DescriptorTracks]:
    """What a folder of genres or a table holds, and where its frames can be read.

    Args:
      root: folder of class folders, or a CSV file or folder that holds one.
      config: what is seen of a track.
      folder: where spectrograms are kept.
      max_bad_share: of files that cannot be decoded.
      min_frames: of a track.
      on_progress: called with files done and files there are.

    Raises:
      InputError: see `load_collection` and `load_descriptor_tracks`.
    """
    if isinstance(config, DescriptorConfig):
        return load_descriptor_tracks(root, config)
    cache = SpectrogramCache(folder, config)
    collection = load_collection(
        root,
        cache,
        max_bad_share=max_bad_share,
        min_frames=min_frames,
        kind=_KINDS[type(config)],
        on_progress=on_progress,
    )
    return collection, cache


def find_inputs(path: str, flag: str, config: FrontEnd) -> list[pathlib.Path]:
    """The files under a path that hold what is seen.

    Args:
      path: of a file or a folder.
      flag: that names it, for messages: `--input`.
      config: what is seen of a track.

    Raises:
      InputError: nothing is there, or several tables are.
    """
    if isinstance(config, DescriptorConfig):
        return [find_table(path, flag)]
    return find_files(path, flag, _KINDS[type(config)])


def are_pictures(path: str) -> bool:
    """Whether what lies under a path are pictures and, by their names, no audio."""
    start = pathlib.Path(os.path.expanduser(path))
    files = list_files(start) if start.is_dir() else [start]
    return any(map(PICTURES.may_be, files)) and not any(map(AUDIO.may_be, files))


def read_inputs(
    files: list[pathlib.Path], config: FrontEnd
) -> Iterator[tuple[pathlib.Path | str, np.ndarray | InputError]]:
    """What is seen of each file, or of each track of a table, `[frames, bins]`, or why nothing is.

    Raises:
      InputError: a table cannot be read.
    """
    for file in files:
        if isinstance(config, DescriptorConfig):
            for track, rows in rows_by_track(file).items():
                yield "/".join(track), rows
            continue
        try:
            _, make_frames = config.decode(file)
            with about(file):
                frames = make_frames()
        except InputError as error:
            frames = error
        yield file, frames
