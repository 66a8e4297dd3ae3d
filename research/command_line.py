"""Shared by the scripts: flags, errors as one line, and the cache of compiled programs."""

import contextlib
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Iterator

from absl import app, flags, logging
from ml_collections import config_flags

from research.errors import InputError
from research.files import user_cache


def define_config(default: pathlib.Path) -> flags.FlagHolder:
    """Define the flag `--config`. Flags `--config.<key>` override the keys of the file.

    Args:
      default: path of the config file.
    """
    with _errors_in_one_line():
        return config_flags.DEFINE_config_file(
            "config", str(default), "Config file, with a preset after a colon."
        )


def run(main: Callable[[], None]) -> None:
    """Parse flags, call `main` and exit, with status 0, or 1 and a one-line message on stderr."""

    def guarded(arguments: list[str]) -> None:
        try:
            if len(arguments) > 1:
                raise InputError(
                    f"unexpected argument {arguments[1]!r}; flags look like --name=value"
                )
            logging.set_verbosity(logging.WARNING)
            warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
            _keep_compiled_programs()
            main()
        except InputError as error:
            _exit(str(error))
        except KeyboardInterrupt:
            _exit("interrupted")

    app.run(guarded, flags_parser=_parse_flags)


def _parse_flags(arguments: list[str]) -> list[str]:
    with _errors_in_one_line():
        rest = flags.FLAGS(arguments)
    # ml_collections notices a missing config file only when a value is read.
    path = config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0]
    if not os.path.isfile(path):
        _exit(f"config file {path} does not exist; see configs/")
    return rest


@contextlib.contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        # ml_collections reports an unknown key by a KeyError, or by one in an AttributeError.
        reason = error if isinstance(error, KeyError) else (*error.args, error)[0]
        if isinstance(reason, KeyError):
            reason = "unknown config key " + str(reason.args[0]).replace("\n", ". ", 1)
        text = str(reason)
        if "Traceback" in text:  # Quotes the exception that get_config raised.
            text = text.strip().splitlines()[-1].split(": ", 1)[-1]
        _exit(" ".join(text.split()))


def _exit(text: str) -> None:
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")


def _keep_compiled_programs() -> None:
    """Cache compiled programs on disk, in `$JAX_COMPILATION_CACHE_DIR` or the cache of the user."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(user_cache()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
