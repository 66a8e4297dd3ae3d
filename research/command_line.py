"""What the scripts share: flags whose mistakes end in one line, and a cache of programs."""

import os
import pathlib
import sys
from collections.abc import Callable

from absl import app, flags, logging

from research.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Parse flags, call `main`, and exit: 0, or 1 after one line on what to mend."""

    def guarded(arguments: list[str]) -> None:
        try:
            if len(arguments) > 1:
                raise InputError(
                    f"unexpected argument {arguments[1]!r}; flags look like --name=value"
                )
            logging.set_verbosity(logging.WARNING)
            _keep_compiled_programs()
            main()
        except InputError as error:
            sys.exit(f"{_script()}: {error}")
        except KeyboardInterrupt:
            sys.exit(f"{_script()}: interrupted")

    app.run(guarded, flags_parser=_parse_flags)


def _script() -> str:
    return pathlib.Path(sys.argv[0]).name


def _parse_flags(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
        sys.exit(f"{_script()}: {' '.join(str(text).split())}")


def _keep_compiled_programs() -> None:
    """Compile a program once a machine; JAX_COMPILATION_CACHE_DIR says where they are kept."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
        jax.config.update("jax_compilation_cache_dir", str(cache / "music_style_transfer_jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
