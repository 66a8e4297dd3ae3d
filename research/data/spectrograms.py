"""Spectrograms of whole tracks, and the folder in which each is kept once it was computed.

The cache holds one `.npy` file a track, half precision, named by what was decoded and foldered by
how it was transformed. Nothing of it has to be kept in step with anything else: segments, splits
and data sets read the same files, and one of the wrong size or header is computed anew.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.stft import StftConfig, log_magnitude
from research.audio.waveform import Waveform, load_waveform, match_channels, resample
from research.data.pictures import PictureConfig
from research.errors import InputError, about
from research.files import user_cache, written_whole
from research.settings import at_least

_BLOCK_FRAMES = 256
# Of how spectrograms are computed; raise it when that changes, and the cache begins anew.
_VERSION = 1
# What numpy.save writes before a matrix of half precision.
_HEADER_BYTES = 128
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, "
    rb"'shape': \((\d+), (\d+)\), } *\n"
)


@dataclasses.dataclass(frozen=True)
class SpectrogramConfig:
    """What a classifier sees of a waveform: `log(1 + |STFT|)` of the mean of its channels.

    Attributes:
      name: of this way to see a track.
      dtype: of the frames.
      augmentations: that mean something to the frames, of `AugmentConfig`.
      sample_rate: to which audio is resampled, Hz.
      stft: the short-time Fourier transform.
    """

    name: ClassVar[str] = "stft"
    dtype: ClassVar[type] = np.float16
    augmentations: ClassVar[tuple[str, ...]] = (
        "crop",
        "gain_db",
        "time_mask",
        "frequency_mask",
        "mixup",
    )

    sample_rate: int = at_least(22050, 1000)
    stft: StftConfig = StftConfig()

    @property
    def num_bins(self) -> int:
        """Numbers a frame."""
        return self.stft.num_bins

    @property
    def frame_seconds(self) -> float:
        """From a frame to the next."""
        return self.stft.hop_length / self.sample_rate

    @property
    def folder(self) -> str:
        """What the folder of such spectrograms is called."""
        return f"{self.sample_rate}_{self.stft.n_fft}_{self.stft.hop_length}"

    def decode(self, file: pathlib.Path) -> tuple[str, Callable[[], np.ndarray]]:
        """Digest of the samples of a file, and what makes their frames; see `spectrogram`.

        Raises:
          InputError: the file cannot be decoded.
        """
        waveform = load_waveform(file)
        return waveform.digest(), lambda: spectrogram(waveform, self)

    def num_frames(self, seconds: float) -> int:
        """Frames of a waveform that lasts so long."""
        return max(self.stft.num_frames(round(seconds * self.sample_rate)), 0)


def spectrogram(waveform: Waveform, config: SpectrogramConfig) -> np.ndarray:
    """`log(1 + |STFT|)` of the mean of the channels, `[frames, bins]` float16.

    Computed block by block, so that one compiled program serves every length.

    Raises:
      InputError: the waveform is shorter than a frame, or too loud for half precision.
    """
    mono = Waveform(match_channels(waveform.samples, 1), waveform.sample_rate)
    samples = resample(mono, config.sample_rate).samples[0]
    stft = config.stft
    num_frames = stft.num_frames(samples.size)
    if num_frames < 1:
        raise InputError(
            f"{samples.size} samples are less than one frame of {stft.n_fft}; give longer audio"
        )
    num_blocks = -(-num_frames // _BLOCK_FRAMES)
    span = (_BLOCK_FRAMES - 1) * stft.hop_length + stft.n_fft
    stride = _BLOCK_FRAMES * stft.hop_length
    padded = np.zeros((num_blocks - 1) * stride + span, np.float32)
    used = min(samples.size, padded.size - stft.padding)
    padded[stft.padding :][:used] = samples[:used]
    frames = np.empty((num_blocks * _BLOCK_FRAMES, stft.num_bins), np.float16)
    uncentred = dataclasses.replace(stft, center=False)
    for block in range(num_blocks):
        part = padded[block * stride :][:span]
        frames[block * _BLOCK_FRAMES :][:_BLOCK_FRAMES] = _log_magnitude(part, config=uncentred)
    if not np.isfinite(frames[:num_frames]).all():
        raise InputError("samples are far above full scale; export it anew")
    return frames[:num_frames]


@jax.jit(static_argnames="config")
def _log_magnitude(samples: jax.Array, *, config: StftConfig) -> jax.Array:
    return log_magnitude(samples, config).astype(jnp.float16)


def default_cache() -> pathlib.Path:
    """The user's folder for spectrograms."""
    return user_cache() / "spectrograms"


class SpectrogramCache:
    """Spectrograms on disk, read a segment at a time.

    Args:
      folder: made when something is put into it.
      config: of the spectrograms, of audio or as they are pictured.
    """

    def __init__(self, folder: str | os.PathLike, config: SpectrogramConfig | PictureConfig):
        text = json.dumps([_VERSION, dataclasses.asdict(config)], sort_keys=True)
        key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        self.config = config
        self.root = pathlib.Path(folder)
        self.folder = self.root / f"{config.folder}_{key}"

    def path(self, digest: str) -> pathlib.Path:
        """Where the spectrogram of a track is kept."""
        return self.folder / f"{digest}.npy"

    def add(
        self,
        files: Sequence[pathlib.Path],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[tuple[str, int] | InputError]:
        """See that the spectrogram of every file is there, by as many threads as cores.

        A file that was seen before, by path, size and time of change, is not decoded again unless
        its spectrogram is missing or damaged.

        Returns:
          for each file, the digest of what was decoded and the number of its frames, or why it
          cannot be used.

        Raises:
          InputError: the cache cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the cache {self.folder} cannot be made ({error.strerror}); give another folder "
                "by config.data.cache"
            ) from error
        index = self.root / "digests.json"
        known = _read_index(index)
        stamps = [_stamp(file) for file in files]
        entries = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for entry in pool.map(functools.partial(self._add, known), files, stamps):
                    entries.append(entry)
                    on_progress(len(entries), len(files))
            finally:
                pool.shutdown(cancel_futures=True)
                for file, stamp, entry in zip(files, stamps, entries, strict=False):
                    if not isinstance(entry, InputError):
                        known[str(file.resolve())] = [*stamp, entry[0]]
                with written_whole(index) as temporary:
                    temporary.write_text(json.dumps(known))
        return entries

    def _add(
        self, known: dict[str, list], file: pathlib.Path, stamp: tuple[int, int]
    ) -> tuple[str, int] | InputError:
        *before, digest = known.get(str(file.resolve()), (None, None, ""))
        num_frames = self._num_frames(digest) if tuple(before) == stamp else None
        if num_frames is not None:
            return digest, num_frames
        try:
            digest, make_frames = self.config.decode(file)
            num_frames = self._num_frames(digest)
            if num_frames is not None:
                return digest, num_frames
            with about(file):
                frames = make_frames()
        except InputError as error:
            return error
        free = shutil.disk_usage(self.folder).free
        if free < frames.nbytes:
            raise InputError(
                f"the cache {self.folder} has {free >> 20} MiB left on its disk; make room or give "
                "another folder by config.data.cache"
            )
        with written_whole(self.path(digest)) as temporary, temporary.open("wb") as out:
            np.save(out, frames)
        return digest, len(frames)

    def _num_frames(self, digest: str) -> int | None:
        """Frames of a spectrogram that is there, whole and of the right shape."""
        try:
            with self.path(digest).open("rb", buffering=0) as file:
                return self._check(file)
        except OSError:
            return None

    def _check(self, file: io.FileIO) -> int | None:
        """Number of frames, by the header; None if the file is not as it was written."""
        header = _HEADER.fullmatch(file.read(_HEADER_BYTES))
        if header is None:
            return None
        num_frames, num_bins = map(int, header.groups())
        size = _HEADER_BYTES + 2 * num_frames * num_bins
        whole = num_bins == self.config.num_bins and os.fstat(file.fileno()).st_size == size
        return num_frames if whole else None

    def read(self, digest: str, start: int, out: np.ndarray) -> None:
        """Copy the frames from `start` on into `out`, `[frames, bins]` float16.

        By a plain read at its place in the file, which takes a third of the time of mapping it.

        Raises:
          InputError: the file is missing, damaged, or ends before.
        """
        path = self.path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                whole = self._check(file) is not None
                file.seek(_HEADER_BYTES + start * out[0].nbytes)
                whole = whole and file.readinto(out) == out.nbytes
        except OSError:
            whole = False
        if not whole:
            raise InputError(
                f"the spectrogram {path} is missing or damaged; start again to have it computed "
                "anew"
            )


def _read_index(path: pathlib.Path) -> dict[str, list]:
    """Size, time of change and digest by path; what is damaged of it is left out."""
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {
        file: entry
        for file, entry in index.items()
        if isinstance(entry, list) and list(map(type, entry)) == [int, int, str]
    }


def _stamp(file: pathlib.Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
