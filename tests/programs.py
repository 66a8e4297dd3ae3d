"""Programs that jax and numba compile for the tests: where they are kept, and how once.

Programs run for a moment, so they are compiled without optimisations. jax keeps those of a test
process and of the scripts that it starts in a folder. numba does so, too; those of librosa take
long, so one process compiles them for all, and each has a copy: two processes that compile the
same at a time damage each other's.
"""

import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

_SHARED = "TEST_PROGRAMS"  # Names the folder of all test processes, to those that pytest starts.
_LIBROSA = "librosa.decompose", "librosa.feature", "librosa.onset"


class Programs:
    """The folders of a test process; they end with it.

    Its environment, set here, has them read by jax and numba when these are imported.
    """

    def __init__(self):
        self._own = tempfile.TemporaryDirectory(prefix="programs-")
        if "PYTEST_XDIST_WORKER" not in os.environ:
            os.environ[_SHARED] = str(pathlib.Path(self._own.name, "shared"))
            os.environ["XLA_FLAGS"] = (
                os.environ.get("XLA_FLAGS", "")
                + " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
            )
        self._numba = pathlib.Path(self._own.name, "numba")
        os.environ |= {
            "JAX_COMPILATION_CACHE_DIR": self._own.name,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "NUMBA_CACHE_DIR": str(self._numba),
            "NUMBA_OPT": "0",
        }
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        """Have the programs before librosa compiles them; find nothing."""
        if name == "librosa.util.utils":  # Imported before all that compiles.
            self.have_librosa()

    @functools.cache  # noqa: B019 - there is one.
    def have_librosa(self) -> None:
        """Copy the programs of librosa into the folder of numba, compiled by who comes first."""
        shared = pathlib.Path(os.environ[_SHARED])
        shared.mkdir(parents=True, exist_ok=True)
        compiled = shared / "librosa"
        with (shared / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not compiled.exists():
                making = shared / "making"
                code = f"import {', '.join(_LIBROSA)}"
                environment = os.environ | {"NUMBA_CACHE_DIR": str(making)}
                subprocess.run([sys.executable, "-c", code], env=environment, check=True)
                making.rename(compiled)
        shutil.copytree(compiled, self._numba, dirs_exist_ok=True)
