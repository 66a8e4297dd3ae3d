"""The recordings of a finished transfer: content, style and output."""

import warnings

from research.audio.waveform import Waveform, load_waveform
from research.errors import InputError, about
from research.files import expand
from research.transfer.style_source import parse_source
from research.transfer.takes import TAKES
from research.workdir import load_dict


def load_recordings(transfer: str) -> dict[str, Waveform]:
    """The waveforms of a transfer by the names `content`, `style` and `output`.

    A style that is not one audio file is left out with a warning.

    Args:
      transfer: workdir of a run of run_transfer.py, the flag `--transfer`.

    Raises:
      InputError: a file is missing or damaged.
    """
    folder = expand(transfer)
    if (folder / TAKES).is_dir():
        raise InputError(f"--transfer {folder} holds a sweep; give a take, {folder / TAKES}/000")
    with about(f"--transfer {transfer}"):
        names = load_dict(folder / "metrics.json", {"content": str, "style": str})
        content, style = names["content"], names["style"]
        output = load_waveform(folder / "output.wav")
    with about(f"--transfer {transfer} (its paths are from where it was run)"):
        recordings = {"content": load_waveform(expand(content))}
        part, *others = parse_source(style)
        if others or not part.is_audio_file:
            warnings.warn(
                f"the style {style} of --transfer {transfer} is not one audio file, so it is left "
                "out",
                stacklevel=2,
            )
        else:
            recordings["style"] = load_waveform(part.path)
    return recordings | {"output": output}
