"""Genres of audio of any length, in files and in memory; and of pictures and rows of tables."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from research.audio.waveform import Waveform
from research.data.segments import SegmentConfig, place_segments
from research.errors import InputError, about
from research.models.network import Network
from research.training.config import TrainConfig
from research.training.evaluation import in_batches, log_probabilities, normalise
from research.training.run import load_checkpoint, restore
from research.training.sharding import make_mesh


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """All networks of an experiment, which are asked together.

    Attributes:
      config: they were trained by.
      genres: that they tell apart.
      networks: best of each fit.
    """

    config: TrainConfig
    genres: tuple[str, ...]
    networks: tuple[Network, ...]


def restore_ensemble(
    workdir: pathlib.Path, config: TrainConfig, manifest: dict[str, Any]
) -> Ensemble:
    """The networks of a workdir, its config and manifest being those of `load_run`.

    Raises:
      InputError: a checkpoint is missing or damaged.
    """
    genres = tuple(manifest["genres"])
    networks = (restore(config, workdir, name, len(genres))[0] for name in manifest["fits"])
    return Ensemble(config, genres, tuple(networks))


def load_ensemble(checkpoint: str) -> Ensemble:
    """The networks that `config.checkpoint` asks for.

    Args:
      checkpoint: workdir of a training by run_train.py, or `shipped`.

    Raises:
      InputError: there is no such folder, no training in it, or it is damaged.
    """
    run = load_checkpoint(checkpoint)
    with about(f"config.checkpoint {checkpoint}"):
        return restore_ensemble(*run)


def cut(frames: np.ndarray, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Segments of `[frames, bins]`, as even and as many as fit; what is shorter is repeated.

    They overlap as in training.

    Returns:
      all pieces of a segment's length, a view `[frames, segment frames, bins]` by their first
      frame, and the first frames of the segments, `[segments]`.
    """
    num_frames = config.segment_frames
    frames = np.tile(frames, (-(-num_frames // len(frames)), 1))
    pieces = np.lib.stride_tricks.sliding_window_view(frames, num_frames, axis=0)
    placement = SegmentConfig(overlap=config.segments.overlap)
    starts = place_segments([len(frames)], num_frames, placement, seed=0).start
    return np.moveaxis(pieces, -1, 1), starts


def hear(ensemble: Ensemble, waveform: Waveform) -> dict[str, Any]:
    """Probabilities of the genres of a waveform, by networks of audio; see `hear_frames`.

    Raises:
      InputError: the waveform is shorter than a frame, or far above full scale.
    """
    return hear_frames(ensemble, ensemble.config.spectrogram.frames(waveform))


def hear_frames(ensemble: Ensemble, frames: np.ndarray) -> dict[str, Any]:
    """Probabilities of the genres of `[frames, bins]`.

    They are heard in the segments of `cut`; log-probabilities are averaged over segments and over
    the networks.

    Returns:
      `probabilities` by genre, with those of each of the `segments`, at `seconds`.
    """
    config, genres = ensemble.config, ensemble.genres
    pieces, starts = cut(frames, config)
    # A few segments do not fill a batch; a power of two compiles for few sizes.
    batch_size = min(config.batch_size, 1 << (len(starts) - 1).bit_length())
    mesh = make_mesh(batch_size)
    each = [
        in_batches(log_probabilities, network, pieces.__getitem__, starts, batch_size, mesh)
        for network in ensemble.networks
    ]
    log_probs = np.mean(each, axis=0, dtype=np.float64)
    return {
        "probabilities": _by_genre(log_probs.mean(0), genres),
        "segments": [
            {
                "seconds": float(start * config.spectrogram.frame_seconds),
                "probabilities": _by_genre(row, genres),
            }
            for start, row in zip(starts, log_probs, strict=True)
        ],
    }


def _by_genre(log_probs: np.ndarray, genres: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(genres, np.exp(normalise(log_probs)).tolist(), strict=True))


def ranked(probabilities: dict[str, float]) -> dict[str, float]:
    """Probabilities by genre, the most probable first."""
    return dict(sorted(probabilities.items(), key=lambda item: -item[1]))


def predict(
    ensemble: Ensemble, files: list[pathlib.Path]
) -> Iterator[tuple[pathlib.Path | str, dict[str, Any] | InputError]]:
    """Each file, or track of a table, with what is heard in it, or why nothing is.

    See `FrontEnd.read_inputs` and `hear_frames`.
    """
    for name, frames in ensemble.config.spectrogram.read_inputs(files):
        yield name, frames if isinstance(frames, InputError) else hear_frames(ensemble, frames)


def verdicts(ensemble: Ensemble, takes: dict[str, Waveform]) -> dict[str, dict[str, Any]]:
    """What trained classifiers take each of several waveforms for.

    Args:
      ensemble: of `load_ensemble`.
      takes: waveforms by name, such as content, style and output.

    Returns:
      for each take, its most probable `genre`, and `probabilities` by genre, the highest first.

    Raises:
      InputError: see `hear`; it names the take.
    """
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
