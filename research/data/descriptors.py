"""The descriptors of a track in GTZAN's feature tables, by their published recipe, and such tables.

A table is a CSV file of 60 columns: the file, its samples, 57 descriptors, the genre. There are two
of them, of whole tracks and of slices of 3 s. The recipe was never published in words; the one here
gives the published values of tracks whose audio is the published one.
"""

import csv
import dataclasses
import math
import os
import pathlib
import warnings
from collections.abc import Iterable

import numpy as np

from research.audio.waveform import Waveform, match_channels, resample
from research.errors import InputError
from research.tables import save_table

SAMPLE_RATE = 22050
FEATURES = (
    *(
        f"{name}_{statistic}"
        for name in (
            "chroma_stft",
            "rms",
            "spectral_centroid",
            "spectral_bandwidth",
            "rolloff",
            "zero_crossing_rate",
            "harmony",
            "perceptr",
        )
        for statistic in ("mean", "var")
    ),
    "tempo",
    *(f"mfcc{i}_{statistic}" for i in range(1, 21) for statistic in ("mean", "var")),
)
COLUMNS = ("filename", "length", *FEATURES, "label")
# Slices begin every 3 s and are one sample shorter, as published.
SLICE_SECONDS = 3
_SLICE_STRIDE = SLICE_SECONDS * SAMPLE_RATE
_SLICE_SAMPLES = _SLICE_STRIDE - 1
HOP_LENGTH = 512
_N_FFT = 2048
_MEDIAN_WIDTH = 31
_LOUDEST = 1e6  # Full scale is 1; what is squared of it fits into single precision.


@dataclasses.dataclass(frozen=True)
class Descriptors:
    """A table of descriptors.

    Attributes:
      names: of files, or of slices of them, `[rows]`.
      lengths: samples at 22 050 Hz, `[rows]` int64.
      features: in the order of `FEATURES`, `[rows, 57]` float64.
      labels: genres, `[rows]`.
    """

    names: tuple[str, ...]
    lengths: np.ndarray
    features: np.ndarray
    labels: tuple[str, ...]


def describe(samples: np.ndarray) -> np.ndarray:
    """The descriptors of `[samples]` float32 at 22 050 Hz, in the order of `FEATURES`, `[57]`.

    Means and population variances over frames of 2048 samples every 512, reflected at the ends;
    chroma over its twelve classes, too. Centroid, bandwidth and roll-off are in Hz, `tempo` in
    beats a minute. `harmony` and `perceptr` are the waveforms of a harmonic-percussive separation,
    0 after the last whole hop, as when the tables were made; their means are the audio's offset
    from 0, next to nothing. Digital silence has descriptors, all of them finite.
    """
    import librosa

    stft = librosa.stft(samples, n_fft=_N_FFT, hop_length=HOP_LENGTH, pad_mode="reflect")
    magnitude = np.abs(stft)
    power = magnitude**2
    frames = {"sr": SAMPLE_RATE, "n_fft": _N_FFT, "hop_length": HOP_LENGTH}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning from empty frequency set")
        chroma = librosa.feature.chroma_stft(S=power, **frames)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, n_mels=128, **frames))
    onsets = librosa.onset.onset_strength(S=mel, aggregate=np.median, **frames)
    # What beat_track says, without tracking beats.
    tempo = librosa.feature.tempo(onset_envelope=onsets, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)[0]
    framing = {"frame_length": _N_FFT, "hop_length": HOP_LENGTH}
    values = (
        chroma,
        librosa.feature.rms(y=samples, pad_mode="reflect", **framing),
        librosa.feature.spectral_centroid(S=magnitude, **frames),
        librosa.feature.spectral_bandwidth(S=magnitude, **frames),
        librosa.feature.spectral_rolloff(S=magnitude, **frames),
        librosa.feature.zero_crossing_rate(samples, **framing),
        *_separate(stft, magnitude, len(samples)),
    )
    timbre = librosa.feature.mfcc(S=mel, n_mfcc=20)
    return np.array(
        [*_statistics(values), tempo if onsets.any() else 0.0, *_statistics(timbre)], np.float64
    )


def _statistics(values: Iterable[np.ndarray]) -> list[float]:
    """Mean and population variance of each."""
    return [statistic(part, dtype=np.float64) for part in values for statistic in (np.mean, np.var)]


def _separate(
    stft: np.ndarray, magnitude: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic and percussive waveforms, `[length]` each, 0 after the last whole hop.

    They are those of `librosa.effects.hpss` as it was before it filled up the end.
    Its median filters would take most of the time of all descriptors; these are ten times faster.
    """
    import librosa

    harmonic = _running_median(magnitude)
    percussive = _running_median(np.ascontiguousarray(magnitude.T)).T
    masks = (
        librosa.util.softmask(one, other, power=2, split_zeros=True)
        for one, other in ((harmonic, percussive), (percussive, harmonic))
    )
    return tuple(
        librosa.util.fix_length(librosa.istft(stft * mask, hop_length=HOP_LENGTH), size=length)
        for mask in masks
    )


def _running_median(rows: np.ndarray) -> np.ndarray:
    """Median of 31 neighbours along the rows of `[rows, columns]`, mirrored at their ends.

    The rows are filtered end to end as one, because SciPy is fast in one dimension only.
    """
    from scipy import ndimage

    side = _MEDIAN_WIDTH // 2
    padded = np.pad(rows, [(0, 0), (side, side)], mode="symmetric")
    medians = ndimage.median_filter(padded.ravel(), size=_MEDIAN_WIDTH)
    return medians.reshape(padded.shape)[:, side:-side]


def describe_track(waveform: Waveform) -> np.ndarray:
    """Length and descriptors of a track and then of each whole slice, `[1 + slices, 58]` float64.

    Of the mean of its channels at 22 050 Hz.

    Raises:
      InputError: the samples are far above full scale.
    """
    mono = Waveform(match_channels(waveform.samples, 1), waveform.sample_rate)
    samples = resample(mono, SAMPLE_RATE).samples[0]
    if np.abs(samples).max() > _LOUDEST:
        raise InputError("samples are far above full scale; export it anew")
    starts = range(0, len(samples) - _SLICE_SAMPLES + 1, _SLICE_STRIDE)
    parts = [samples, *(samples[start:][:_SLICE_SAMPLES] for start in starts)]
    return np.array([[len(part), *describe(part)] for part in parts])


def tables(tracks: Iterable[tuple[str, np.ndarray]]) -> tuple[Descriptors, Descriptors]:
    """The tables of whole tracks and of slices.

    Args:
      tracks: path of each, which begins with the folder of its genre, and its `describe_track`.
    """
    whole, slices = [], []
    for name, rows in tracks:
        genre, name = name.split("/", 1)
        path = pathlib.PurePosixPath(name)
        whole.append((name, rows[0], genre))
        for i, row in enumerate(rows[1:]):
            slices.append((str(path.with_name(f"{path.stem}.{i}{path.suffix}")), row, genre))
    return _table(whole), _table(slices)


def _table(rows: list[tuple[str, np.ndarray, str]]) -> Descriptors:
    values = np.array([row for _, row, _ in rows]).reshape(len(rows), 1 + len(FEATURES))
    names, labels = (tuple(row[i] for row in rows) for i in (0, 2))
    return Descriptors(names, values[:, 0].astype(np.int64), values[:, 1:], labels)


def save_descriptors(path: str | os.PathLike, table: Descriptors) -> None:
    """Write a table as CSV, whole or not at all; what is read again is equal to the last bit."""
    columns = table.names, table.lengths.tolist(), table.features.tolist(), table.labels
    rows = zip(*columns, strict=True)
    save_table(path, COLUMNS, ((name, size, *values, label) for name, size, values, label in rows))


def load_descriptors(path: str | os.PathLike) -> Descriptors:
    """Read a table, published or written here.

    Raises:
      InputError: it cannot be read, has other columns, no rows, a row of another width, one without
        a name or genre, or a value that is no finite number.
    """
    path = pathlib.Path(path).expanduser()
    rows = []
    try:
        # Names of files need not be text, and tables of spreadsheets begin with a mark.
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            _check_header(path, next(reader, []))
            for cells in reader:
                if cells:
                    rows.append(_read_row(f"{path} line {reader.line_num}", cells))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); give a CSV file "
            "of descriptors, such as --mode=describe writes"
        ) from error
    if not rows:
        raise InputError(f"{path} holds no rows under its header; give a table with tracks in it")
    return _table(rows)


def _check_header(path: pathlib.Path, header: list[str]) -> None:
    mend = "give the 60 columns of GTZAN's feature tables in their order"
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]}; {mend}")
    for number, (found, wanted) in enumerate(zip(header, COLUMNS, strict=False), 1):
        if found != wanted:
            raise InputError(f"{path} has {found!r} as column {number}, not {wanted}; {mend}")
    if len(header) > len(COLUMNS):
        raise InputError(f"{path} has the column {header[len(COLUMNS)]!r} too many; {mend}")


def _read_row(place: str, cells: list[str]) -> tuple[str, np.ndarray, str]:
    if len(cells) != len(COLUMNS):
        raise InputError(f"{place} has {len(cells)} columns, not {len(COLUMNS)}; get a whole copy")
    name, label = cells[0], cells[-1]
    for column, cell in (("filename", name), ("label", label)):
        if not cell.strip():
            raise InputError(f"{place}: column {column} is empty; fill it in or take the row out")
    values = []
    for column, cell in zip(COLUMNS[1:-1], cells[1:-1], strict=True):
        try:
            values.append(float(cell))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            raise InputError(
                f"{place} ({name}): column {column} is {cell!r}, no finite number; mend it or take "
                "the row out"
            )
    return name, np.array(values), label
