"""An experiment: a collection, and a fit for each seed and fold."""

import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from research.data.batches import SegmentReader, TrainingBatches
from research.data.front_ends.base import FrameStore
from research.data.segments import place_segments
from research.data.spectrogram_cache import default_cache
from research.data.splits import SUBSETS, Split, make_splits
from research.data.synthetic import make_synthetic
from research.data.tracks import Collection
from research.errors import InputError
from research.files import expand
from research.models.network import Network
from research.training import loop
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.discriminant import fit_discriminant
from research.training.evaluation import classify
from research.training.run_log import RunLog
from research.training.sharding import make_mesh
from research.training.standardisation import standardise_input

OnProgress = Callable[[str, int, int], None]
"""Called with what is counted, the number done, and the total."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """One training of an experiment, and its data.

    Attributes:
      name: `seed_0`, or `seed_0_fold_1`.
      seed: of the weights, the order, dropout and augmentation.
      reader: of the segments of the collection.
      split: which segments are trained on and tested.
    """

    name: str
    seed: int
    reader: SegmentReader
    split: Split

    def tracks(self, subset: str) -> np.ndarray:
        """Indices of the tracks of a subset, `[tracks]`."""
        return np.unique(self.reader.segments.track[self.split.subsets[subset]])


def find_mesh(config: TrainConfig) -> Mesh:
    """The devices that a training uses, of all its processes. A warning tells if some are not.

    Raises:
      InputError: see `make_mesh`.
    """
    mesh = make_mesh(config.batch_size, jax.devices())
    if mesh.size < jax.device_count():
        warnings.warn(
            f"config.batch_size {config.batch_size} does not divide among "
            f"{jax.device_count()} devices; {mesh.size} are used",
            stacklevel=2,
        )
    return mesh


def load_data(config: TrainConfig, on_progress: OnProgress) -> tuple[Collection, FrameStore]:
    """The collection of a config, and where its frames are read from.

    Raises:
      InputError: see `FrontEnd.load_tracks`; or `config.data.root` is None, and the front end reads
        no audio, which the synthetic set is.
    """
    folder = expand(config.data.cache) if config.data.cache else default_cache()
    root = config.data.root
    if root is None and not config.spectrogram.from_audio:
        raise InputError(
            "config.data.root is not given; give a folder of GTZAN's images, or for descriptors "
            "a CSV file such as --mode=describe writes"
        )
    if root is None:
        root = str(make_synthetic(folder, config.data.synthetic))
    return config.spectrogram.load_tracks(
        root,
        folder,
        max_bad_share=config.data.max_bad_share,
        min_frames=config.segment_frames,
        on_progress=lambda done, total: on_progress("spectrograms", done, total),
    )


def plan(config: TrainConfig, collection: Collection, store: FrameStore) -> list[Fit]:
    """The fits of an experiment: one for each seed and fold.

    Raises:
      InputError: see `make_splits`.
    """
    fits = []
    track_frames = [track.num_frames for track in collection.tracks]
    for seed in range(config.seed, config.seed + config.seeds):
        segments = place_segments(track_frames, config.segment_frames, config.segments, seed)
        reader = SegmentReader(store, collection.tracks, segments)
        for split in make_splits(collection, segments, config.data, seed):
            fold = "" if split.fold is None else f"_fold_{split.fold}"
            fits.append(Fit(f"seed_{seed}{fold}", seed, reader, split))
    return fits


def manifest(collection: Collection, fits: list[Fit]) -> dict[str, Any]:
    """Content of `data.json`: genres, digests, and the tracks of each subset of each fit."""
    names = [track.name for track in collection.tracks]
    return {
        "root": collection.root,
        "genres": list(collection.genres),
        "tracks": collection.digests,
        "skipped": collection.skipped,
        "duplicates": collection.duplicates,
        "fits": {
            fit.name: {
                subset: [names[track] for track in fit.tracks(subset)]
                for subset in fit.split.subsets
            }
            | {"left_out": fit.split.left_out}
            for fit in fits
        },
    }


def match_genres(collection: Collection, genres: Sequence[str]) -> Collection:
    """The collection with its classes numbered as in training.

    Raises:
      InputError: the collection has a genre that was not trained.
    """
    unknown = [genre for genre in collection.genres if genre not in genres]
    if unknown:
        raise InputError(
            f"{collection.root} has the genre {unknown[0]}, which the classifier does not know; "
            f"it knows {', '.join(genres)}"
        )
    number = [genres.index(genre) for genre in collection.genres]
    tracks = (dataclasses.replace(track, genre=number[track.genre]) for track in collection.tracks)
    return dataclasses.replace(collection, genres=tuple(genres), tracks=tuple(tracks))


def check_genres(collection: Collection) -> None:
    """Check that there are genres to tell apart.

    Raises:
      InputError: there is one only.
    """
    if len(collection.genres) == 1:
        raise InputError(
            f"config.data.root {collection.root} holds one genre only ({collection.genres[0]}); "
            "give the folder that has one folder a genre, or a table of several genres"
        )


def plan_test(
    config: TrainConfig, collection: Collection, store: FrameStore, trained: Iterable[str]
) -> list[Fit]:
    """The data that fits are tested on: each its own fold, or all of them the same split.

    Args:
      config: of the test data.
      collection: the test data.
      store: of its frames.
      trained: names of the fits.

    Raises:
      InputError: see `make_splits`; or a fit has no fold of its own.
    """
    planned = {fit.name: fit for fit in plan(config, collection, store)}
    fits = []
    for name in trained:
        fit = planned.get(name) or planned.get(name.split("_fold_")[0])
        if fit is None:
            raise InputError(
                f"{name} was trained without folds, so it has no fold to be tested on; give "
                "--config.data.split=track or all"
            )
        fits.append(dataclasses.replace(fit, name=name))
    return fits


def check_unchanged(collection: Collection, digests: Mapping[str, str]) -> None:
    """Check that a collection is the one that was trained on, so that its split is the same.

    Args:
      collection: the test data.
      digests: of the tracks of the training, by name.

    Raises:
      InputError: a track is missing, added or changed.
    """
    now = collection.digests
    for name in sorted(digests.keys() | now.keys()):
        if digests.get(name) != now.get(name):
            raise InputError(
                f"{collection.root} is not what was trained on: {name} differs; to test on other "
                "data, give --config.data.split=all (or another split)"
            )


def check_same_split(now: Mapping[str, Any], trained: Mapping[str, Any]) -> None:
    """Check that the subsets of fits are those of the training.

    Args:
      now: for each fit by name, the names of the tracks in each subset.
      trained: the same of the training.

    Raises:
      InputError: a subset differs, since a list or the rules of a split were changed.
    """
    for name, fit in now.items():
        for subset in SUBSETS:
            for track in sorted(set(fit[subset]) ^ set(trained[name][subset])):
                was = "" if track in trained[name][subset] else "not "
                raise InputError(
                    f"the split is not that of the training: {track} was {was}in the {subset} "
                    f"subset of {name}; bring its lists back, or give --config.data.split=all "
                    "(or another split) to make another test"
                )


def train(
    config: TrainConfig,
    fits: list[Fit],
    num_classes: int,
    workdir: pathlib.Path,
    *,
    mesh: Mesh,
    log: RunLog,
    on_progress: OnProgress,
    say: Callable[[str], None],
) -> None:
    """Train every fit into `checkpoints`, each from its latest checkpoint.

    Args:
      config: of the training.
      fits: of the experiment.
      num_classes: number of genres.
      workdir: of the run.
      mesh: of `find_mesh`.
      log: gets the metrics of each epoch.
      on_progress: called with the name of the fit, its steps done and their total.
      say: prints a line.

    Raises:
      InputError: a checkpoint is damaged, or weights are no longer finite.
    """
    for fit in fits:
        _train(config, fit, num_classes, workdir, mesh, log, on_progress, say)


def _train(
    config: TrainConfig,
    fit: Fit,
    num_classes: int,
    workdir: pathlib.Path,
    mesh: Mesh,
    log: RunLog,
    on_progress: OnProgress,
    say: Callable[[str], None],
) -> None:
    network = Network.init(config.model, fit.reader.shape, num_classes, fit.seed)
    batches = TrainingBatches(
        fit.reader, fit.split.train, config.batch_size, fit.seed, config.augment.crop
    )
    num_steps = batches.epoch_end(config.num_epochs)

    def validate(network: Network) -> dict[str, float]:
        indices = fit.split.validation
        truth = fit.reader.labels(indices)
        log_probs = classify(network, fit.reader, indices, config.batch_size)
        return {
            "validation_loss": float(-log_probs[np.arange(len(truth)), truth].mean()),
            "validation_accuracy": float((log_probs.argmax(1) == truth).mean()),
        }

    def on_epoch(entry: dict[str, Any]) -> None:
        log.add({"fit": fit.name, **entry})
        line = f"loss {entry['loss']:.4f}, accuracy {entry['accuracy']:.1%}"
        if "validation_accuracy" in entry:
            line += f", validation {entry['validation_accuracy']:.1%}"
        say(f"{fit.name} epoch {entry['epoch']}/{config.num_epochs}: {line}")

    with Checkpoints(workdir / "checkpoints" / fit.name) as checkpoints:
        if checkpoints.latest is None:  # Else both layers are in the checkpoint.
            network = standardise_input(network, fit.reader, fit.split.train, config.batch_size)
            network = fit_discriminant(
                network,
                fit.reader,
                fit.split.train,
                batch_size=config.batch_size,
                seed=fit.seed,
                augmentation=config.augment,
                front_end=config.spectrogram,
                on_batch=lambda done, total: on_progress(f"{fit.name} discriminant", done, total),
            )
        loop.fit(
            network,
            batches,
            config=config,
            num_classes=num_classes,
            mesh=mesh,
            checkpoints=checkpoints,
            validate=validate if len(fit.split.validation) else None,
            on_resume=lambda history: log.start_again(
                fit.name, [{"fit": fit.name, **entry} for entry in history]
            ),
            on_step=lambda step: on_progress(fit.name, step, num_steps),
            on_epoch=on_epoch,
        )
