"""How much memory this process can still take."""

import contextlib
import pathlib
import resource
from collections.abc import Iterator


def available_memory(root: str = "/") -> int | None:
    """Bytes that are free, or can be freed, in the machine and the groups of this process.

    Control groups (containers, Slurm, systemd) limit memory besides what the machine has, in
    version 1 or 2, and so does `ulimit -v`. None if nothing is known.

    Args:
      root: of the files of the kernel.
    """
    top = pathlib.Path(root)
    found = [*_of_machine(top), *_of_groups(top), *_of_process(top)]
    return max(min(found), 0) if found else None


def _of_machine(top: pathlib.Path) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        yield 1024 * int(_table(top / "proc/meminfo")["MemAvailable:"])


def _of_process(top: pathlib.Path) -> Iterator[int]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        pages = int((top / "proc/self/statm").read_text().split()[0])
        if limit != resource.RLIM_INFINITY:
            yield limit - pages * resource.getpagesize()


def _of_groups(top: pathlib.Path) -> Iterator[int]:
    try:
        lines = (top / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:
            files = "memory.max", "memory.current", "inactive_file"
            mounted = top / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            files = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            mounted = top / "sys/fs/cgroup/memory"
        else:
            continue
        # In a container, the group itself is what is mounted.
        folder = mounted / name.strip("/")
        for one in (folder, *folder.parents):
            with contextlib.suppress(OSError, ValueError):
                yield _left(one, *files)
            if one == mounted:
                break


def _left(folder: pathlib.Path, limit: str, usage: str, cached: str) -> int:
    """Bytes under the limit of a group; ValueError if it has none."""
    most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
    with contextlib.suppress(OSError, ValueError, KeyError):  # Freed where it is needed.
        used -= int(_table(folder / "memory.stat")[cached])
    return most - used


def _table(path: pathlib.Path) -> dict[str, str]:
    """The second word of each line by the first."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0]: words[1] for words in lines if len(words) > 1}
