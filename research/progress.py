"""Progress bars on the terminal."""

import os
import sys
import time
import typing

from tqdm import tqdm


class ProgressBar:
    """Shows the loss, evaluations per second and the remaining time of an optimisation.

    Before and after it, and without iterations, it shows what is done.
    """

    def __init__(self, num_iterations: int):
        if not num_iterations:
            self._bar = _without_count("transferring")
        else:
            self._bar = tqdm(
                total=num_iterations,
                desc="compiling",
                unit="it",
                bar_format="{desc} |{bar:30}| {n}/{total} [{elapsed}<{remaining}{postfix}]",
            )
        self._last, self._said = (0.0, 0), ""

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        self._bar.leave &= kind is None
        self._bar.close()

    def __call__(self, iteration: int, evaluations: int, loss: float) -> None:
        """Move the bar.

        Args:
          iteration: number of iterations so far.
          evaluations: number of evaluations of the loss so far.
          loss: now.
        """
        before, previous = self._last
        now = time.perf_counter()
        self._last = (now, evaluations)
        if before:
            rate = (evaluations - previous) / (now - before)
            self._bar.set_postfix_str(f"loss {loss:.4g}, {rate:.1f} evaluations/s", False)
        else:  # The first chunk includes compilation: restart the clock of the remaining time.
            self._bar.reset()
            self._bar.initial = iteration
            self._bar.set_postfix_str(f"loss {loss:.4g}", False)
        self._bar.set_description_str("optimising", False)
        self._bar.update(iteration - self._bar.n)

    def say_once(self, text: str) -> None:
        """Print a line above the bar, unless it was the last one that was printed."""
        if text != self._said:
            self._bar.clear()
            print(text, file=sys.stderr, flush=True)
        self._said = text

    def show(self, stage: str) -> None:
        """Show what is done from now on."""
        self._bar.close()
        self._bar = _without_count(stage)


def _without_count(stage: str) -> tqdm:
    return tqdm(desc=stage, bar_format="{desc} |{bar:30}|", leave=False)


class CountingBar:
    """Shows how many of something are done; one kind after another may be counted."""

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
        """Move the bar, or begin another one.

        Args:
          what: is counted, such as "tracks".
          done: number so far.
          total: number in all.
        """
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
