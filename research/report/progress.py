"""A progress bar on the terminal."""

import time
from typing import Self

from tqdm import tqdm

from research.transfer.optimise import Progress


class ProgressBar:
    """Shows loss, evaluations a second and remaining time; call it with each `Progress`."""

    def __init__(self, num_iterations: int):
        self._bar = tqdm(
            total=num_iterations,
            desc="compiling",
            unit="it",
            bar_format="{desc} |{bar:30}| {n}/{total} [{elapsed}<{remaining}{postfix}]",
        )
        self._last = (0.0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        self._bar.leave = kind is None
        self._bar.close()

    def __call__(self, progress: Progress) -> None:
        """Move the bar to a point of the optimisation."""
        before, evaluations = self._last
        now = time.perf_counter()
        self._last = (now, progress.evaluations)
        if before:
            rate = (progress.evaluations - evaluations) / (now - before)
            self._bar.set_postfix_str(f"loss {progress.loss:.4g}, {rate:.1f} evaluations/s", False)
        else:  # The first chunk includes compilation: restart the clock of the remaining time.
            self._bar.reset()
            self._bar.initial = progress.iteration
            self._bar.set_postfix_str(f"loss {progress.loss:.4g}", False)
        self._bar.set_description_str("optimising", False)
        self._bar.update(progress.iteration - self._bar.n)
