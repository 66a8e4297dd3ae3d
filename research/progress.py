"""Progress bars on the terminal."""

import os
import time
import typing

from tqdm import tqdm

if typing.TYPE_CHECKING:
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

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        self._bar.leave = kind is None
        self._bar.close()

    def __call__(self, progress: "Progress") -> None:
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


class CountingBar:
    """Shows how many of what are done; call it with what, the number done, and the total."""

    def __init__(self):
        # A stream of its own: decoding MP3 files turns the common one off.
        self._stream = os.fdopen(os.dup(2), "w")
        self._bar, self._what = None, None

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()
        self._stream.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Move the bar, or begin another for something else."""
        if self._bar is None or what != self._what:
            if self._bar is not None:
                self._bar.close()
            self._what = what
            self._bar = tqdm(
                total=total,
                desc=what,
                initial=done,
                file=self._stream,
                leave=False,
                bar_format="{desc} |{bar:30}| {n}/{total} [{elapsed}<{remaining}]",
            )
        self._bar.update(done - self._bar.n)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)
