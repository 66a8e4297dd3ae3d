"""Where there is a test process for every core, each keeps to a core of its own.

Else the threads of jax and of NumPy's products get in each other's way, an eighth of the time.
Importing this does it, so it comes before what starts threads. Without xdist, too, what is tested
is told that there is one core, so that it starts no processes.
"""

import os

_WORKER, _COUNT = (os.environ.get(f"PYTEST_XDIST_WORKER{end}") for end in ("", "_COUNT"))

if _WORKER and _COUNT and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    if int(_COUNT) >= len(_cores):
        os.sched_setaffinity(0, {_cores[int(_WORKER.removeprefix("gw")) % len(_cores)]})

os.environ["LOKY_MAX_CPU_COUNT"] = "1"
