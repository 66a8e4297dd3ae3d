"""The programs that jax and numba compile and keep, without those that are damaged.

A file of these caches can be damaged by a full disk or a process that was killed. By themselves,
jax compiles such a program again in every run and never replaces the file, and numba fails.
"""

import contextlib
import functools
import glob
import importlib
import json
import os
import pathlib
import re
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from research.files import atomic_write, user_cache

_DAMAGED = re.compile(r"Error reading persistent compilation cache entry for '(.+?)'")
_OF_LIBROSA = ("core", "feature", "filters", "onset", "util")  # Modules that are used.


def keep_every_program() -> None:
    """Have jax keep all programs, small ones too, and replace those that are damaged."""
    import jax

    keep_programs()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _replace_damaged()


@contextlib.contextmanager
def kept_by_numba() -> Iterator[None]:
    """Inside the block, numba keeps programs in the cache of the user, if it was not told where."""
    if "NUMBA_CACHE_DIR" in os.environ:
        yield
        return
    # Beside librosa, numba's default, need not be a place that can be written.
    try:
        folder = user_cache() / "numba"
    except OSError:  # There is no room for any file, which is told where one is needed.
        yield
        return
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    with checked(folder):
        yield


def keep_programs() -> None:
    """Have jax keep programs in the cache of the user, if it was not told where to keep them."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(user_cache()))


def _replace_damaged() -> None:
    """Delete a cached program that jax warns is damaged, so that jax writes it again."""
    import jax

    show = warnings.showwarning

    def remove(message: Warning | str, *arguments: Any, **named: Any) -> None:
        found = _DAMAGED.match(str(message))
        if found is None:
            return show(message, *arguments, **named)
        # The name of a file is that of the function and a digest, of which nothing is said.
        name = f"{glob.escape(found[1])}-*-cache"
        folder = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
        for path in pathlib.Path(folder).glob(name):
            with contextlib.suppress(OSError):
                path.unlink()

    warnings.filterwarnings("always", _DAMAGED.pattern)
    warnings.showwarning = remove


@contextlib.contextmanager
def checked(folder: pathlib.Path) -> Iterator[None]:
    """Remove files of numba that are not as they were at the end of a run; list them at its end.

    Args:
      folder: of numba; the list is in it.
    """
    path, started = folder / "files.json", time.time_ns()
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    for name, state in _files(folder).items():
        if not isinstance(known, dict) or known.get(name) != state:
            with contextlib.suppress(OSError):
                (folder / name).unlink()
    try:
        yield
    finally:
        new = {name: state for name, state in _files(folder).items() if state[1] > started}
        if new:
            # Other processes may have listed theirs since.
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(path.read_text())
            with contextlib.suppress(OSError, ValueError), atomic_write(path) as temporary:
                temporary.write_text(json.dumps((known if isinstance(known, dict) else {}) | new))


def _files(folder: pathlib.Path) -> dict[str, list[int]]:
    """Size and time of change of each file, by name."""
    found = {}
    with contextlib.suppress(OSError):
        for path in folder.rglob("*.nb[ic]"):
            state = path.stat()
            found[str(path.relative_to(folder))] = [state.st_size, state.st_mtime_ns]
    return found


@functools.cache
def load_librosa() -> Any:
    """Import librosa, whose functions are then compiled when they are first called.

    By itself it compiles fourteen of them in its import, for all types: half a minute, of which a
    run calls one or two.
    """
    with compiled_when_called():
        librosa = importlib.import_module("librosa")
        for name in _OF_LIBROSA:
            importlib.import_module(f"librosa.{name}")
    return librosa


@contextlib.contextmanager
def compiled_when_called() -> Iterator[None]:
    """Inside the block, the ufuncs that numba makes have no types until they are called."""
    import numba

    before = {name: getattr(numba, name) for name in ("vectorize", "guvectorize")}
    for name, decorator in before.items():
        setattr(numba, name, _without_types(decorator))
    try:
        yield
    finally:
        for name, decorator in before.items():
            setattr(numba, name, decorator)


def _without_types(decorator: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator, which leaves out a list of types."""

    def decorate(*arguments: Any, **named: Any) -> Any:
        return decorator(*(each for each in arguments if not isinstance(each, list)), **named)

    return decorate
