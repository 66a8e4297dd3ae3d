"""Principal components of what an experiment trains on."""

import dataclasses

import numpy as np

from research.data.pca import Pca, fit_pca
from research.data.splits import describe
from research.data.tracks import Collection
from research.training.config import TrainConfig
from research.training.experiment import Fit, OnProgress


def fit_training_part(
    config: TrainConfig, collection: Collection, one: Fit, on_progress: OnProgress
) -> Pca:
    """Components of the training segments of a fit, as they lie there, nothing augmented.

    Where there are more than `config.pca.num_segments`, the seed of the fit chooses among them.

    Raises:
      InputError: a spectrogram is missing, or all segments are the same.
    """
    count = min(config.pca.num_segments, len(one.split.train))
    random = np.random.default_rng([one.seed, 0x9CA])
    chosen = np.sort(random.permutation(one.split.train)[:count])
    segments = np.empty((count, *one.reader.shape), np.float16)
    for start in range(0, count, config.batch_size):
        part = slice(start, start + config.batch_size)
        segments[part] = one.reader.read(chosen[part]).spectrogram
        on_progress("segments", min(part.stop, count), count)
    origin = {
        "root": collection.root,
        "protocol": describe(config.data, config.seed, config.seeds),
        "fit": one.name,
        "num_tracks": len(np.unique(one.reader.segments.track[chosen])),
        "num_segments": count,
        "config": dataclasses.asdict(config.pca),
    }
    return fit_pca(segments, config.spectrogram, config.pca, origin)


def in_words(pca: Pca) -> str:
    """How much the components explain, and of what."""
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
