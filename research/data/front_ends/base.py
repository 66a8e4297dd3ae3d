"""The contract of a front end: how tracks are found, decoded and turned into frames."""

import abc
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import jax
import numpy as np

from research.audio.find import AUDIO, FileKind, check_link, find_files
from research.audio.stft import StftConfig
from research.audio.waveform import Waveform, load_waveform
from research.data.spectrogram_cache import SpectrogramCache
from research.data.tracks import Collection, load_collection
from research.errors import InputError, about


class FrameStore(Protocol):
    """Where the frames of a collection are read from, by the digests of its tracks."""

    @property
    def num_bins(self) -> int:
        """Numbers in a frame."""
        ...

    @property
    def dtype(self) -> type:
        """Type of the numbers."""
        ...

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Copy the frames of a track from `start` on into `out`, `[frames, bins]`.

        Raises:
          InputError: the frames are missing, damaged, or fewer.
        """
        ...


class FrontEnd(abc.ABC):
    """From files to frames `[frames, bins]`, the input of a classifier.

    An implementation is a frozen dataclass, whose fields are the keys under `config.spectrogram`,
    and a line in `registry.FRONT_ENDS`. It is hashable, because jitted functions take it as a
    static argument. Most implementations are a `FileFrontEnd` or an `AudioFrontEnd`.

    Attributes:
      name: value of `config.spectrogram.name`.
      family: front ends of one family compute the same kind of frames: a network that was trained
        on one of them is used on the others. All fields of a family of several have defaults.
      dtype: of the frames as they are stored.
      augmentations: fields of `AugmentConfig` that apply to the frames.
      from_audio: True if frames are computed from a waveform, by `frames`.
      invertible: True if frames are `log(1 + |STFT|)`, which phase recovery turns into audio. Such
        a front end has the next two attributes; others do not.
      sample_rate: Hz.
      stft: the short-time Fourier transform.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    dtype: ClassVar[type]
    augmentations: ClassVar[tuple[str, ...]]
    from_audio: ClassVar[bool] = False
    invertible: ClassVar[bool] = False
    sample_rate: int
    stft: StftConfig
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    @abc.abstractmethod
    def num_bins(self) -> int:
        """Numbers in a frame."""

    @property
    @abc.abstractmethod
    def frame_seconds(self) -> float:
        """Time from a frame to the next, s."""

    @abc.abstractmethod
    def num_frames(self, seconds: float) -> int:
        """Frames of a segment of this duration; a recording as long has at most one more."""

    @abc.abstractmethod
    def load_tracks(
        self,
        root: str,
        cache_folder: pathlib.Path,
        *,
        max_bad_share: float,
        min_frames: int,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Collection, FrameStore]:
        """The tracks of a data set, and where their frames are read from.

        Args:
          root: path of the data set, the key `config.data.root`.
          cache_folder: where spectrograms are kept.
          max_bad_share: largest fraction of the files that may be undecodable.
          min_frames: frames that a track needs.
          on_progress: called with the number of files done and the number of files.

        Raises:
          InputError: the root is not such a data set, or too many files of it are unusable.
        """

    @abc.abstractmethod
    def accepts(self, file: pathlib.Path) -> bool:
        """True if a file, by its name, may be an input."""

    @abc.abstractmethod
    def find_inputs(self, path: str, flag: str) -> list[pathlib.Path]:
        """The files under a path that hold inputs.

        Args:
          path: of a file, which may have any name, or of a folder.
          flag: that gave the path, for messages: `--input`.

        Raises:
          InputError: nothing is there, or it is not clear which file is meant.
        """

    @abc.abstractmethod
    def read_inputs(
        self, files: list[pathlib.Path]
    ) -> Iterator[tuple[pathlib.Path | str, np.ndarray | InputError]]:
        """Name and frames `[frames, bins]` of each track, or why they cannot be computed.

        Raises:
          InputError: a file of several tracks cannot be read.
        """

    def frames(self, waveform: Waveform) -> np.ndarray:
        """Frames `[frames, bins]` of a waveform of any rate and channels, where `from_audio`.

        Raises:
          InputError: the waveform is shorter than a frame, or far above full scale.
        """
        raise NotImplementedError(f"{self.name} frames are not computed from a waveform")

    def amplify(self, frames: jax.Array, decibels: jax.Array) -> jax.Array:
        """Frames of audio that is `decibels` louder, where `gain_db` is an augmentation.

        Args:
          frames: `[..., frames, bins]`.
          decibels: broadcasts to the frames.
        """
        raise NotImplementedError(f"{self.name} frames have no level")


class FileFrontEnd(FrontEnd):
    """A front end for files of one track each, whose frames are cached in half precision.

    Attributes:
      kind: of the files.
    """

    dtype: ClassVar[type] = np.float16
    kind: ClassVar[FileKind]

    @property
    @abc.abstractmethod
    def folder(self) -> str:
        """Start of the name of the subfolder in the cache."""

    @abc.abstractmethod
    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of a decoded file, and a function that computes its frames `[frames, bins]`.

        Files with equal digests are exact duplicates. The function raises the errors of `frames`.

        Raises:
          InputError: the file cannot be decoded; it names the file.
        """

    def load_tracks(
        self,
        root: str,
        cache_folder: str | os.PathLike,
        *,
        max_bad_share: float,
        min_frames: int,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Collection, SpectrogramCache]:
        """The tracks of a folder of genres, and their spectrograms; see `load_collection`."""
        cache = SpectrogramCache(cache_folder, self)
        collection = load_collection(
            root,
            cache,
            max_bad_share=max_bad_share,
            min_frames=min_frames,
            kind=self.kind,
            on_progress=on_progress,
        )
        return collection, cache

    def accepts(self, file: pathlib.Path) -> bool:
        """True unless the name says that the file is of another kind."""
        return self.kind.may_be(file)

    def find_inputs(self, path: str, flag: str) -> list[pathlib.Path]:
        """The file, or all files of the kind under a folder; see `find_files`."""
        return find_files(path, flag, self.kind)

    def read_inputs(
        self, files: list[pathlib.Path]
    ) -> Iterator[tuple[pathlib.Path | str, np.ndarray | InputError]]:
        """Path and frames of each file, or why they cannot be computed."""
        for file in files:
            try:
                check_link(file)
                _, compute = self.decode(file)
                with about(file):
                    frames = compute()
            except InputError as error:
                frames = error
            yield file, frames


class AudioFrontEnd(FileFrontEnd):
    """A front end that computes frames from a waveform."""

    from_audio: ClassVar[bool] = True
    kind: ClassVar[FileKind] = AUDIO

    @abc.abstractmethod
    def frames(self, waveform: Waveform) -> np.ndarray:
        """Frames `[frames, bins]` float16 of a waveform of any rate and channels.

        Raises:
          InputError: the waveform is shorter than a frame, or far above full scale.
        """

    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of the samples of an audio file, and a function that computes their frames.

        Raises:
          InputError: the file cannot be decoded.
        """
        waveform = load_waveform(file)
        return waveform.digest(), lambda: self.frames(waveform)
