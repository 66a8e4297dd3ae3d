"""What benchmarks of audio files share: how they are run as scripts."""

import pathlib
import sys
from collections.abc import Callable

from research import signals
from research.errors import InputError


def run(main: Callable[[list[str]], None]) -> None:
    """Call `main` with the files of the command line; what is wrong with them is one line."""
    with signals.unwinding():
        try:
            main(sys.argv[1:])
        except InputError as error:
            sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {error}")


def check_pairs(paths: list[str]) -> None:
    """Check that there is a style for every content.

    Raises:
      InputError: there is not.
    """
    if len(paths) % 2:
        raise InputError(f"{len(paths)} files are no pairs; give a content and a style each")
