"""Memory that is left, by files as a kernel has them."""

import pathlib
import subprocess
import sys

import pytest
from conftest import ROOT

from research.memory import available_memory

GB = 10**9


def write(root: pathlib.Path, files: dict[str, object]) -> str:
    """Files of a kernel below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return str(root)


MACHINE = {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable:   {8 * GB // 1024} kB"}
V2, V1 = "sys/fs/cgroup/", "sys/fs/cgroup/memory/"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8 * GB),
        ({"proc/self/cgroup": "0::/", V2 + "memory.max": "max", V2 + "memory.current": 1}, 8 * GB),
        (  # The root of a container.
            {
                "proc/self/cgroup": "0::/",
                V2 + "memory.max": 4 * GB,
                V2 + "memory.current": 3 * GB,
                V2 + "memory.stat": f"anon 5\ninactive_file {2 * GB}",
            },
            3 * GB,
        ),
        (  # A group inside one that has less.
            {
                "proc/self/cgroup": "0::/job/step",
                V2 + "job/memory.max": 2 * GB,
                V2 + "job/memory.current": GB // 2,
                V2 + "job/step/memory.max": 6 * GB,
                V2 + "job/step/memory.current": GB // 2,
            },
            3 * GB // 2,
        ),
        (  # The path is that of the host, and the group is what is mounted.
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/",
                V1 + "memory.limit_in_bytes": 5 * GB,
                V1 + "memory.usage_in_bytes": 2 * GB,
                V1 + "memory.stat": f"inactive_file 1\ntotal_inactive_file {GB}",
            },
            4 * GB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/",
                V1 + "memory.limit_in_bytes": 2**63 - 4096,
                V1 + "memory.usage_in_bytes": GB,
            },
            8 * GB,
        ),
        (  # More is used than there is.
            {"proc/self/cgroup": "0::/", V2 + "memory.max": 1, V2 + "memory.current": 2},
            0,
        ),
    ],
)
def test_the_least_of_machine_and_groups_counts(tmp_path, files, expected):
    found = available_memory(write(tmp_path, MACHINE | files))
    assert found == pytest.approx(expected, abs=1024)


def test_nothing_known_is_none(tmp_path):
    assert available_memory(str(tmp_path)) is None


def test_this_machine_has_some():
    found = available_memory()
    assert found is None or 0 < found < 2**50


def test_a_limit_of_the_process_counts():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import resource\nfrom research.memory import available_memory\n"
            f"resource.setrlimit(resource.RLIMIT_AS, ({GB}, {GB}))\nprint(available_memory())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert GB // 2 < int(done.stdout) < GB
