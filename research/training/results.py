"""From restored fits to `results.json` and `tracks.csv`: what was tested, how, and how it went."""

import pathlib
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from research.data.splits import describe
from research.data.tracks import Collection
from research.training.config import TrainConfig
from research.training.evaluation import (
    by_track,
    classify,
    confusion_matrix,
    effective_number,
    normalise,
    summarise,
    wilson_interval,
)
from research.training.experiment import Fit, OnProgress
from research.training.run import restore
from research.training.sharding import make_mesh

_FIGURES = ("accuracy", "segment_accuracy", "macro_f1", "log_loss")


class FitTest(NamedTuple):
    """One fit on its test part.

    Attributes:
      step: of the checkpoint that was tested; None of shipped weights.
      tracks: indices of the tracks, `[tracks]`.
      truth: classes of the tracks, `[tracks]`.
      log_probs: of the tracks, means over their segments, `[tracks, classes]`.
      right: whether each segment alone is told right, `[segments]`.
    """

    step: int | None
    tracks: np.ndarray
    truth: np.ndarray
    log_probs: np.ndarray
    right: np.ndarray

    @property
    def confusion(self) -> np.ndarray:
        """Counts of tracks, `[true class, predicted class]`."""
        return confusion_matrix(self.truth, self.log_probs.argmax(1), self.log_probs.shape[1])

    @property
    def losses(self) -> np.ndarray:
        """Cross-entropy of each track, `[tracks]`."""
        return -normalise(self.log_probs)[np.arange(len(self.truth)), self.truth]


class TrackScore(NamedTuple):
    """What a track is taken for, by all fits together that it was tested by.

    Attributes:
      track: its name.
      genre: of it.
      predicted: the genre that it is taken for.
      probability: of that.
      used_in_training: whether one of the fits was trained on it or chosen by it.
    """

    track: str
    genre: str
    predicted: str
    probability: float
    used_in_training: bool


def protocol(config: TrainConfig) -> str:
    """The protocol in words, and whether the data are synthetic."""
    synthetic = "synthetic set, " if config.data.root is None else ""
    return synthetic + describe(config.data, config.seed, config.seeds)


def score(
    config: TrainConfig,
    collection: Collection,
    fits: list[Fit],
    workdir: pathlib.Path,
    training_parts: dict[str, dict[str, str]],
    on_progress: OnProgress,
) -> tuple[dict[str, Any], list[TrackScore]]:
    """Test every fit on its test part, once, and put the results together.

    Tracks are judged by the mean of their segments' log-probabilities. Confusion and the figures of
    each genre are summed over folds and seeds; accuracy and the mean cross-entropy of a track,
    `log_loss`, are means over seeds. `together` is how well all fits do as one, by the mean of
    their log-probabilities, where each was tested on every tested track.

    Args:
      config: of the data to test on, and of the networks.
      collection: what is tested.
      fits: of the experiment, their test parts in `collection`.
      workdir: of the networks.
      training_parts: by fit, digests of the tracks that it was trained on or chosen by.
      on_progress: called with "testing", fits done and fits there are.

    Raises:
      InputError: a checkpoint is missing or damaged.
    """
    mesh = make_mesh(config.batch_size)
    tests = []
    for number, one in enumerate(fits):
        on_progress("testing", number, len(fits))
        tests.append(_test(config, collection, one, workdir, mesh))
    on_progress("testing", len(fits), len(fits))

    seeds = []
    for seed in sorted({one.seed for one in fits}):
        folds = [test for one, test in zip(fits, tests, strict=True) if one.seed == seed]
        seeds.append({"seed": seed} | _figures(folds, collection.genres))
    mean = {key: float(np.mean([entry[key] for entry in seeds])) for key in _FIGURES}
    spread = {
        key: float(np.std([entry[key] for entry in seeds], ddof=1)) if len(seeds) > 1 else 0.0
        for key in _FIGURES
    }
    confusion = np.sum([test.confusion for test in tests], axis=0)
    tested = np.bincount(np.concatenate([test.tracks for test in tests]))
    number = effective_number(tested)
    used = {
        track
        for one, test in zip(fits, tests, strict=True)
        for track in test.tracks.tolist()
        if collection.tracks[track].digest in training_parts[one.name]
    }
    each = [_of_fit(one, test) for one, test in zip(fits, tests, strict=True)]
    tracks = _of_tracks(tests, collection, used)
    results = {
        "protocol": protocol(config),
        "leaks": config.data.leaks,
        "synthetic": config.data.root is None,
        "root": collection.root,
        "model": config.model.name,
        "genres": list(collection.genres),
        "num_files": len(collection.tracks) + len(collection.skipped),
        "num_tracks": each[0]["num_tracks"],
        "num_segments": each[0]["num_segments"],
        "num_tested": int(np.count_nonzero(tested)),
        "num_used_in_training": len(used),
        **mean,
        "accuracy_interval": list(wilson_interval(mean["accuracy"] * number, number)),
        "spread": spread,
        "together": _together(tests, tracks),
        "per_genre": summarise(confusion, collection.genres)["per_genre"],
        "confusion": confusion.tolist(),
        "seeds": seeds,
        "fits": each,
        "skipped": collection.skipped,
        "duplicates": collection.duplicates,
    }
    return results, tracks


def _of_tracks(tests: list[FitTest], collection: Collection, used: set[int]) -> list[TrackScore]:
    numbers = np.concatenate([test.tracks for test in tests])
    means, tracks = by_track(np.concatenate([test.log_probs for test in tests]), numbers)
    probabilities = np.exp(normalise(means))
    return [
        TrackScore(
            collection.tracks[track].name,
            collection.genres[collection.tracks[track].genre],
            collection.genres[row.argmax()],
            float(row.max()),
            track in used,
        )
        for track, row in zip(tracks.tolist(), probabilities, strict=True)
    ]


def _together(tests: list[FitTest], tracks: list[TrackScore]) -> dict[str, Any] | None:
    if len(tests) == 1 or any(len(test.tracks) < len(tracks) for test in tests):
        return None
    right = sum(track.genre == track.predicted for track in tracks)
    return {
        "accuracy": right / len(tracks),
        "accuracy_interval": list(wilson_interval(right, len(tracks))),
    }


def _test(
    config: TrainConfig, collection: Collection, one: Fit, workdir: pathlib.Path, mesh: Mesh
) -> FitTest:
    num_classes, indices = len(collection.genres), one.split.test
    network, step = restore(config, workdir, one.name, num_classes)
    log_probs = classify(network, one.reader, indices, config.batch_size, mesh)
    right = log_probs.argmax(1) == one.reader.labels(indices)
    means, tracks = by_track(log_probs, one.reader.segments.track[indices])
    truth = np.array([collection.tracks[track].genre for track in tracks])
    return FitTest(step, tracks, truth, means, right)


def _figures(tests: list[FitTest], genres: tuple[str, ...]) -> dict[str, float]:
    """Of one seed, over its folds."""
    confusion = np.sum([test.confusion for test in tests], axis=0)
    summary = summarise(confusion, genres)
    right = np.concatenate([test.right for test in tests])
    return {
        "accuracy": summary["accuracy"],
        "segment_accuracy": float(right.mean()),
        "macro_f1": summary["macro_f1"],
        "log_loss": float(np.concatenate([test.losses for test in tests]).mean()),
    }


def _of_fit(one: Fit, test: FitTest) -> dict[str, Any]:
    return {
        "name": one.name,
        "checkpoint_step": test.step,
        "num_tracks": {part: len(one.tracks(part)) for part in one.split.subsets},
        "num_segments": {part: len(found) for part, found in one.split.subsets.items()},
        "accuracy": float(test.confusion.trace() / test.confusion.sum()),
        "segment_accuracy": float(test.right.mean()),
        "left_out": one.split.left_out,
    }


def in_words(results: dict[str, Any]) -> str:
    """The result in a few lines, its protocol first."""
    low, high = results["accuracy_interval"]
    repeated = ""
    if len(results["seeds"]) > 1:
        repeated = f", standard deviation {results['spread']['accuracy']:.1%} over seeds"
    data = "" if results["synthetic"] else f" on {results['root']}"
    lines = [
        f"{results['model']}{data}, {results['protocol']}:",
        f"accuracy {results['accuracy']:.1%} by track (95 % interval {low:.1%} to {high:.1%}, "
        f"{results['num_tested']} tracks{repeated}), {results['segment_accuracy']:.1%} by segment, "
        f"macro F1 {results['macro_f1']:.3f}, cross-entropy {results['log_loss']:.3f}",
    ]
    if results["together"] is not None:
        low, high = results["together"]["accuracy_interval"]
        lines.append(
            f"the {len(results['fits'])} networks together: {results['together']['accuracy']:.1%} "
            f"({low:.1%} to {high:.1%})"
        )
    if results["num_used_in_training"] and not results["leaks"]:
        lines.append(
            f"{results['num_used_in_training']} of these tracks were used in training: the number "
            "says nothing of new music"
        )
    return "\n".join(lines)
