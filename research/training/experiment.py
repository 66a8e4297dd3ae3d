"""One experiment: a collection, its splits and seeds, and a training for each of them."""

import dataclasses
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from research.data.batches import SegmentReader, TrainingBatches
from research.data.front_ends.base import FrameStore
from research.data.segments import place_segments
from research.data.spectrogram_cache import default_cache
from research.data.splits import Split, make_splits
from research.data.synthetic import make_synthetic
from research.data.tracks import Collection
from research.errors import InputError
from research.models.network import Network
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.evaluation import classify
from research.training.loop import fit
from research.training.run_log import RunLog
from research.training.sharding import make_mesh
from research.training.standardisation import standardise_input

OnProgress = Callable[[str, int, int], None]
"""Called with what is counted, how many are done, and how many there are."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """One training of an experiment.

    Attributes:
      name: `seed_0`, or `seed_0_fold_1`.
      seed: of it.
      reader: of its segments.
      split: of its segments.
    """

    name: str
    seed: int
    reader: SegmentReader
    split: Split

    def tracks(self, part: str) -> np.ndarray:
        """Indices of the tracks of a part."""
        return np.unique(self.reader.segments.track[self.split.subsets[part]])


def load_data(config: TrainConfig, on_progress: OnProgress) -> tuple[Collection, FrameStore]:
    """The collection of a config, and where what is seen of its tracks can be read.

    Raises:
      InputError: see `FrontEnd.load_tracks`; or there are neither pictures nor a table to train on.
    """
    folder = pathlib.Path(config.data.cache).expanduser() if config.data.cache else default_cache()
    root = config.data.root
    if root is None and not config.spectrogram.from_audio:
        raise InputError(
            "config.data.root is not given; give a folder of GTZAN's pictures, or for descriptors "
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


def plan(config: TrainConfig, collection: Collection, cache: FrameStore) -> list[Fit]:
    """The trainings of an experiment: one for each seed and fold.

    Raises:
      InputError: see `make_splits`.
    """
    fits = []
    track_frames = [track.num_frames for track in collection.tracks]
    for seed in range(config.seed, config.seed + config.seeds):
        segments = place_segments(track_frames, config.segment_frames, config.segments, seed)
        reader = SegmentReader(cache, collection.tracks, segments)
        for split in make_splits(collection, segments, config.data, seed):
            fold = "" if split.fold is None else f"_fold_{split.fold}"
            fits.append(Fit(f"seed_{seed}{fold}", seed, reader, split))
    return fits


def match_genres(collection: Collection, genres: list[str]) -> Collection:
    """The collection with its classes numbered as in training.

    Raises:
      InputError: it has a genre that was not trained.
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


def plan_test(
    config: TrainConfig, collection: Collection, cache: FrameStore, trained: list[str]
) -> list[Fit]:
    """For each fit that was trained, what it is tested on: its own fold, or the one split.

    Raises:
      InputError: see `make_splits`.
    """
    planned = {one.name: one for one in plan(config, collection, cache)}
    fits = []
    for name in trained:
        one = planned.get(name) or planned.get(name.split("_fold_")[0])
        if one is None:
            raise InputError(
                f"{name} was trained without folds, so it has no fold to be tested on; give "
                "--config.data.split=track or all"
            )
        fits.append(dataclasses.replace(one, name=name))
    return fits


def check_unchanged(collection: Collection, manifest: dict[str, Any]) -> None:
    """See that a collection is what a run was trained on, so that its split comes out the same.

    Raises:
      InputError: a track is missing, added or changed.
    """
    before, now = manifest["tracks"], collection.digests
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise InputError(
                f"{collection.root} is not what was trained on: {name} differs; to test on other "
                "data, give --config.data.split=all (or another split)"
            )


def manifest(collection: Collection, fits: list[Fit]) -> dict[str, Any]:
    """What a run was trained on: genres, digests, and the tracks of every part of every fit."""
    names = [track.name for track in collection.tracks]
    return {
        "root": collection.root,
        "genres": list(collection.genres),
        "tracks": collection.digests,
        "skipped": collection.skipped,
        "duplicates": collection.duplicates,
        "fits": {
            one.name: {
                part: [names[track] for track in one.tracks(part)] for part in one.split.subsets
            }
            | {"left_out": one.split.left_out}
            for one in fits
        },
    }


def train(
    config: TrainConfig,
    fits: list[Fit],
    num_classes: int,
    workdir: pathlib.Path,
    *,
    log: RunLog,
    on_progress: OnProgress,
    say: Callable[[str], None],
) -> None:
    """Train every fit of an experiment into checkpoints, going on where a killed run stopped.

    Raises:
      InputError: a damaged checkpoint, or weights that are not finite.
    """
    mesh = make_mesh(config.batch_size)
    if mesh.size < jax.local_device_count():
        warnings.warn(
            f"config.batch_size {config.batch_size} does not divide among "
            f"{jax.local_device_count()} devices; {mesh.size} are used",
            stacklevel=2,
        )
    for one in fits:
        network = Network.init(config.model, one.reader.shape, num_classes, one.seed)
        network = standardise_input(network, one.reader, one.split.train, config.batch_size)
        batches = TrainingBatches(
            one.reader, one.split.train, config.batch_size, one.seed, config.augment.crop
        )

        def validate(network: Network, one: Fit = one):
            indices = one.split.validation
            truth = one.reader.labels(indices)
            log_probs = classify(network, one.reader, indices, config.batch_size, mesh)
            return {
                "validation_loss": float(-log_probs[np.arange(len(truth)), truth].mean()),
                "validation_accuracy": float((log_probs.argmax(1) == truth).mean()),
            }

        def on_resume(history: list[dict[str, Any]], name: str = one.name):
            log.start_again(name, [{"fit": name, **entry} for entry in history])

        def on_epoch(entry: dict[str, Any], name: str = one.name):
            log.add({"fit": name, **entry})
            line = f"loss {entry['loss']:.4f}, accuracy {entry['accuracy']:.1%}"
            if "validation_accuracy" in entry:
                line += f", validation {entry['validation_accuracy']:.1%}"
            say(f"{name} epoch {entry['epoch']}/{config.num_epochs}: {line}")

        def on_step(step: int, name: str = one.name, batches: TrainingBatches = batches):
            on_progress(name, step, batches.epoch_end(config.num_epochs))

        with Checkpoints(workdir / "checkpoints" / one.name) as checkpoints:
            fit(
                network,
                batches,
                config=config,
                num_classes=num_classes,
                mesh=mesh,
                checkpoints=checkpoints,
                validate=validate if len(one.split.validation) else None,
                on_resume=on_resume,
                on_step=on_step,
                on_epoch=on_epoch,
            )
