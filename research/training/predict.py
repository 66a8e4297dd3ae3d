"""Genres of audio files, of any length."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from research.audio.waveform import load_waveform, may_be_audio
from research.data.segments import SegmentConfig, place_segments
from research.data.spectrograms import spectrogram
from research.data.tracks import is_hidden
from research.errors import InputError
from research.training.config import TrainConfig
from research.training.evaluation import log_probabilities
from research.training.experiment import restore


def find_audio(path: str) -> list[pathlib.Path]:
    """The file, or all files under a folder but hidden ones, and pictures and texts by name.

    Raises:
      InputError: nothing is there.
    """
    start = pathlib.Path(path).expanduser()
    if not start.exists():
        raise InputError(f"--input {path} does not exist; give an audio file or a folder of them")
    if not start.is_dir():
        return [start]
    files = [
        file
        for file in sorted(start.rglob("*"))
        if file.is_file() and may_be_audio(file) and not is_hidden(file.relative_to(start))
    ]
    if not files:
        raise InputError(f"--input {path} holds no audio; give an audio file or a folder of them")
    return files


def predict(
    config: TrainConfig,
    workdir: pathlib.Path,
    fits: list[str],
    genres: list[str],
    files: list[pathlib.Path],
) -> Iterator[tuple[pathlib.Path, dict[str, Any] | InputError]]:
    """For each file its probabilities, or why there are none.

    A file is heard in segments as even and as many as fit; log-probabilities are averaged over
    segments and over the fits of the experiment. Audio shorter than a segment is repeated.

    Yields:
      the file, and `probabilities` by genre with those of each of its `segments`, at `seconds`.

    Raises:
      InputError: a checkpoint is missing or damaged.
    """
    num_frames, hop = config.segment_frames, config.spectrogram.stft.hop_length
    networks = [restore(config, workdir, name, len(genres)) for name in fits]
    for file in files:
        try:
            waveform = load_waveform(file)
        except InputError as error:
            yield file, error
            continue
        try:
            frames = spectrogram(waveform, config.spectrogram)
        except InputError as error:
            yield file, InputError(f"{file}: {error}")
            continue
        frames = np.tile(frames, (-(-num_frames // len(frames)), 1))
        starts = place_segments([len(frames)], num_frames, SegmentConfig(), 0).start
        log_probs = np.concatenate(
            [
                _classify(networks, frames, starts[i : i + config.batch_size], num_frames, config)
                for i in range(0, len(starts), config.batch_size)
            ]
        )
        yield (
            file,
            {
                "probabilities": _by_genre(log_probs.mean(0), genres),
                "segments": [
                    {
                        "seconds": float(start * hop / config.spectrogram.sample_rate),
                        "probabilities": _by_genre(row, genres),
                    }
                    for start, row in zip(starts, log_probs, strict=True)
                ],
            },
        )


def _classify(networks, frames, starts, num_frames, config) -> np.ndarray:
    """Mean over networks of the log-probabilities of segments, `[segments, classes]`."""
    padded = np.pad(starts, (0, config.batch_size - len(starts)), "edge")
    batch = np.stack([frames[start : start + num_frames] for start in padded])
    each = [
        np.asarray(log_probabilities(variables, batch, structure=structure), np.float64)
        for structure, variables, _ in networks
    ]
    return np.mean(each, axis=0)[: len(starts)]


def _by_genre(log_probs: np.ndarray, genres: list[str]) -> dict[str, float]:
    probabilities = np.exp(log_probs - log_probs.max())
    probabilities /= probabilities.sum()
    return dict(zip(genres, probabilities.tolist(), strict=True))
