"""Genres of audio of any length, in files and in memory."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from flax import nnx

from research.audio.waveform import Waveform, load_waveform, may_be_audio
from research.data.segments import SegmentConfig, place_segments
from research.data.spectrograms import spectrogram
from research.data.tracks import is_hidden
from research.errors import InputError, about
from research.models.classifier import Variables
from research.training.config import TrainConfig
from research.training.evaluation import log_probabilities
from research.training.experiment import load_checkpoint, restore


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """All networks of an experiment, which are asked together.

    Attributes:
      config: they were trained by.
      genres: that they tell apart.
      networks: structure and variables of each fit.
    """

    config: TrainConfig
    genres: tuple[str, ...]
    networks: tuple[tuple[nnx.GraphDef, Variables], ...]


def restore_ensemble(
    workdir: pathlib.Path, config: TrainConfig, manifest: dict[str, Any]
) -> Ensemble:
    """The networks of a workdir, its config and manifest being those of `load_run`.

    Raises:
      InputError: a checkpoint is missing or damaged.
    """
    genres = tuple(manifest["genres"])
    networks = (restore(config, workdir, name, len(genres))[:2] for name in manifest["fits"])
    return Ensemble(config, genres, tuple(networks))


def load_ensemble(checkpoint: str) -> Ensemble:
    """The networks that `config.checkpoint` asks for.

    Args:
      checkpoint: workdir of a training by run_train.py.

    Raises:
      InputError: there is no such folder, no training in it, or it is damaged.
    """
    run = load_checkpoint(checkpoint)
    with about(f"config.checkpoint {checkpoint}"):
        return restore_ensemble(*run)


def hear(ensemble: Ensemble, waveform: Waveform) -> dict[str, Any]:
    """Probabilities of the genres of a waveform.

    It is heard in segments as even and as many as fit; log-probabilities are averaged over
    segments and over the networks. What is shorter than a segment is repeated.

    Returns:
      `probabilities` by genre, with those of each of the `segments`, at `seconds`.

    Raises:
      InputError: see `spectrogram`.
    """
    config, genres = ensemble.config, ensemble.genres
    num_frames, rate = config.segment_frames, config.spectrogram.sample_rate
    frames = spectrogram(waveform, config.spectrogram)
    frames = np.tile(frames, (-(-num_frames // len(frames)), 1))
    starts = place_segments([len(frames)], num_frames, SegmentConfig(), 0).start
    log_probs = np.concatenate(
        [
            _classify(ensemble, frames, starts[i : i + config.batch_size])
            for i in range(0, len(starts), config.batch_size)
        ]
    )
    return {
        "probabilities": _by_genre(log_probs.mean(0), genres),
        "segments": [
            {
                "seconds": float(start * config.spectrogram.stft.hop_length / rate),
                "probabilities": _by_genre(row, genres),
            }
            for start, row in zip(starts, log_probs, strict=True)
        ],
    }


def _classify(ensemble: Ensemble, frames: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mean over networks of the log-probabilities of a batch at most, `[segments, classes]`."""
    config = ensemble.config
    padded = np.pad(starts, (0, config.batch_size - len(starts)), "edge")
    batch = np.stack([frames[start : start + config.segment_frames] for start in padded])
    each = [
        np.asarray(log_probabilities(variables, batch, structure=structure), np.float64)
        for structure, variables in ensemble.networks
    ]
    return np.mean(each, axis=0)[: len(starts)]


def _by_genre(log_probs: np.ndarray, genres: tuple[str, ...]) -> dict[str, float]:
    probabilities = np.exp(log_probs - log_probs.max())
    probabilities /= probabilities.sum()
    return dict(zip(genres, probabilities.tolist(), strict=True))


def ranked(probabilities: dict[str, float]) -> dict[str, float]:
    """Probabilities by genre, the most probable first."""
    return dict(sorted(probabilities.items(), key=lambda item: -item[1]))


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
    ensemble: Ensemble, files: list[pathlib.Path]
) -> Iterator[tuple[pathlib.Path, dict[str, Any] | InputError]]:
    """Each file with what is heard in it, or why nothing is; see `hear`."""
    for file in files:
        try:
            waveform = load_waveform(file)
            with about(file):
                answer = hear(ensemble, waveform)
        except InputError as error:
            answer = error
        yield file, answer


def verdicts(checkpoint: str, takes: dict[str, Waveform]) -> dict[str, dict[str, Any]]:
    """What a trained classifier takes each of several waveforms for.

    Args:
      checkpoint: workdir of a training by run_train.py, whose networks are restored once.
      takes: waveforms by name, such as content, style and output.

    Returns:
      for each take, its most probable `genre`, and `probabilities` by genre, the highest first.

    Raises:
      InputError: see `load_ensemble` and, for a take by its name, `spectrogram`.
    """
    ensemble = load_ensemble(checkpoint)
    found = {}
    for name, waveform in takes.items():
        with about(name):
            probabilities = ranked(hear(ensemble, waveform)["probabilities"])
        found[name] = {"genre": next(iter(probabilities)), "probabilities": probabilities}
    return found


def in_words(found: dict[str, dict[str, Any]]) -> str:
    """Verdicts in one line."""
    heard = (
        f"{name} {one['genre']} ({100 * one['probabilities'][one['genre']]:.0f} %)"
        for name, one in found.items()
    )
    return f"heard as: {', '.join(heard)}"
