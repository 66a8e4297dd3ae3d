"""From the text of `--style`, which names audio, style files or a mix of them, to a style."""

import math
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.find import find_audio
from research.audio.waveform import Waveform, load_waveform
from research.errors import InputError, about
from research.transfer.config import TransferConfig
from research.transfer.inputs import mix_down
from research.transfer.objective import Style
from research.transfer.style_description import describe_style, style_settings, style_template
from research.transfer.style_file import is_style_file, load_style, save_style
from research.transfer.terms.squared_error import Moments

_GIVE = "give an audio file, a folder of them or a .npz of --mode=style"
_FORM = "give them as in --style=a.wav:0.7,b.wav:0.3"
_SHORT, _JOINED = 2.0, 20.0  # Seconds: of files that are joined, and of what they make.
_TOLERANCE = 0.001  # Of the sum of weights: three thirds may be 0.333 each.


class Part(NamedTuple):
    """One part of a style.

    Attributes:
      path: an audio file, a folder of them, or a style file.
      weight: fraction of the style; the weights of all parts sum to 1.
      written: the weight as it was written; None if no weights were given.
    """

    path: pathlib.Path
    weight: float
    written: str | None

    def __str__(self):
        return str(self.path) if self.written is None else f"{self.path}:{self.written}"

    @property
    def is_audio_file(self) -> bool:
        """Whether the path is an audio file, by its name."""
        return not self.path.is_dir() and not is_style_file(self.path)


def parse_source(text: str, folder: str | os.PathLike = "", flag: str = "--style") -> list[Part]:
    """The parts of a style.

    `a.wav`, `a.wav,b.wav` of equal weights, or `a.wav:0.7,b.npz:0.3`. If the whole text names
    something that exists, the style is that, commas and colons included. So is a part that exists.

    Args:
      text: the style as written by the user.
      folder: that relative paths start from.
      flag: what the text is called in messages.

    Raises:
      InputError: a part is empty or does not exist, or the weights are not given for all parts, not
        numbers above zero, or do not sum to 1.
    """
    whole = _locate(text, folder)
    if whole is not None:
        return [Part(whole, 1.0, None)]
    pairs = [_parse_part(part.strip(), text, folder, flag) for part in text.split(",")]
    weights = [_weight(path, written, flag) for path, written in pairs if written is not None]
    if not weights:
        return [Part(path, 1 / len(pairs), None) for path, _ in pairs]
    if len(weights) < len(pairs):
        bare = next(path for path, written in pairs if written is None)
        raise InputError(f"{flag} gives weights, but none to {bare}; give one to all or to none")
    total = sum(weights)
    # Rounded, since decimals are compared with a decimal.
    if round(abs(total - 1), 9) > _TOLERANCE:
        raise InputError(f"the weights of {flag} sum to {total:.6g}, not to 1; {_FORM}")
    return [
        Part(path, weight / total, written)
        for (path, written), weight in zip(pairs, weights, strict=True)
    ]


def _parse_part(
    part: str, text: str, folder: str | os.PathLike, flag: str
) -> tuple[pathlib.Path, str | None]:
    """The path and the weight of a part, if it has one."""
    if not part:
        raise InputError(f"{flag} {text!r} has an empty part; {_GIVE}")
    path = _locate(part, folder)
    if path is not None:
        return path, None
    before, colon, written = part.rpartition(":")
    before = before.rstrip()
    if colon and not before:
        raise InputError(f"{flag} has the weight {written!r} of nothing; {_GIVE}")
    path = _locate(before, folder)
    if path is None:
        missing = part if _number(written) is None else before
        raise InputError(f"{flag} {os.path.join(folder, missing)} does not exist; {_GIVE}")
    return path, written


def _locate(name: str, folder: str | os.PathLike) -> pathlib.Path | None:
    """The path of something that exists, or None."""
    path = os.path.join(folder, os.path.expanduser(name))
    # Not the methods of a path, which raise for a name that is too long or of an unknown user.
    return pathlib.Path(path) if name and os.path.exists(path) else None


def _weight(path: pathlib.Path, written: str, flag: str) -> float:
    weight = _number(written)
    if weight is None or not (math.isfinite(weight) and weight > 0):
        raise InputError(
            f"{flag} gives {path} the weight {written!r}, which is no number above 0; {_FORM}"
        )
    return weight


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def style_files(text: str) -> list[pathlib.Path]:
    """The files of a style, those of its folders among them; see `parse_source`."""
    return [
        file
        for part in parse_source(text)
        for file in (find_audio(part.path, "--style") if part.path.is_dir() else [part.path])
    ]


def check_source(text: str, config: TransferConfig) -> Waveform | None:
    """Check that all files that `load_source` would read can be read, those in folders aside.

    Returns:
      The waveform if the style is one audio file.

    Raises:
      InputError: one cannot.
    """
    parts = parse_source(text)
    for part in parts:
        if is_style_file(part.path):
            load_style(part.path, style_template(config), style_settings(config))
    read = [load_waveform(part.path) for part in parts if part.is_audio_file]
    return read[0] if len(parts) == len(read) == 1 else None


def load_source(text: str, config: TransferConfig) -> Waveform | Style:
    """Load a style: the waveform of a single audio file, or else a description.

    Args:
      text: see `parse_source`.
      config: of the transfer that the style is for.

    Raises:
      InputError: a part cannot be read, was made for another config, or the weights do not sum
        to 1.
    """
    parts = parse_source(text)
    if len(parts) == 1 and parts[0].is_audio_file:
        return load_waveform(parts[0].path)
    # Files that cannot be read are reported before others are described.
    check_source(text, config)
    styles = [_describe(part.path, config)[0] for part in parts]
    return mix_styles(styles, [part.weight for part in parts])


def make_style_file(path: str | os.PathLike, text: str, config: TransferConfig) -> int:
    """Write the description of a style to a style file.

    Args:
      path: ends in `.npz`.
      text: see `parse_source`.
      config: of the transfers that the style is for.

    Returns:
      The number of files that were described.

    Raises:
      InputError: as `load_source`, or the file cannot be written.
    """
    parts = parse_source(text)
    described = [_describe(part.path, config) for part in parts]
    style = mix_styles([style for style, _ in described], [part.weight for part in parts])
    files = [name for _, names in described for name in names]
    save_style(path, style, style_settings(config), files)
    return len(files)


def _describe(path: pathlib.Path, config: TransferConfig) -> tuple[Style, list[str]]:
    """The style of a file or folder, and the names of its files; files weigh by their length.

    Files of a folder that are shorter than 2 s, such as single notes, are joined to 20 s and more.
    """
    if is_style_file(path):
        return load_style(path, style_template(config), style_settings(config)), [path.name]
    styles, seconds, names, short = [], [], [], []

    def describe(recording: Waveform) -> None:
        styles.append(describe_style(recording, config))
        seconds.append(recording.seconds)

    def describe_short() -> None:
        with about(path):
            describe(Waveform(np.concatenate(short, axis=1), config.sample_rate))
        short.clear()

    for file in find_audio(path, "--style"):
        try:
            recording = load_waveform(file)
            if path.is_dir() and recording.seconds < _SHORT:
                short.append(mix_down(recording, config.sample_rate))
            else:
                with about(file):
                    describe(recording)
        except InputError as error:
            if not path.is_dir():
                raise
            warnings.warn(f"skipped {error}", stacklevel=2)
            continue
        names.append(file.name)
        if sum(samples.shape[1] for samples in short) >= _JOINED * config.sample_rate:
            describe_short()
    if short:
        describe_short()
    if not styles:
        raise InputError(f"--style {path} holds no audio that can be read; give another folder")
    return mix_styles(styles, list(np.array(seconds) / np.sum(seconds))), names


def mix_styles(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    """The weighted mean of styles of equal settings; the weights sum to 1.

    Gram matrices become those of the recordings put together. Quantiles become those of the
    Wasserstein barycentre of each projection: halfway between a quiet and a loud style is one of
    middle loudness, not one that is quiet half of the time. Moments become those of the recordings
    put together, so a variance includes the spread of the means. A single style is returned as it
    is.
    """
    if len(styles) == 1:
        return styles[0]

    def mean(*arrays: jax.typing.ArrayLike) -> np.ndarray:
        stacked = np.stack([np.asarray(array, np.float64) for array in arrays])
        return np.tensordot(weights, stacked, axes=1)

    def mix(*parts: Moments | jax.Array) -> Moments | jax.Array:
        moments = [part for part in parts if isinstance(part, Moments)]
        if not moments:
            arrays = [part for part in parts if not isinstance(part, Moments)]
            return jnp.asarray(mean(*arrays), jnp.float32)
        centre = mean(*(part.mean for part in moments))
        spread = mean(*(np.square(np.asarray(part.mean, np.float64) - centre) for part in moments))
        variance = mean(*(part.variance for part in moments)) + spread
        return Moments(jnp.asarray(centre, jnp.float32), jnp.asarray(variance, jnp.float32))

    return jax.tree.map(mix, *styles, is_leaf=lambda part: isinstance(part, Moments))
