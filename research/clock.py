"""Wall time of the stages of a run."""

import contextlib
import time
from collections.abc import Iterator

import jax

_COMPILE_EVENTS = ("jaxpr_to_mlir_module_duration", "backend_compile_duration")


class Clock:
    """Measures the seconds of each stage, and of compilation by jax as a stage of its own.

    Attributes:
      seconds: wall time by stage, without compilation; `compile` is that of all stages.
    """

    def __init__(self):
        self.seconds = {"compile": 0.0}

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the seconds that the block takes to `stage`."""
        compiled = 0.0

        def on_event(event: str, duration_secs: float, **_: str | int) -> None:
            nonlocal compiled
            if event.endswith(_COMPILE_EVENTS):
                compiled += duration_secs

        jax.monitoring.register_event_duration_secs_listener(on_event)
        start = time.perf_counter()
        try:
            yield
        finally:
            jax.monitoring.unregister_event_duration_listener(on_event)
            elapsed = time.perf_counter() - start - compiled
            self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed
            self.seconds["compile"] += compiled
