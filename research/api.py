"""The calls on arrays, as the package offers them: `style_transfer` and `genres`.

They compute what `run_transfer.py` and `run_train.py --mode=predict` do, without files.
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from configs.transfer import PRESETS
from research.audio.waveform import Waveform, check_waveform
from research.errors import InputError, about
from research.programs import keep_programs
from research.settings import freeze, to_config_dict
from research.training.predict import Ensemble, load_ensemble, predict_waveform, ranked
from research.transfer.config import TransferConfig, check_applies
from research.transfer.memory import check_memory
from research.transfer.optimise import Progress
from research.transfer.style_source import load_source
from research.transfer.style_transfer import transfer
from research.transfer.sweep import combinations
from research.workdir import flat


def style_transfer(
    content: ArrayLike,
    style: ArrayLike | str | os.PathLike,
    sample_rate: int,
    amount: float = 1.0,
    *,
    style_sample_rate: int | None = None,
    preset: str = "default",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    **config: Any,
) -> np.ndarray:
    """Play a content in the style of another recording.

    The first call compiles, for some seconds; calls after it do not, unless a preset that optimises
    pads to another length (`research.audio.padding`). Programs are kept in the user's cache folder,
    unless `jax_compilation_cache_dir` names another.

    Args:
      content: samples `[samples]` or `[channels, samples]`, floats of full scale 1, NumPy or jax.
      style: the same, of any length; or a path, a style file or mix as `--style` takes it.
      sample_rate: of the content, and of a style that is an array, Hz.
      amount: how far the output moves from the content (0) to the style (1).
      style_sample_rate: of the style, if it is another one, Hz.
      preset: a name in `configs.transfer.PRESETS`.
      on_progress: called with the number of iterations done and their total; a preset that
        optimises nothing, such as the default, has none.
      **config: keys of `TransferConfig` to change; those of nested ones as a dict of some of them,
        `optimiser={"name": "adam"}`, or with dots, `**{"style.patches": 0.5}`.

    Returns:
      The output, float32 of the shape and sample rate of the content.

    Raises:
      InputError: a recording cannot be used, a key is unknown or its value not allowed, or the loss
        is not finite. It is a ValueError.
    """
    keep_programs()
    chosen = configure(preset, {"style_amount": amount, **config})
    with jax.enable_x64(False):
        waveform = _to_waveform("content", content, sample_rate)
        if isinstance(style, str | os.PathLike):
            source = load_source(os.fspath(style), chosen)
        else:
            source = _to_waveform("style", style, style_sample_rate or sample_rate)
        check_memory(chosen, waveform, source if isinstance(source, Waveform) else None)

        def report(progress: Progress) -> None:
            on_progress(progress.iteration, chosen.num_iterations)

        result = transfer(waveform, source, chosen, report)
    if result.minimum.stopped == "non-finite":
        raise InputError(
            f"the loss was no longer finite at iteration {len(result.minimum.losses)}; lower "
            "optimiser.learning_rate or the weights"
        )
    return result.output.samples.reshape(np.shape(content))


def genres(
    samples: ArrayLike, sample_rate: int, *, checkpoint: str = "shipped"
) -> dict[str, float]:
    """Probabilities of the genres of a recording, the highest first.

    Args:
      samples: `[samples]` or `[channels, samples]`, floats of full scale 1.
      sample_rate: Hz.
      checkpoint: workdir of a training of `run_train.py`, or `shipped`.

    Raises:
      InputError: the recording or the networks cannot be used. It is a ValueError.
    """
    keep_programs()
    with jax.enable_x64(False):
        waveform = _to_waveform("samples", samples, sample_rate)
        # Those of a workdir may have been trained again since the last call.
        ensemble = _shipped() if checkpoint == "shipped" else load_ensemble(checkpoint)
        return ranked(predict_waveform(ensemble, waveform)["probabilities"])


@functools.cache
def _shipped() -> Ensemble:
    return load_ensemble("shipped")


def configure(preset: str, changes: dict[str, Any]) -> TransferConfig:
    """The config of a preset with changes, see `style_transfer`.

    Raises:
      InputError: the preset or a key is unknown, a value is not allowed, or there are several.
    """
    if preset not in PRESETS:
        raise InputError(f"preset is {preset!r}; give one of {', '.join(PRESETS)}")
    config = to_config_dict(PRESETS[preset]).to_dict()
    chosen = freeze(TransferConfig, _merged(config, changes))
    check_applies(chosen, flat(changes))
    if combinations(chosen.sweep) != [{}]:
        raise InputError("config.sweep is for run_transfer.py; call once for each value")
    return chosen


def _merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        key, _, rest = key.partition(".")
        if rest:
            value = {rest: value}
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            value = _merged(config[key], value)
        config = config | {key: value}
    return config


def _to_waveform(name: str, samples: ArrayLike, sample_rate: int) -> Waveform:
    array = np.asarray(samples)
    with about(name):
        if not np.issubdtype(array.dtype, np.floating):
            raise InputError(
                f"samples are {array.dtype}; give floats of full scale 1, such as samples / 32768 "
                "for 16 bits"
            )
        if array.ndim not in (1, 2):
            raise InputError(f"the shape is {array.shape}; give [samples] or [channels, samples]")
        array = np.atleast_2d(np.ascontiguousarray(array, np.float32))
        if len(array) > array.shape[1]:
            raise InputError(f"the shape is {array.shape}; give [channels, samples], its transpose")
        waveform = Waveform(array, int(sample_rate))
        check_waveform(waveform)
    return waveform
