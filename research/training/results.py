"""Tests of all fits of a run: the content of `results.json` and `tracks.csv`."""

import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from research.data.same_recording import group_tracks
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
from research.training.run import Run
from research.workdir import load_json, save_json

_SCORES = ("accuracy", "segment_accuracy", "macro_f1", "log_loss")


class FitTest(NamedTuple):
    """Predictions of one fit for its test subset.

    Attributes:
      step: of the checkpoint that was tested; None for shipped weights.
      tracks: indices of the tracks, `[tracks]`.
      truth: class indices of the tracks, `[tracks]`.
      log_probs: mean over the segments of each track, `[tracks, classes]`.
      correct: True if a segment alone is predicted correctly, `[segments]`.
    """

    step: int | None
    tracks: np.ndarray
    truth: np.ndarray
    log_probs: np.ndarray
    correct: np.ndarray

    @property
    def confusion(self) -> np.ndarray:
        """Counts of tracks, `[true class, predicted class]`."""
        return confusion_matrix(self.truth, self.log_probs.argmax(1), self.log_probs.shape[1])

    @property
    def losses(self) -> np.ndarray:
        """Cross-entropy of each track, `[tracks]`."""
        return -normalise(self.log_probs)[np.arange(len(self.truth)), self.truth]


class TrackScore(NamedTuple):
    """Prediction for a track, a row of `tracks.csv`.

    Attributes:
      track: its name.
      genre: the true genre.
      predicted: the genre predicted by the mean of all fits that tested the track.
      probability: of the predicted genre.
      used_in_training: True if one of these fits trained on the track or was chosen by it.
    """

    track: str
    genre: str
    predicted: str
    probability: float
    used_in_training: bool


def protocol(config: TrainConfig) -> str:
    """The split in words, and whether the data are synthetic."""
    synthetic = "synthetic set, " if config.data.root is None else ""
    return synthetic + describe(config.data, config.seed, config.seeds)


def score(
    run: Run, collection: Collection, fits: list[Fit], on_progress: OnProgress
) -> tuple[dict[str, Any], list[TrackScore]]:
    """Test every fit on its test subset, once, and summarise.

    The prediction for a track is the mean of the log-probabilities of its segments. Confusion and
    the scores of each genre are summed over folds and seeds. Accuracy and `log_loss`, the mean
    cross-entropy of a track, are means over seeds. `together` is the accuracy of the mean
    log-probabilities of all fits, if each of them tested every track.

    Args:
      run: the networks; its config is that of the test data.
      collection: the test data.
      fits: whose test subsets are used, for each fit of the run.
      on_progress: called with "testing", the number of fits tested and their total.

    Raises:
      InputError: a checkpoint is missing or damaged.
    """
    config = run.config
    subsets = run.subsets_of(collection)
    tests = []
    for number, fit in enumerate(fits):
        on_progress("testing", number, len(fits))
        tests.append(_test(run, collection, fit))
    on_progress("testing", len(fits), len(fits))

    seeds = []
    for seed in sorted({fit.seed for fit in fits}):
        folds = [test for fit, test in zip(fits, tests, strict=True) if fit.seed == seed]
        seeds.append({"seed": seed} | _scores(folds, collection.genres))
    mean = {key: float(np.mean([entry[key] for entry in seeds])) for key in _SCORES}
    spread = {
        key: float(np.std([entry[key] for entry in seeds], ddof=1)) if len(seeds) > 1 else 0.0
        for key in _SCORES
    }
    confusion = np.sum([test.confusion for test in tests], axis=0)
    tested = np.bincount(np.concatenate([test.tracks for test in tests]))
    recording = _recordings(collection, by_names=True)
    kept = _recordings(collection, config.data.recordings == "names")
    # Slices of one recording are right or wrong together.
    number = effective_number(np.bincount(kept[: len(tested)], tested))
    used = {
        track
        for fit, test in zip(fits, tests, strict=True)
        for track in test.tracks.tolist()
        if collection.tracks[track].digest in subsets[fit.name]
    }
    each = [_of_fit(fit, test) for fit, test in zip(fits, tests, strict=True)]
    tracks = _of_tracks(tests, collection, used)
    results = {
        "protocol": protocol(config),
        "leaks": config.data.leaks,
        "synthetic": config.data.root is None,
        "root": collection.root,
        "model": config.model.name,
        "genres": list(collection.genres),
        "num_files": len(collection.tracks) + len(collection.skipped),
        "num_recordings": len(np.unique(recording)),
        "recordings": config.data.recordings,
        "num_tracks": each[0]["num_tracks"],
        "num_segments": each[0]["num_segments"],
        "num_tested": int(np.count_nonzero(tested)),
        "num_used_in_training": len(used),
        "recognised_by": "names" if run.by_names(collection) else "digests",
        **mean,
        "accuracy_interval": list(wilson_interval(mean["accuracy"] * number, number)),
        "spread": spread,
        "together": _together(tests, tracks, number),
        "per_genre": summarise(confusion, collection.genres)["per_genre"],
        "confusion": confusion.tolist(),
        "seeds": seeds,
        "fits": each,
        "skipped": collection.skipped,
        "duplicates": collection.duplicates,
    }
    return results, tracks


def _recordings(collection: Collection, by_names: bool) -> np.ndarray:
    """The number of the recording of each track, `[tracks]`."""
    numbers = np.zeros(len(collection.tracks), int)
    for number, group in enumerate(group_tracks(collection.tracks, by_names)):
        numbers[group] = number
    return numbers


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


def _together(
    tests: list[FitTest], tracks: list[TrackScore], number: float
) -> dict[str, Any] | None:
    """Accuracy of the mean of all fits; its interval counts `number` independent tries."""
    if len(tests) == 1 or any(len(test.tracks) < len(tracks) for test in tests):
        return None
    accuracy = float(np.mean([track.genre == track.predicted for track in tracks]))
    return {
        "accuracy": accuracy,
        "accuracy_interval": list(wilson_interval(accuracy * number, number)),
    }


def _test(run: Run, collection: Collection, fit: Fit) -> FitTest:
    indices = fit.split.test
    network, step = run.restore(fit.name, jax.devices())
    log_probs = classify(network, fit.reader, indices, run.config.batch_size)
    correct = log_probs.argmax(1) == fit.reader.labels(indices)
    means, tracks = by_track(log_probs, fit.reader.segments.track[indices])
    truth = np.array([collection.tracks[track].genre for track in tracks])
    return FitTest(step, tracks, truth, means, correct)


def _scores(tests: list[FitTest], genres: tuple[str, ...]) -> dict[str, float]:
    """Scores of one seed, over its folds."""
    confusion = np.sum([test.confusion for test in tests], axis=0)
    summary = summarise(confusion, genres)
    correct = np.concatenate([test.correct for test in tests])
    return {
        "accuracy": summary["accuracy"],
        "segment_accuracy": float(correct.mean()),
        "macro_f1": summary["macro_f1"],
        "log_loss": float(np.concatenate([test.losses for test in tests]).mean()),
    }


def _of_fit(fit: Fit, test: FitTest) -> dict[str, Any]:
    return {
        "name": fit.name,
        "checkpoint_step": test.step,
        "num_tracks": {subset: len(fit.tracks(subset)) for subset in fit.split.subsets},
        "num_segments": {subset: len(found) for subset, found in fit.split.subsets.items()},
        "accuracy": float(test.confusion.trace() / test.confusion.sum()),
        "segment_accuracy": float(test.correct.mean()),
        "left_out": fit.split.left_out,
    }


def in_words(results: dict[str, Any]) -> str:
    """The results in a few lines, with the protocol first."""
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
    num_files = results["num_files"] - len(results["skipped"])
    num_copies = sum(len(group) - 1 for group in results["duplicates"])
    if results["num_recordings"] < num_files - num_copies:
        which = f"{num_files} files of {results['num_recordings']} recordings, by their names"
        if results["recordings"] == "files" and not results["leaks"]:
            lines.append(
                f"{which}, which were not kept together: if these are slices, the number LEAKS"
            )
        elif results["recordings"] == "names":
            kept = "" if results["leaks"] else ", which are kept together"
            lines.append(f"{which}{kept}; the interval counts recordings")
    if results["together"] is not None:
        low, high = results["together"]["accuracy_interval"]
        lines.append(
            f"the {len(results['fits'])} networks together: {results['together']['accuracy']:.1%} "
            f"({low:.1%} to {high:.1%})"
        )
    by_names = results["recognised_by"] == "names"
    if results["num_used_in_training"] and not results["leaks"]:
        how = ""
        if by_names:
            how = (
                ", by their contents or names (other music of the same name counts, too; "
                "config.data.recordings=files goes by contents alone)"
            )
        lines.append(
            f"{results['num_used_in_training']} of these tracks were used in training{how}: the "
            "number says nothing of new music"
        )
    elif by_names and not results["leaks"]:
        lines.append(
            "none of these tracks has the contents or the name of one that was used in training; "
            "copies of another format and name cannot be recognised"
        )
    return "\n".join(lines)


def keep_training_results(workdir: pathlib.Path) -> None:
    """Copy the results of the training, once, before those of another test replace them."""
    found, kept = workdir / "results.json", workdir / "results_of_training.json"
    if found.exists() and not kept.exists():
        results = load_json(found)
        if results.get("of_training", True):  # Older ones do not say.
            save_json(kept, results)
