"""The recordings of a finished transfer: content, style and output."""

import pathlib
import warnings

from research.audio.waveform import Waveform, load_waveform
from research.errors import InputError, about
from research.transfer.style_source import parse_source
from research.transfer.takes import TAKES
from research.workdir import load_json


def load_recordings(transfer: str) -> dict[str, Waveform]:
    """The waveforms of a transfer by the names `content`, `style` and `output`.

    A style that is not one audio file is left out with a warning.

    Args:
      transfer: workdir of a run of run_transfer.py, the flag `--transfer`.

    Raises:
      InputError: a file is missing or damaged.
    """
    folder = pathlib.Path(transfer).expanduser()
    if (folder / TAKES).is_dir():
        raise InputError(f"--transfer {folder} holds a sweep; give a take, {folder / TAKES}/000")
    with about(f"--transfer {transfer}"):
        content, style = _names(folder / "metrics.json")
        output = load_waveform(folder / "output.wav")
    with about(f"--transfer {transfer} (its paths are from where it was run)"):
        recordings = {"content": load_waveform(pathlib.Path(content).expanduser())}
        source, *others = parse_source(style)
        if others or not source.is_audio_file:
            warnings.warn(
                f"the style {style} of --transfer {transfer} is not one audio file, so it is left "
                "out",
                stacklevel=2,
            )
        else:
            recordings["style"] = load_waveform(source.path)
    return recordings | {"output": output}


def _names(path: pathlib.Path) -> tuple[str, str]:
    """What `--content` and `--style` were."""
    metrics = load_json(path)
    if isinstance(metrics, dict):
        content, style = metrics.get("content"), metrics.get("style")
        if isinstance(content, str) and isinstance(style, str) and content and style:
            return content, style
    raise InputError(
        f"{path} names no content and style; give the --workdir of a run_transfer.py run"
    )
