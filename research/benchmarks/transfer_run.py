"""Where the time of a transfer goes, and how it grows with the length of the content.

    python -m research.benchmarks.transfer_run

First the parts for contents of 10 to 40 s, each twice, in one process; then the whole command in a
process of its own, with an empty cache of compiled programs and again with a full one. For the
presets `default` and `texture`.
"""

import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
from joblib import cpu_count

from configs.transfer import PRESETS
from research import signals
from research.audio.waveform import Waveform, load_waveform
from research.transfer.style_transfer import transfer

_ROOT = pathlib.Path(__file__).parents[2]
_CLIPS = _ROOT / "research" / "clips"
_PARTS = ("compile", "start", "optimise", "phase")


def main() -> None:
    """Print both tables of both presets."""
    for preset in ("default", "texture"):
        _measure(preset)


def _measure(preset: str) -> None:
    config = PRESETS[preset]
    content, style = (load_waveform(_CLIPS / name) for name in ("piano.ogg", "band.ogg"))
    print(f"{preset}: {cpu_count()} cores, jax on {jax.devices()[0].device_kind}\n")
    print(f"{'content':10}" + "".join(f"{part:>10}" for part in _PARTS) + "  evaluations  peak MB")
    for repeats in (1, 2, 4):
        longer = Waveform(np.tile(content.samples, repeats), content.sample_rate)
        for _ in range(2):
            result = transfer(longer, style, config)
            seconds = "".join(f"{result.seconds[part]:10.2f}" for part in _PARTS)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            name = f"{longer.seconds:.0f} s"
            print(f"{name:10}{seconds}{result.minimum.evaluations:13}{peak:9}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(_ROOT / "run_transfer.py"), f"--workdir={folder}/run"]
        command.append(f"--config={_ROOT / 'configs' / 'transfer.py'}:{preset}")
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}
        for state in ("empty", "full"):
            started = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            elapsed = time.perf_counter() - started
            print(f"whole command, {state} cache: {elapsed:.1f} s\n", flush=True)


if __name__ == "__main__":
    with signals.unwinding():
        main()
