"""The results of a test in words: what they must say beside the numbers."""

import pytest

from research.training.results import in_words

RESULTS = {
    "protocol": "by track",
    "leaks": False,
    "synthetic": False,
    "root": "music",
    "model": "mlp",
    "recordings": "names",
    "num_recordings": 12,
    "num_files": 13,
    "skipped": {"a/x.wav": "is empty"},
    "duplicates": [],
    "num_tested": 4,
    "num_used_in_training": 0,
    "recognised_by": "digests",
    "accuracy": 0.5,
    "segment_accuracy": 0.5,
    "macro_f1": 0.5,
    "log_loss": 0.7,
    "accuracy_interval": [0.1, 0.9],
    "spread": {"accuracy": 0.0},
    "together": None,
    "seeds": [{}],
    "fits": [{}],
}


def test_where_all_is_plain_only_the_numbers_are_said():
    assert len(in_words(RESULTS).splitlines()) == 2
    duplicates = {"num_recordings": 11, "duplicates": [["a/1.wav", "a/2.wav"]]}
    assert len(in_words(RESULTS | duplicates).splitlines()) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"num_recordings": 4},
            "12 files of 4 recordings, by their names, which are kept together; the interval",
        ),
        ({"num_recordings": 4, "leaks": True}, "4 recordings, by their names; the interval counts"),
        (
            {"num_recordings": 4, "recordings": "files"},
            "by their names, which were not kept together: if these are slices, the number LEAKS",
        ),
        ({"num_used_in_training": 3}, "3 of these tracks were used in training: the number says"),
        (
            {"num_used_in_training": 3, "recognised_by": "names"},
            "3 of these tracks were used in training, by their contents or names (other",
        ),
        (
            {"recognised_by": "names"},
            "none of these tracks has the contents or the name of one that was used in training;",
        ),
    ],
)
def test_what_the_number_rests_on_is_said(changes, words):
    lines = in_words(RESULTS | changes).splitlines()
    assert len(lines) == 3 and words in lines[2]
