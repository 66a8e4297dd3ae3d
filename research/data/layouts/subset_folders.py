"""Folders that are named like subsets of a split, such as `train`, and not like genres."""

import re

_SUBSET = re.compile(
    r"\b(train|training|trn|test|testing|tst|val|valid|validate|validation|dev|development|"
    r"eval|evaluation|holdout|(fold|cv|split) ?\d+)\b"
)


def is_subset(folder: str) -> bool:
    """True for a name such as `train`, `Test set`, `fold1` or `gtzan_validation`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", folder).lower()
    return _SUBSET.search(words) is not None
