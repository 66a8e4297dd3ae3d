"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

import pytest


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until a condition is true; fail if it does not become true in time."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            pytest.fail("it did not come about")
        time.sleep(0.02)
