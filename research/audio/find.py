"""Finding files of a kind, such as audio files, by path or in a folder.

One rule says what a folder holds, for data sets and for every flag. Links to folders are followed.
Hidden files and the folders of file servers and archives are left out.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable

from research.errors import InputError

# What libsndfile reads, and the other names that recordings have. Playlists are not among them.
_AUDIO_SUFFIXES = """
    wav wave wavex bwf rf64 w64 aif aiff aifc au snd caf flac ogg oga opus spx mp1 mp2 mp3 mpga mpa
    m2a voc sph nist sf ircam paf fap pvf avr svx 8svx iff htk wve xi sds sd2
    m4a m4b m4r aac adts ac3 eac3 dts alac ape wv tta mpc wma amr awb ra rm dsf dff mka weba
    mp4 m4v mov mkv webm avi asf wmv flv mpg mpeg ogv 3gp 3g2
"""
_SUFFIX = re.compile(r"\.([a-z0-9]{1,5})", re.IGNORECASE)
# How audio files begin.
_AUDIO_START = re.compile(
    rb"RIFF|RIFX|RF64|BW64|riff|fLaC|OggS|ID3|FORM|\.snd|caff|....ftyp|\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]",
    re.DOTALL,
)
_SYSTEM_FOLDERS = frozenset(
    {
        "@eadir",
        "@recycle",
        "@tmp",
        "#recycle",
        "#snapshot",
        "__macosx",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    }
)


@dataclasses.dataclass(frozen=True)
class FileKind:
    """A kind of files.

    Attributes:
      name: noun for messages, such as "audio".
      one: noun phrase for one file, such as "an audio file".
      may_be: False for a file that is of another kind, by its name.
    """

    name: str
    one: str
    may_be: Callable[[pathlib.Path], bool]


def is_audio(path: pathlib.Path) -> bool:
    """True if a file is audio by its suffix; without a suffix, if it begins as audio files do.

    A link that leads nowhere and has no suffix may be anything, so it is audio, too.
    """
    suffix = _SUFFIX.fullmatch(path.suffix)
    if suffix and not suffix[1].isdigit():
        return suffix[1].lower() in _AUDIO_SUFFIXES.split()
    try:
        with path.open("rb") as file:
            return _AUDIO_START.match(file.read(12)) is not None
    except OSError:
        return True


AUDIO = FileKind("audio", "an audio file", is_audio)


def find_audio(path: str | os.PathLike, flag: str) -> list[pathlib.Path]:
    """Audio files: `find_files` for audio.

    Raises:
      InputError: the path does not exist, or the folder holds no audio.
    """
    return find_files(path, flag, AUDIO)


def find_files(path: str | os.PathLike, flag: str, kind: FileKind) -> list[pathlib.Path]:
    """A file, or all files of a kind in a folder and its subfolders, sorted; see `list_files`.

    Args:
      path: a file of any name, or a folder. `~` is expanded.
      flag: name of the flag that gave the path, for messages, such as `--input`.
      kind: kind of the files in a folder.

    Raises:
      InputError: the path does not exist, or the folder holds no file of the kind.
    """
    # The methods of pathlib raise for a name that is too long and for an unknown user.
    start = os.path.expanduser(path)
    hint = f"give {kind.one} or a folder of them"
    if not os.path.exists(start):
        if os.path.islink(start):
            check_link(pathlib.Path(start))
        raise InputError(f"{flag} {path} does not exist; {hint}")
    start = pathlib.Path(start)
    if not start.is_dir():
        return [start]
    files = [file for file in list_files(start) if kind.may_be(file)]
    if not files:
        raise InputError(f"{flag} {path} holds no {kind.name}; {hint}")
    return files


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """All files in a folder and its subfolders, sorted, and links that lead nowhere.

    Links to folders are followed, each folder is read once, and no link leads back above `folder`.
    Hidden files and folders are left out; see `is_hidden`.

    Raises:
      InputError: a folder cannot be read.
    """
    start = folder.resolve()
    seen, files = {start, *start.parents}, []
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in list(folders):
            real = pathlib.Path(place, name).resolve()
            if real in seen:
                folders.remove(name)
            seen.add(real)
        found = (pathlib.Path(place, name) for name in names if not is_hidden(name))
        files += [file for file in found if file.is_file() or is_broken_link(file)]
    return sorted(files)


def _refuse(error: OSError) -> None:
    raise InputError(
        f"{error.filename} cannot be read ({error.strerror}); change its permissions or take it "
        "away"
    ) from error


def is_hidden(name: str) -> bool:
    """True for the name of a file or folder that users do not see, or did not make.

    These begin with one dot; "...Baby One More Time.mp3" is a song.
    """
    return bool(re.match(r"\.(?!\.)", name)) or name.lower() in _SYSTEM_FOLDERS


def is_broken_link(path: pathlib.Path) -> bool:
    """True for a link to something that does not exist."""
    return path.is_symlink() and not path.exists()


def check_link(path: pathlib.Path) -> None:
    """Check that a path is no link that leads nowhere, as those of git-annex and DVC do.

    Raises:
      InputError: it is one.
    """
    if is_broken_link(path):
        raise InputError(
            f"{path} is a link to {os.readlink(path)}, which does not exist; fetch it or take the "
            "link away"
        )
