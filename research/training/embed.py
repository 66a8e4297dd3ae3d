"""Map of tracks in the feature space of a network: t-SNE of its features."""

import collections
import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.waveform import Waveform
from research.data.same_recording import group_tracks
from research.data.tracks import Collection
from research.errors import InputError, about
from research.models.network import Network
from research.report.feature_map import Point
from research.training.config import TrainConfig
from research.training.evaluation import by_track, in_batches, wilson_interval
from research.training.experiment import Fit
from research.training.predict import cut_segments
from research.training.run import Run

_NUM_NEIGHBOURS = 5
_MIN_TRACKS = 4
_MAX_PERPLEXITY = 30.0
_ROUNDING = 1e-6  # Relative to the largest value of a feature; one that varies less is constant.


@dataclasses.dataclass(frozen=True)
class Embedding:
    """Points in the plane, close to each other where the features of a network are similar.

    Attributes:
      points: tracks, then recordings.
      perplexity: of the t-SNE.
      num_features: dimension of the feature space.
      nearest: number of test recordings whose nearest neighbours in the feature space are mostly
        of their genre, and number of test recordings; None if there are too few.
    """

    points: tuple[Point, ...]
    perplexity: float
    num_features: int
    nearest: tuple[int, int] | None


def embed(
    run: Run, collection: Collection, fit: Fit, recordings: Mapping[str, Waveform]
) -> Embedding:
    """Map the tracks of a fit, and other recordings among them, by the network of the fit.

    Args:
      run: whose network is used.
      collection: with classes numbered as in training.
      fit: its subsets, in `collection`.
      recordings: waveforms by name.

    Raises:
      InputError: there are too few tracks, the checkpoint is missing or damaged, a recording is too
        short or too loud, or the features are constant.
    """
    genres = collection.genres
    num_tracks = len(np.unique(fit.reader.segments.track[_used(fit)]))
    if num_tracks < _MIN_TRACKS:
        raise InputError(
            f"{collection.root} has {num_tracks} track{'s' * (num_tracks != 1)}, and a map needs "
            f"at least {_MIN_TRACKS}; give more by --config.data.root"
        )
    network, _ = run.restore(fit.name)
    features, log_probs, numbers = mean_features(run.config, fit, network, recordings)
    points = standardise(features, len(numbers))
    if not points.any():
        raise InputError(
            f"the features of {fit.name} in {run.folder} are the same for all tracks; train again, "
            "at a lower config.learning_rate, in another --workdir"
        )
    places, perplexity = t_sne(points, run.config.seed)
    tracks = [collection.tracks[number] for number in numbers]
    trained = run.subsets_of(collection)[fit.name]
    subsets = [trained.get(track.digest, "test") for track in tracks]
    described = [
        *(
            (track.name, genres[track.genre], subset)
            for track, subset in zip(tracks, subsets, strict=True)
        ),
        *((name, "", "take") for name in recordings),
    ]
    tested = [row for row, subset in enumerate(subsets) if subset == "test"]
    # Slices and exact duplicates would be each other's nearest neighbours.
    by_names = run.config.data.recordings == "names"
    groups = [
        [tested[index] for index in group]
        for group in group_tracks([tracks[row] for row in tested], by_names)
    ]
    means = np.array([points[group].mean(axis=0) for group in groups])
    classes = np.array([tracks[group[0]].genre for group in groups], int)
    return Embedding(
        tuple(
            Point(name, genre, subset, genres[best], float(x), float(y))
            for (name, genre, subset), best, (x, y) in zip(
                described, log_probs.argmax(1), places, strict=True
            )
        ),
        perplexity,
        features.shape[1],
        count_nearest(means, classes),
    )


def mean_features(
    config: TrainConfig, fit: Fit, network: Network, recordings: Mapping[str, Waveform]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features and log-probabilities of tracks and recordings, means over their segments.

    Returns:
      Features `[tracks + recordings, features]`, log-probabilities
      `[tracks + recordings, classes]`, and the indices of the tracks, `[tracks]`.

    Raises:
      InputError: a recording is shorter than a frame, or far above full scale.
    """

    def compute(
        read: Callable[[np.ndarray], np.ndarray], indices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return in_batches(features_and_log_probabilities, network, read, indices, config.batch_size)

    indices = _used(fit)
    segments = compute(lambda chosen: fit.reader.read(chosen).spectrogram, indices)
    track = fit.reader.segments.track[indices]
    (features, tracks), (log_probs, _) = (by_track(values, track) for values in segments)
    for name, recording in recordings.items():
        with about(name):
            windows, starts = cut_segments(config.spectrogram.frames(recording), config)
        segments = compute(windows.__getitem__, starts)
        own_features, own_log_probs = (values.mean(0, dtype=np.float64) for values in segments)
        features = np.vstack([features, own_features])
        log_probs = np.vstack([log_probs, own_log_probs])
    return features, log_probs, tracks


def _used(fit: Fit) -> np.ndarray:
    """Indices of the segments that are in a subset."""
    return np.concatenate(list(fit.split.subsets.values()))


@jax.jit
def features_and_log_probabilities(
    network: Network, spectrogram: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`[batch, frames, bins]` to `[batch, features]` and `[batch, classes]`."""
    logits, activations = network(spectrogram.astype(jnp.float32))
    return activations["features"], jax.nn.log_softmax(logits)


def standardise(features: np.ndarray, num_tracks: int) -> np.ndarray:
    """Features `[points, features]` with mean 0 and variance 1 over the tracks.

    The tracks are the first rows. A feature that is constant over them becomes 0.
    """
    tracks = features[:num_tracks]
    deviation = tracks.std(0)
    varies = deviation > _ROUNDING * np.abs(tracks).max(0)
    return (features - tracks.mean(0)) / np.where(varies, deviation, np.inf)


def t_sne(points: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Places `[points, 2]` of `[points, features]` by t-SNE, and its perplexity.

    It runs in one thread: several would add in another order each time, and the places would
    differ.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(_MAX_PERPLEXITY, (len(points) - 1) / 3)
    # It starts from two principal components; a column of zeros makes that work for one feature.
    points = np.pad(points, ((0, 0), (0, 1)))
    with threadpool_limits(1):
        method = TSNE(perplexity=perplexity, init="pca", random_state=seed)
        return method.fit_transform(points), perplexity


def count_nearest(points: np.ndarray, classes: np.ndarray) -> tuple[int, int] | None:
    """Number of points whose class is the most frequent one among their five nearest neighbours.

    If several classes have the most neighbours, the class of the nearest of these counts.

    Args:
      points: `[points, features]`.
      classes: `[points]`.

    Returns:
      That number and the number of points; None if there is one class only, or a class has not
      more than five points.
    """
    counts = np.bincount(classes)
    if np.count_nonzero(counts) < 2 or counts[counts > 0].min() <= _NUM_NEIGHBOURS:
        return None
    squares = np.square(points).sum(1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = classes[np.argsort(distances, axis=1, kind="stable")[:, :_NUM_NEIGHBOURS]]
    most = [collections.Counter(row.tolist()).most_common(1)[0][0] for row in nearest]
    return int(np.count_nonzero(np.array(most) == classes)), len(classes)


def in_words(embedding: Embedding) -> str:
    """How many tracks there are, and how well their neighbours predict the genre, in one line."""
    subsets = [point.part for point in embedding.points if point.part != "take"]
    line = f"{len(subsets)} tracks, {subsets.count('test')} of them held out"
    if embedding.nearest is None:
        return line
    correct, total = embedding.nearest
    low, high = wilson_interval(correct, total)
    return (
        f"{line}: in the space of {embedding.num_features} features, not of the figure, the "
        f"{_NUM_NEIGHBOURS} nearest others of {total} recordings predict the genre of "
        f"{correct / total:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )
