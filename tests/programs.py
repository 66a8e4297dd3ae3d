"""Programs that jax and numba compile for the tests, and where they are kept.

Programs run for a moment, so they are compiled without optimisations. Those of a test process and
of the scripts that it starts are kept in a folder of their own, since two processes that compile
the same at a time damage each other's.
"""

import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence


class Programs:
    """The folder of a test process, which ends with it.

    Its environment, set here, has it read by jax and numba when these are imported.
    """

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="programs-")
        self._compiles = contextlib.ExitStack()
        if "PYTEST_XDIST_WORKER" not in os.environ:
            os.environ["XLA_FLAGS"] = (
                os.environ.get("XLA_FLAGS", "")
                + " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
            )
        os.environ |= {
            "JAX_COMPILATION_CACHE_DIR": self._folder.name,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "NUMBA_CACHE_DIR": str(pathlib.Path(self._folder.name, "numba")),
            "NUMBA_OPT": "0",
        }
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        """Have librosa compile what is called, as the project does; find nothing."""
        if name == "librosa":
            from research.programs import compiled_when_called

            sys.meta_path.remove(self)
            self._compiles.enter_context(compiled_when_called())
