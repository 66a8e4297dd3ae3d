"""From restored fits to `results.json`: what was tested, by which protocol, and how it went."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from research.data.splits import describe
from research.data.tracks import Collection
from research.training.config import TrainConfig
from research.training.evaluation import (
    by_track,
    classify,
    confusion_matrix,
    summarise,
    wilson_interval,
)
from research.training.experiment import Fit, restore
from research.training.sharding import make_mesh


def score(
    config: TrainConfig,
    collection: Collection,
    fits: list[Fit],
    workdir: pathlib.Path,
    trained_on: dict[str, set[str]],
    on_progress: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Test every fit on its test part, once, and put the results together.

    Tracks are judged by the mean of their segments' log-probabilities. Confusion and the figures of
    each genre are summed over folds and seeds; accuracy is the mean over seeds.

    Args:
      config: of the data to test on, and of the networks.
      collection: what is tested.
      fits: of the experiment, their test parts in `collection`.
      workdir: with the checkpoints.
      trained_on: digests of the training tracks by fit.
      on_progress: called with "testing", fits done and fits there are.

    Raises:
      InputError: a checkpoint is missing or damaged.
    """
    num_classes = len(collection.genres)
    digests = np.array([track.digest for track in collection.tracks])
    confusion = np.zeros((num_classes, num_classes), np.int64)
    mesh = make_mesh(config.batch_size)
    by_seed, one_by_one, tested, seen = {}, [], set(), set()
    for number, one in enumerate(fits):
        on_progress("testing", number, len(fits))
        structure, variables, step = restore(config, workdir, one.name, num_classes)
        indices = one.split.test
        log_probs = classify(structure, variables, one.reader, indices, config.batch_size, mesh)
        right = log_probs.argmax(1) == one.reader.labels(indices)
        means, tracks = by_track(log_probs, one.reader.segments.track[indices])
        truth = np.array([collection.tracks[track].genre for track in tracks])
        counts = confusion_matrix(truth, means.argmax(1), num_classes)
        confusion += counts
        tested |= set(tracks.tolist())
        seen |= {track for track in tracks.tolist() if digests[track] in trained_on[one.name]}
        sums = by_seed.setdefault(one.seed, [np.zeros_like(confusion), 0, 0])
        sums[0] += counts
        sums[1] += int(right.sum())
        sums[2] += len(right)
        one_by_one.append(
            {
                "name": one.name,
                "checkpoint_step": step,
                "num_tracks": {part: len(one.tracks(part)) for part in one.split.parts},
                "num_segments": {part: len(found) for part, found in one.split.parts.items()},
                "accuracy": float(counts.trace() / counts.sum()),
                "segment_accuracy": float(right.mean()),
                "left_out": one.split.left_out,
            }
        )
    on_progress("testing", len(fits), len(fits))
    seeds = []
    for seed, (counts, right, total) in by_seed.items():
        summary = summarise(counts, collection.genres)
        seeds.append(
            {
                "seed": seed,
                "accuracy": summary["accuracy"],
                "segment_accuracy": right / total,
                "macro_f1": summary["macro_f1"],
            }
        )
    mean, spread = (
        {
            key: float(function([entry[key] for entry in seeds]))
            for key in ("accuracy", "segment_accuracy", "macro_f1")
        }
        for function in (np.mean, lambda values: np.std(values, ddof=1) if len(seeds) > 1 else 0.0)
    )
    synthetic = config.data.root is None
    return {
        "protocol": ("synthetic set, " if synthetic else "")
        + describe(config.data, config.seed, config.seeds),
        "leaks": config.data.leaks,
        "synthetic": synthetic,
        "root": collection.root,
        "model": config.model.name,
        "genres": list(collection.genres),
        "num_files": len(collection.tracks) + len(collection.skipped),
        "num_tracks": one_by_one[0]["num_tracks"],
        "num_segments": one_by_one[0]["num_segments"],
        "num_tested": len(tested),
        "num_seen_in_training": len(seen),
        **mean,
        "accuracy_interval": list(wilson_interval(mean["accuracy"] * len(tested), len(tested))),
        "spread": spread,
        "per_genre": summarise(confusion, collection.genres)["per_genre"],
        "confusion": confusion.tolist(),
        "seeds": seeds,
        "fits": one_by_one,
        "skipped": collection.skipped,
        "duplicates": collection.duplicates,
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
        f"macro F1 {results['macro_f1']:.3f}",
    ]
    if results["num_seen_in_training"] and not results["leaks"]:
        lines.append(
            f"{results['num_seen_in_training']} of these tracks were trained on: the number says "
            "nothing of new music"
        )
    return "\n".join(lines)
