"""What the project's judge says of the same outputs, and how far its score follows the truth."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from research.benchmarks.known_truth.anchors import CHEATS, KNOWING
from research.judge.verdict import Judge

JUDGED = ("score", "content_kept", "style_reached", "magnitudes", "naturalness")
TRUTHS = ("closer", "timbre", "notes150", "TRUTH")
_FEWEST = 3  # Rows that are ranked.


def judged(judge: Judge, sound: np.ndarray) -> dict[str, float]:
    """The numbers of `JUDGED` for an output, mono `[samples]`; all are 0 for silence.

    `magnitudes` is the fraction of the output's magnitudes that two fixed equalisers explain, one
    on the content and one on the style.

    Raises:
      InputError: the output is not mono, not finite, or shorter than half a second.
    """
    if not sound.any():
        return dict.fromkeys(JUDGED, 0.0)
    verdict = judge(sound)
    return {
        "score": verdict.score,
        "content_kept": verdict.content_kept,
        "style_reached": verdict.style_reached,
        "magnitudes": verdict.measures["equaliser_magnitude"],
        "naturalness": verdict.naturalness,
    }


def correlations(triples: Iterable[Mapping[str, Mapping[str, float]]]) -> dict[str, list[float]]:
    """Spearman's rank correlation of the score with each of `TRUTHS`, a number a triple.

    Cheats and what is made from the truth are not ranked. Triples with fewer than three other rows
    have no correlation, nor have those in which all scores or all measures are equal.

    Args:
      triples: measures by row, with those of the judge.
    """
    from scipy.stats import spearmanr

    found: dict[str, list[float]] = {name: [] for name in TRUTHS}
    for rows in triples:
        ranked = [row for name, row in rows.items() if name not in KNOWING + CHEATS]
        scores = [row["score"] for row in ranked]
        for name, values in found.items():
            truth = [row[name] for row in ranked]
            if len(ranked) >= _FEWEST and min(len(set(scores)), len(set(truth))) > 1:
                result: Any = spearmanr(scores, truth)
                values.append(float(result.statistic))
    return found
