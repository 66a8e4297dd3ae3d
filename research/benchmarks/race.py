"""Several implementations of one piece of work, timed in turn in one run."""

import json
import statistics
import time
from collections.abc import Callable

import jax
from joblib import cpu_count

ENTRANTS = ("project", "librosa", "pytorch", "floor")


def race(title: str, entrants: dict[str, Callable[[], object] | None], num_rounds: int) -> None:
    """Time the entrants alternately and print a table, then one JSON object of median seconds.

    Args:
      title: what the work is.
      entrants: a call that does the work and waits for it, or None where it does not apply, for
        each of `ENTRANTS`. The first call of each, which compiles, is not counted.
      num_rounds: counted calls of each.
    """
    running = {name: run for name, run in entrants.items() if run is not None}
    for run in running.values():
        run()
    seconds = {name: [] for name in running}
    for _ in range(num_rounds):
        for name, run in running.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    device = jax.devices()[0].device_kind
    print(f"{title}\n{num_rounds} rounds, {cpu_count()} cores, jax on {device}\n")
    print(f"{'':10}{'median s':>10}{'min s':>10}{'max s':>10}{'/ project':>11}")
    for name, values in seconds.items():
        ratio = medians[name] / medians["project"]
        print(f"{name:10}{medians[name]:10.3f}{min(values):10.3f}{max(values):10.3f}{ratio:11.2f}")
    print(json.dumps({name: medians.get(name) for name in ENTRANTS}))
