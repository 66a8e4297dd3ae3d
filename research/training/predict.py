"""Genres of files and of waveforms of any length, by all networks of a run together."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from research.audio.waveform import Waveform
from research.data.segments import SegmentConfig, place_segments
from research.errors import InputError, about
from research.models.network import Network
from research.training.config import TrainConfig
from research.training.evaluation import in_batches, log_probabilities, normalise
from research.training.run import Run, find_audio_run

# Segments. Of one size for recordings of any length, so that one program is compiled.
_BATCH_SIZE = 4


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """The networks of all fits of a run.

    Attributes:
      config: of the run; its front end computes their inputs.
      genres: names of the classes, in the order of the logits.
      networks: the best network of each fit.
    """

    config: TrainConfig
    genres: tuple[str, ...]
    networks: tuple[Network, ...]

    @classmethod
    def restore(cls, run: Run) -> Self:
        """The best networks of a run.

        Raises:
          InputError: a checkpoint is missing or damaged.
        """
        return cls(run.config, run.genres, tuple(run.restore(fit)[0] for fit in run.fits))


def load_ensemble(checkpoint: str) -> Ensemble:
    """The networks that `config.checkpoint` names, for audio.

    Args:
      checkpoint: the workdir of a run_train.py run, or `shipped`.

    Raises:
      InputError: there is no training, it is damaged, or its networks cannot be used on audio.
    """
    run = find_audio_run(checkpoint)
    with about(f"config.checkpoint {checkpoint}"):
        return Ensemble.restore(run)


def cut_segments(frames: np.ndarray, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """The segments of `[frames, bins]`, evenly placed, with the overlap of the training.

    Frames shorter than a segment are repeated.

    Returns:
      A view of the frames `[starts, segment frames, bins]`, by the first frame of a segment, and
      the first frames of the segments, `[segments]`.
    """
    num_frames = config.segment_frames
    frames = np.tile(frames, (-(-num_frames // len(frames)), 1))
    windows = np.lib.stride_tricks.sliding_window_view(frames, num_frames, axis=0)
    placement = SegmentConfig(overlap=config.segments.overlap)
    starts = place_segments([len(frames)], num_frames, placement, seed=0).start
    return np.moveaxis(windows, -1, 1), starts


def predict_waveform(ensemble: Ensemble, waveform: Waveform) -> dict[str, Any]:
    """Probabilities of the genres of a waveform, see `predict_frames`.

    Raises:
      InputError: the waveform is shorter than a frame, or far above full scale.
    """
    return predict_frames(ensemble, ensemble.config.spectrogram.frames(waveform))


def predict_frames(ensemble: Ensemble, frames: np.ndarray) -> dict[str, Any]:
    """Probabilities of the genres of `[frames, bins]`.

    Log-probabilities are averaged over the segments of `cut_segments` and over the networks.

    Returns:
      `probabilities` by genre, and `segments`, a list with the start in `seconds` and the
      `probabilities` of each segment.
    """
    config, genres = ensemble.config, ensemble.genres
    windows, starts = cut_segments(frames, config)
    each = [
        in_batches(log_probabilities, network, windows.__getitem__, starts, _BATCH_SIZE)
        for network in ensemble.networks
    ]
    log_probs = np.asarray(np.mean(each, axis=0, dtype=np.float64))
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


def ranked(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Probabilities by genre, the highest first."""
    return dict(sorted(probabilities.items(), key=lambda item: -item[1]))


def predict_files(
    ensemble: Ensemble, files: list[pathlib.Path]
) -> Iterator[tuple[pathlib.Path | str, dict[str, Any] | InputError]]:
    """Name and prediction of each track in some files, or why it has none.

    See `FrontEnd.read_inputs` and `predict_frames`.
    """
    for name, frames in ensemble.config.spectrogram.read_inputs(files):
        yield name, frames if isinstance(frames, InputError) else predict_frames(ensemble, frames)


def predict_genres(
    ensemble: Ensemble, recordings: Mapping[str, Waveform]
) -> dict[str, dict[str, Any]]:
    """The genres of several waveforms.

    Args:
      ensemble: of networks of audio.
      recordings: waveforms by name, such as content, style and output.

    Returns:
      For each name, the most probable `genre`, and `probabilities` by genre, the highest first.

    Raises:
      InputError: a waveform is shorter than a frame or far above full scale; it gives the name.
    """
    found = {}
    for name, waveform in recordings.items():
        with about(name):
            probabilities = ranked(predict_waveform(ensemble, waveform)["probabilities"])
        found[name] = {"genre": next(iter(probabilities)), "probabilities": probabilities}
    return found


def in_words(predictions: Mapping[str, Mapping[str, Any]]) -> str:
    """The most probable genres of `predict_genres`, in one line."""
    genres = (
        f"{name} {found['genre']} ({100 * found['probabilities'][found['genre']]:.0f} %)"
        for name, found in predictions.items()
    )
    return f"predicted genres: {', '.join(genres)}"
