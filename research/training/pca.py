"""Principal components of the training segments of a fit."""

import dataclasses

import numpy as np

from research.data.pca import Pca, fit_pca
from research.data.splits import describe
from research.data.tracks import Collection
from research.training.config import TrainConfig
from research.training.experiment import Fit, OnProgress


def fit_training_segments(
    config: TrainConfig, collection: Collection, fit: Fit, on_progress: OnProgress
) -> Pca:
    """Components of the training segments of a fit, without augmentation.

    If there are more than `config.pca.num_segments`, the seed of the fit chooses among them.

    Args:
      config: of the training.
      collection: that the fit was made of.
      fit: whose training segments are used.
      on_progress: called with "segments", the number read and their total.

    Raises:
      InputError: a spectrogram is missing, or all segments are the same.
    """
    count = min(config.pca.num_segments, len(fit.split.train))
    random = np.random.default_rng([fit.seed, 0x9CA])
    chosen = np.sort(random.permutation(fit.split.train)[:count])
    segments = np.empty((count, *fit.reader.shape), np.float16)
    for start in range(0, count, config.batch_size):
        batch = slice(start, start + config.batch_size)
        segments[batch] = fit.reader.read(chosen[batch]).spectrogram
        on_progress("segments", min(batch.stop, count), count)
    origin = {
        "root": collection.root,
        "protocol": describe(config.data, config.seed, config.seeds),
        "fit": fit.name,
        "num_tracks": len(np.unique(fit.reader.segments.track[chosen])),
        "num_segments": count,
        "config": dataclasses.asdict(config.pca),
    }
    return fit_pca(segments, config.spectrogram, config.pca, origin)


def in_words(pca: Pca) -> str:
    """How much variance the components explain, and of which segments, in one line."""
    frames, bins = pca.mean.shape
    explained, origin = pca.explained_variance_ratio.sum(), pca.origin
    wanted = origin["config"]["explained_variance"]
    short = ""
    if len(pca.components) == origin["config"]["max_components"] and explained < wanted:
        short = f"; {wanted:.1%} takes more than config.pca.max_components"
    return (
        f"{len(pca.components)} components explain {explained:.1%} of the variance of "
        f"{origin['num_segments']} training segments of {frames} frames by {bins} bins "
        f"({origin['num_tracks']} tracks, {origin['fit']}){short}"
    )
