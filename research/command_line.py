"""Shared by the scripts: flags, errors as one line, and what libraries take from the machine."""

import atexit
import contextlib
import errno
import gc
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NoReturn

from absl import app, flags, logging
from ml_collections import config_flags

from research import console, processes, signals
from research.errors import InputError
from research.programs import keep_every_program, kept_by_numba
from research.workers import end_server, spare_cores, start_server

_NO_MEMORY = (
    "out of memory; give shorter audio, a lower config.sweep.memory_gb or config.batch_size, fewer "
    "filters, or end what else uses the device"
)
# The errors of XLA have no class of their own in public, and those of a linker are ImportErrors.
_OF_MEMORY = (
    "RESOURCE_EXHAUSTED",
    "Out of memory",
    "std::bad_alloc",
    "failed to map segment",
    "can't start new thread",
)

# Flags of command lines that make no takes.
_NO_WORKERS = {"mode", "help", "helpshort", "helpfull", "helpxml", "version"}

_succeeded = False

flags.disclaim_key_flags()  # What is defined here belongs to the script, and its `--help`.


@atexit.register  # Of the first, so it is called after all that libraries register.
def _end() -> None:
    """End the process at once after success: freeing all that it holds takes a second or two."""
    if _succeeded:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def define_config(default: pathlib.Path) -> flags.FlagHolder:
    """Define the flag `--config`. Flags `--config.<key>` override the keys of the file.

    Args:
      default: path of the config file.
    """
    flags.DEFINE_string(
        "distributed",
        None,
        "One run by several processes: auto on SLURM, Open MPI, Kubernetes and TPU pods, else "
        "ADDRESS:PORT,COUNT,INDEX. It is for training, testing and sweeps.",
    )
    with _errors_in_one_line():
        return config_flags.DEFINE_config_file(
            "config", str(default), "Config file, with a preset after a colon."
        )


class _PathParser(flags.ArgumentParser[str]):
    """Expands `~`, which shells leave alone after an equals sign."""

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


def define_path(
    name: str, default: str | None, help: str, *, required: bool = False
) -> flags.FlagHolder:
    """Define a flag that is a path, in which `~` is expanded."""
    return flags.DEFINE(_PathParser(), name, default, help, required=required)


def check_flags(mode: str, flags_of: Mapping[str, Collection[str]]) -> None:
    """Check that the flags that were given apply to a mode.

    Args:
      mode: of the script.
      flags_of: for each mode, the names of the flags that some modes alone have; `config` stands
        for its keys, too.

    Raises:
      InputError: a flag does not apply.
    """
    for name in sorted(set().union(*flags_of.values()) - set(flags_of[mode])):
        if flags.FLAGS[name].present or (
            name == "config" and config_flags.get_override_values(flags.FLAGS[name])
        ):
            modes = " or ".join(other for other in flags_of if name in flags_of[other])
            raise InputError(f"--{name} does not apply to --mode={mode}; it is for --mode={modes}")


def run(main: Callable[[], None], for_workers: str = "") -> None:
    """Parse flags, call `main` and exit, with status 0, or 1 and a one-line message on stderr.

    Args:
      main: the script.
      for_workers: module that its workers import at once, for flags take a while: they import jax.
        A command line with another `--mode`, or with `--help`, has no workers.
    """
    # Python looks for garbage after every 700 new objects, and imports and tracing make millions.
    gc.set_threshold(50_000, 20, 10)
    console.prepare()
    signals.prepare()
    _show_help_of(main.__module__)

    def guarded(arguments: list[str]) -> None:
        try:
            if len(arguments) > 1:
                raise InputError(
                    f"unexpected argument {arguments[1]!r}; flags look like --name=value"
                )
            # Libraries log errors that they raise, with tracebacks.
            logging.set_verbosity(logging.FATAL)
            warnings.formatwarning = lambda message, *_, **__: f"warning{_which()}: {message}\n"
            _prepare_libraries()
            main()
            processes.end_together()
            global _succeeded
            _succeeded = True
        except InputError as error:
            _exit(str(error))
        except KeyboardInterrupt:
            _exit("interrupted")
        except Exception as error:
            if _lacks_memory(error):
                _exit_without_memory()
            if processes.count() > 1 and _of_another_process(error):
                reason = " ".join(str(error).split())[:200]
                _exit(
                    f"another process of the run has ended or cannot be reached ({reason}): see "
                    "what it printed, and start all of them again; what is done is kept"
                )
            if not isinstance(error, OSError):
                raise
            place = f"{error.filename}: " if error.filename else ""
            _exit(f"{place}{error.strerror or error}")  # Of the machine, such as a full disk.

    with signals.unwinding(), kept_by_numba(), _server(for_workers):
        app.run(guarded, flags_parser=_parse_flags)


@contextlib.contextmanager
def _server(module: str) -> Iterator[None]:
    """Inside the block, there is the server of workers, if the command line has any."""
    if not module or _NO_WORKERS & _names_of_flags() or not spare_cores():
        yield
        return
    with contextlib.suppress(OSError):  # Then there are none.
        start_server(module)
    try:
        yield
    finally:  # Else it may still import, and holds a pipe that others read.
        end_server()


def _names_of_flags() -> set[str]:
    """Names of what looks like flags, before they are parsed, but for `--mode=transfer`."""
    words = (word.lstrip("-") for word in sys.argv[1:] if word.startswith("-"))
    return {word.partition("=")[0] for word in words if word != "mode=transfer"}


def _show_help_of(module: str) -> None:
    """Have `--help` show the docstring and the flags of a script that an installed command runs."""
    if module == "__main__":
        return
    sys.modules["__main__"].__doc__ = sys.modules[module].__doc__
    for flag in flags.FLAGS.get_key_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _parse_flags(arguments: list[str]) -> list[str]:
    # ml_collections wants the file before the keys, in `sys.argv`; users write them in any order.
    arguments = [arguments[0], *sorted(arguments[1:], key=_is_no_config_file)]
    sys.argv = list(arguments)
    with _errors_in_one_line():
        rest = flags.FLAGS(arguments)
    if "config" not in flags.FLAGS:
        return rest
    # ml_collections notices a missing config file only when a value is read.
    path = config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0]
    if not os.path.isfile(path):
        _exit(f"config file {path} does not exist; see configs/")
    return rest


def _is_no_config_file(argument: str) -> bool:
    return not argument.startswith(("--config=", "-config="))


@contextlib.contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except (ImportError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        _exit_without_memory()
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        # ml_collections reports an unknown key by a KeyError, or by one in an AttributeError.
        reason = error if isinstance(error, KeyError) else (*error.args, error)[0]
        if isinstance(reason, KeyError):
            reason = "unknown config key " + str(reason.args[0]).replace("\n", ". ", 1)
        text = str(reason)
        if "Traceback" in text:  # Quotes the exception that get_config raised.
            text = text.strip().splitlines()[-1].split(": ", 1)[-1]
        _exit(" ".join(text.split()))


def _lacks_memory(error: Exception) -> bool:
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or any(words in str(error) for words in _OF_MEMORY)
    )


def _of_another_process(error: Exception) -> bool:
    import jax

    return isinstance(error, jax.errors.JaxRuntimeError)


def _exit_without_memory() -> NoReturn:
    # What libraries do at the end may fail for the same reason.
    sys.unraisablehook = lambda _: None
    _exit(_NO_MEMORY)


def _exit(text: str) -> NoReturn:
    line = f"{console.program()}{_which()}: {text}"
    if processes.count() > 1:
        print(line, file=sys.stderr, flush=True)
        processes.leave()
    sys.exit(line)


def _which() -> str:
    """Which process it is, where there are several."""
    return f" (process {processes.index()})" if processes.count() > 1 else ""


def _prepare_libraries() -> None:
    """Choose what the libraries take from the environment, and join other processes of the run.

    Raises:
      InputError: jax cannot use the devices that `JAX_PLATFORMS` names, or the processes do not
        find each other.
    """
    # Figures are files. A notebook names a backend that need not be installed here.
    os.environ["MPLBACKEND"] = "agg"
    # Memory of a GPU is taken as it is needed, not most of it at once: others may work there.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    keep_every_program()

    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        warnings.warn("JAX_ENABLE_X64 is ignored: all is computed in 32 bits", stacklevel=2)
        jax.config.update("jax_enable_x64", False)
    if "distributed" in flags.FLAGS and flags.FLAGS.distributed is not None:
        processes.join(flags.FLAGS.distributed)
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms and platforms != "cpu":  # A sweep still chooses how many devices the CPU has.
        try:
            jax.devices()
        except (AssertionError, RuntimeError) as error:
            reason = f" ({' '.join(str(error).split())})" if str(error) else ""
            raise InputError(
                f"JAX_PLATFORMS={platforms}: jax has no such device here{reason}; unset it, or "
                'install jax for it, as pip install "jax[cuda13]" for an NVIDIA GPU'
            ) from error
