"""What a trained network hears in each track, as points of a plane: t-SNE of its features."""

import collections
import dataclasses
import functools
import pathlib
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.waveform import Waveform, load_waveform
from research.data.tracks import Collection
from research.errors import InputError, about
from research.models.network import Network
from research.report.feature_map import Point
from research.training.config import TrainConfig
from research.training.evaluation import by_track, in_batches, wilson_interval
from research.training.experiment import Fit
from research.training.predict import cut
from research.training.run import restore, training_parts
from research.training.sharding import make_mesh
from research.transfer.style_source import parse_source
from research.transfer.takes import TAKES
from research.workdir import load_json

_NUM_NEIGHBOURS = 5
_MIN_TRACKS = 4
_MAX_PERPLEXITY = 30.0
_ROUNDING = 1e-6  # Of the largest value of a feature: what varies less is constant.


@dataclasses.dataclass(frozen=True)
class Embedding:
    """Points that are close to each other where a network hears the same.

    Attributes:
      points: tracks, then takes.
      perplexity: of the t-SNE.
      num_features: of the network.
      nearest: held-out tracks of which most neighbours in the features are of their genre, and
        held-out tracks; None where these are too few.
    """

    points: tuple[Point, ...]
    perplexity: float
    num_features: int
    nearest: tuple[int, int] | None


def load_takes(transfer: str) -> dict[str, Waveform]:
    """Content, style and output of a transfer by these names.

    A style that is not one audio file is left out with a warning.

    Args:
      transfer: workdir of a run of run_transfer.py.

    Raises:
      InputError: a file is missing or damaged.
    """
    folder = pathlib.Path(transfer).expanduser()
    if (folder / TAKES).is_dir():
        raise InputError(f"--transfer {folder} holds a sweep; give a take, {folder / TAKES}/000")
    with about(f"--transfer {transfer}"):
        metrics = load_json(folder / "metrics.json")
        named = [isinstance(metrics, dict) and metrics.get(key) for key in ("content", "style")]
        if not all(isinstance(text, str) and text for text in named):
            raise InputError(
                f"{folder / 'metrics.json'} names no content and style; give the --workdir of a "
                "run_transfer.py run"
            )
        output = load_waveform(folder / "output.wav")
    with about(f"--transfer {transfer} (its paths are from where it was run)"):
        takes = {"content": load_waveform(pathlib.Path(named[0]).expanduser())}
        style, *others = parse_source(named[1])
        if others or not style.is_audio_file:
            warnings.warn(
                f"the style {named[1]} of --transfer {transfer} is not one audio file, so it is "
                "not in the picture",
                stacklevel=2,
            )
        else:
            takes["style"] = load_waveform(style.path)
    return takes | {"output": output}


def embed(
    config: TrainConfig,
    collection: Collection,
    one: Fit,
    workdir: pathlib.Path,
    manifest: dict[str, Any],
    takes: dict[str, Waveform],
) -> Embedding:
    """Where a network hears the tracks of its split, and takes of a transfer among them.

    Args:
      config: of the data and the network.
      collection: its classes numbered as in training.
      one: the fit, its parts in `collection`.
      workdir: with its checkpoint.
      manifest: of the training.
      takes: waveforms by name.

    Raises:
      InputError: too few tracks, a checkpoint that is missing or damaged, a take that cannot be
        heard, or features that never change.
    """
    genres = collection.genres
    num_tracks = len(np.unique(one.reader.segments.track[_drawn(one)]))
    if num_tracks < _MIN_TRACKS:
        raise InputError(
            f"{collection.root} has {num_tracks} track{'s' * (num_tracks != 1)}, and a picture "
            f"takes at least {_MIN_TRACKS}; give more by --config.data.root"
        )
    network, _ = restore(config, workdir, one.name, len(genres))
    features, log_probs, numbers = hear_tracks(config, one, network, takes)
    points = standardise(features, len(numbers))
    if not points.any():
        raise InputError(
            f"the features of {one.name} in {workdir} are the same for all tracks; train again, at "
            "a lower config.learning_rate, in another --workdir"
        )
    places, perplexity = t_sne(points, config.seed)
    tracks = [collection.tracks[number] for number in numbers]
    known = training_parts(config, manifest, collection)[one.name]
    parts = [known.get(track.digest, "test") for track in tracks]
    described = [
        *(
            (track.name, genres[track.genre], part)
            for track, part in zip(tracks, parts, strict=True)
        ),
        *((name, "", "take") for name in takes),
    ]
    # Exact duplicates would be each other's nearest.
    held_out = {tracks[row].digest: row for row, part in enumerate(parts) if part == "test"}
    rows = sorted(held_out.values())
    return Embedding(
        tuple(
            Point(*words, genres[best], *map(float, place))
            for words, best, place in zip(described, log_probs.argmax(1), places, strict=True)
        ),
        perplexity,
        features.shape[1],
        count_nearest(points[rows], np.array([tracks[row].genre for row in rows], int)),
    )


def hear_tracks(
    config: TrainConfig,
    one: Fit,
    network: Network,
    takes: dict[str, Waveform],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over segments of what a network makes of each track of a split, and of takes.

    Returns:
      features `[tracks + takes, features]`, log-probabilities `[tracks + takes, classes]` and the
      indices of the tracks, `[tracks]`.

    Raises:
      InputError: a take is shorter than a frame, or far above full scale.
    """
    listen = functools.partial(
        in_batches,
        features_and_log_probabilities,
        network,
        batch_size=config.batch_size,
        mesh=make_mesh(config.batch_size),
    )
    indices = _drawn(one)
    segments = listen(read=lambda chosen: one.reader.read(chosen).spectrogram, indices=indices)
    track = one.reader.segments.track[indices]
    (features, tracks), (log_probs, _) = (by_track(values, track) for values in segments)
    for name, take in takes.items():
        with about(name):
            pieces, starts = cut(config.spectrogram.frames(take), config)
        heard = listen(read=pieces.__getitem__, indices=starts)
        mean_features, mean_log_probs = (values.mean(0, dtype=np.float64) for values in heard)
        features = np.vstack([features, mean_features])
        log_probs = np.vstack([log_probs, mean_log_probs])
    return features, log_probs, tracks


def _drawn(one: Fit) -> np.ndarray:
    """Indices of the segments that a split has a place for."""
    return np.concatenate(list(one.split.subsets.values()))


@jax.jit
def features_and_log_probabilities(
    network: Network, spectrogram: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`[batch, frames, bins]` to `[batch, features]` and `[batch, classes]`."""
    logits, activations = network(spectrogram.astype(jnp.float32))
    return activations["features"], jax.nn.log_softmax(logits)


def standardise(features: np.ndarray, num_tracks: int) -> np.ndarray:
    """Each feature with mean 0 and variance 1 over the tracks, which come first.

    A feature that is constant over the tracks is 0. `[points, features]`.
    """
    tracks = features[:num_tracks]
    deviation = tracks.std(0)
    varies = deviation > _ROUNDING * np.abs(tracks).max(0)
    return (features - tracks.mean(0)) / np.where(varies, deviation, np.inf)


def t_sne(points: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Places in a plane for `[points, features]`, `[points, 2]`, and the perplexity for so few.

    By one thread: several would add up in another order each time, and t-SNE makes much of that.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(_MAX_PERPLEXITY, (len(points) - 1) / 3)
    # It begins from two principal components, also where there is one feature.
    points = np.pad(points, ((0, 0), (0, 1)))
    with threadpool_limits(1):
        method = TSNE(perplexity=perplexity, init="pca", random_state=seed)
        return method.fit_transform(points), perplexity


def count_nearest(points: np.ndarray, classes: np.ndarray) -> tuple[int, int] | None:
    """How often most of the five nearest others are of the own class, and of how many.

    Between classes with as many neighbours, the nearest neighbour decides.

    Returns:
      None where a class has too few points for five neighbours of its own, or is alone.
    """
    counts = np.bincount(classes)
    if np.count_nonzero(counts) < 2 or counts[counts > 0].min() <= _NUM_NEIGHBOURS:
        return None
    squares = np.square(points).sum(1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    nearest = classes[np.argsort(distances, axis=1, kind="stable")[:, :_NUM_NEIGHBOURS]]
    most = [collections.Counter(row.tolist()).most_common(1)[0][0] for row in nearest]
    return int(np.count_nonzero(most == classes)), len(classes)


def in_words(embedding: Embedding) -> str:
    """How many tracks there are, and what the features are worth where enough are held out."""
    parts = [point.part for point in embedding.points if point.part != "take"]
    line = f"{len(parts)} tracks, {parts.count('test')} of them held out"
    if embedding.nearest is None:
        return line
    right, total = embedding.nearest
    low, high = wilson_interval(right, total)
    return (
        f"{line}: in the {embedding.num_features} features, not in the picture, the "
        f"{_NUM_NEIGHBOURS} nearest others of {total} tell the genre of {right / total:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )
