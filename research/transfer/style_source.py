"""From what `--style` names, audio or not, one or several, to a style."""

import os
import pathlib
import warnings

import numpy as np

from research.audio.find import find_audio
from research.audio.waveform import Waveform, load_waveform
from research.errors import InputError, about
from research.transfer.config import TransferConfig
from research.transfer.objective import Style
from research.transfer.style_description import (
    describe_style,
    style_settings,
    style_template,
)
from research.transfer.style_file import (
    is_bank,
    load_style,
    mix_styles,
    parse_mix,
    save_style,
)


def load_mix(text: str, config: TransferConfig) -> Waveform | Style:
    """A single audio file as audio, all else as what is known of it.

    Args:
      text: an audio file, a folder, a style bank, or several with weights, `a.wav:0.7,b.npz:0.3`.
      config: of the transfer that the style is for.

    Raises:
      InputError: a part cannot be read, was made for another config, or the weights do not sum.
    """
    parts = parse_mix(text)
    if len(parts) == 1 and not parts[0][0].is_dir() and not is_bank(parts[0][0]):
        return load_waveform(parts[0][0])
    check_mix(text)  # What cannot be read is told before the others are listened to.
    styles = [_load(path, config)[0] for path, _ in parts]
    return mix_styles(styles, [weight for _, weight in parts])


def check_mix(text: str) -> None:
    """See that what `load_mix` would load as audio can be read.

    Raises:
      InputError: it cannot.
    """
    for path, _ in parse_mix(text):
        if not path.is_dir() and not is_bank(path):
            load_waveform(path)


def make_bank(path: str | os.PathLike, text: str, config: TransferConfig) -> int:
    """Save what is known of a style named as in `load_mix`; the number of files it was heard in.

    Raises:
      InputError: as `load_mix`, or the file cannot be written.
    """
    parts = parse_mix(text)
    loaded = [_load(part, config) for part, _ in parts]
    style = mix_styles([style for style, _ in loaded], [weight for _, weight in parts])
    files = [name for _, names in loaded for name in names]
    save_style(path, style, style_settings(config), files)
    return len(files)


def _load(path: pathlib.Path, config: TransferConfig) -> tuple[Style, list[str]]:
    """A style and the names of what it was heard in."""
    if is_bank(path):
        return load_style(path, style_template(config), style_settings(config)), [path.name]
    styles, seconds, names = [], [], []
    for file in find_audio(path, "--style"):
        try:
            piece = load_waveform(file)
            with about(file):
                styles.append(describe_style(_whole_seconds(piece), config))
        except InputError as error:
            if not path.is_dir():
                raise
            warnings.warn(f"skipped {error}", stacklevel=2)
            continue
        seconds.append(piece.seconds)
        names.append(file.name)
    if not styles:
        raise InputError(f"--style {path} holds no audio that can be read; give another folder")
    return mix_styles(styles, list(np.array(seconds) / np.sum(seconds))), names


def _whole_seconds(piece: Waveform) -> Waveform:
    """Without the last part of a second: programs are compiled once a length."""
    length = int(piece.seconds) * piece.sample_rate or piece.samples.shape[-1]
    return Waveform(piece.samples[:, :length], piece.sample_rate)
