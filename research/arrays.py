"""Reading `.npz` files that may be anything: damaged, cut short, or not an archive of arrays."""

import os
import pathlib
import zipfile
from collections.abc import Collection

import numpy as np

from research.errors import InputError


def load_arrays(
    path: str | os.PathLike, what: str, hint: str, names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Arrays of an `.npz` file by name. Checksums are compared, pickles are refused.

    Args:
      path: the file.
      what: what the file should hold, for messages: "is no file of <what>".
      hint: what the user can do about a bad file, the last words of every message.
      names: of the arrays to read, those of them that are there; by default all.

    Raises:
      InputError: the file cannot be read, is not an archive of arrays, is damaged, or holds
        pickled objects.
    """
    path = pathlib.Path(path)
    foreign = f"{path} is no file of {what}, or is cut short; {hint}"
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise InputError(foreign)
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                # numpy stops where the header of an array says that it ends. That may be before
                # the end of the entry, where zipfile would compare the checksum.
                damaged = archive.zip.testzip()
                if damaged is not None:
                    raise zipfile.BadZipFile(f"checksum of {damaged}")
                arrays = {
                    name: archive[name] for name in archive.files if names is None or name in names
                }
    except InputError:
        raise
    # zipfile, the decompressors and numpy raise nearly anything at a damaged archive.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = " ".join(reason.split())
        raise InputError(f"{path} cannot be read, or is damaged ({reason}); {hint}") from error
    # numpy gives an entry that is not an array as bytes.
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise InputError(foreign)
    return arrays
