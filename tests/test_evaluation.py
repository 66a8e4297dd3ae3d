"""Figures of merit against scikit-learn, scipy and plain loops."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics

from research.data.batches import Batch
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network
from research.training.evaluation import (
    by_track,
    classify,
    confusion_matrix,
    effective_number,
    log_probabilities,
    normalise,
    summarise,
    wilson_interval,
)
from research.training.results import FitTest

SHAPE, CLASSES = (16, 9), 3
apply = jax.jit(Network.__call__)


@st.composite
def tries(draw):
    total = draw(st.integers(1, 100_000) | st.integers(1, 12))
    return draw(st.integers(0, total) | st.sampled_from([0, total])), total


@given(tries())
def test_interval_is_wilsons(tried):
    correct, total = tried
    wanted = binomtest(correct, total).proportion_ci(confidence_level=0.95, method="wilson")
    found = wilson_interval(correct, total)
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0.0 <= found[0] <= correct / total <= found[1] <= 1.0


@given(tries(), st.floats(0, 1))
def test_interval_of_a_mean_lies_between_those_of_its_neighbours(tried, part):
    correct, total = tried
    if correct < total:
        low, high = wilson_interval(correct + part, total)
        (lowest, lower), (higher, highest) = (
            wilson_interval(whole, total) for whole in (correct, correct + 1)
        )
        assert lowest - 1e-12 <= low <= higher + 1e-12
        assert lower - 1e-12 <= high <= highest + 1e-12


@st.composite
def answers(draw):
    num_classes = draw(st.integers(2, 5))
    some = st.lists(st.integers(0, num_classes - 1), min_size=1, max_size=30)
    truth = np.array(draw(some))
    among = sorted({*draw(some)})  # Some classes are never predicted.
    predicted = draw(
        st.lists(st.sampled_from(among), min_size=len(truth), max_size=len(truth)).map(np.array)
    )
    return truth, predicted, num_classes


@given(answers())
def test_confusion_counts_as_scikit_learn_does(answered):
    truth, predicted, num_classes = answered
    wanted = metrics.confusion_matrix(truth, predicted, labels=range(num_classes))
    np.testing.assert_array_equal(confusion_matrix(truth, predicted, num_classes), wanted)


@given(answers())
def test_summary_is_scikit_learns(answered):
    truth, predicted, num_classes = answered
    genres = tuple("abcde"[:num_classes])
    summary = summarise(confusion_matrix(truth, predicted, num_classes), genres)
    seen = np.union1d(truth, predicted)
    assert summary["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert summary["macro_f1"] == pytest.approx(
        metrics.f1_score(truth, predicted, labels=seen, average="macro", zero_division=0.0)
    )
    assert tuple(summary["per_genre"]) == genres
    precision, recall, f1, there = metrics.precision_recall_fscore_support(
        truth, predicted, labels=range(num_classes), zero_division=0.0
    )
    for i, figures in enumerate(summary["per_genre"].values()):
        assert figures["num_tested"] == there[i]
        wanted = {
            "recall": recall[i] if i in truth else None,
            "precision": precision[i] if i in predicted else None,
            "f1": f1[i] if i in seen else None,
        }
        assert {key: figures[key] for key in wanted} == pytest.approx(wanted)


def test_summary_of_a_small_example():
    summary = summarise(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]), ("blues", "jazz", "none"))
    assert summary["accuracy"] == pytest.approx(5 / 6)
    assert summary["macro_f1"] == pytest.approx((6 / 7 + 4 / 5) / 2)
    nothing = {"recall": None, "precision": None, "f1": None, "num_tested": 0}
    assert summary["per_genre"]["none"] == nothing
    blues = {"recall": 0.75, "precision": 1.0, "f1": 6 / 7, "num_tested": 4}
    assert summary["per_genre"]["blues"] == pytest.approx(blues)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(0, 5))
def test_by_track_is_a_plain_mean(track, seed):
    log_probs = np.random.default_rng(seed).normal(size=(len(track), 4)).astype(np.float32)
    means, tracks = by_track(log_probs, np.array(track))
    assert tracks.tolist() == sorted(set(track))
    for mean, one in zip(means, tracks, strict=True):
        rows = [row for row, number in zip(log_probs, track, strict=True) if number == one]
        np.testing.assert_allclose(mean, np.mean(np.float64(rows), axis=0), rtol=1e-12)


@dataclasses.dataclass(frozen=True)
class Reader:
    """Segments in memory."""

    count: int = 11

    def read(self, indices: np.ndarray) -> Batch:
        """Each of its own random numbers, whatever it is read with."""
        rows = [np.random.default_rng(int(i)).gamma(0.5, 2.0, SHAPE) for i in indices]
        return Batch(np.float16(rows), np.int32(indices % CLASSES))


@functools.cache
def untrained(seed: int = 0) -> Network:
    return Network.init(
        MultiChannelConfig(num_filters=(4, 4), width=3, dropout=0.5), SHAPE, CLASSES, seed
    )


def one_by_one(network, indices) -> np.ndarray:
    """Log-probabilities by numpy, from logits of one segment at a time."""
    rows = []
    for i in indices:
        x = Reader().read(np.array([i])).spectrogram.astype(np.float32)
        logits = np.float64(apply(network, x)[0][0])
        rows.append(logits - np.log(np.exp(logits).sum()))
    return np.array(rows)


@pytest.mark.parametrize("count", [1, 3, 4, 7, 8])
def test_ragged_batches_classify_as_one_segment_at_a_time(count):
    network = untrained()
    indices = np.random.default_rng(0).permutation(11)[:count]
    found = classify(network, Reader(), indices, 4)
    assert found.shape == (count, CLASSES)
    np.testing.assert_allclose(found, one_by_one(network, indices), atol=1e-5)


def test_a_batch_larger_than_all_segments_classifies_the_same():
    found = classify(untrained(), Reader(), np.arange(3), 16)
    np.testing.assert_allclose(found, one_by_one(untrained(), range(3)), atol=1e-5)


def test_classification_compiles_once_for_all_batches_and_seeds():
    before = log_probabilities._cache_size()
    for seed, count in ((0, 5), (1, 10)):
        classify(untrained(seed), Reader(), np.arange(count), 5)
    assert log_probabilities._cache_size() == before + 1


def test_probabilities_of_a_segment_sum_to_one():
    network = jax.tree.map(lambda leaf: 30.0 * leaf, untrained())  # Large logits, too.
    found = log_probabilities(network, Reader().read(np.arange(8)).spectrogram)
    assert found.dtype == np.float32
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(np.exp(np.float64(found)).sum(1), 1.0, atol=1e-5)


def test_repeats_on_the_same_tracks_are_worth_these_tracks():
    assert effective_number(np.full(60, 3)) == pytest.approx(60)
    assert effective_number(np.array([0, 1, 1, 0, 1])) == pytest.approx(3)
    assert effective_number(np.array([2, 1, 1])) == pytest.approx(16 / 6)  # By hand.


def test_the_loss_of_a_track_is_its_cross_entropy_whatever_the_scale():
    random = np.random.default_rng(3)
    truth, log_probs = random.integers(0, 4, 20), random.normal(size=(20, 4))
    test = FitTest(1, np.arange(20), truth, log_probs - 7, np.ones(40, bool))
    probabilities = np.exp(log_probs) / np.exp(log_probs).sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(normalise(log_probs)), probabilities, rtol=1e-12)
    wanted = metrics.log_loss(truth, probabilities)
    assert test.losses.mean() == pytest.approx(wanted)
    assert test.confusion.trace() == np.sum(probabilities.argmax(1) == truth)
