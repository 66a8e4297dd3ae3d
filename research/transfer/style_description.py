"""The description of a style: from a recording, its shapes, and the settings that it depends on."""

import dataclasses
import functools
import hashlib
from typing import Any

import jax
import numpy as np

from research.audio.padding import pad_waveform
from research.audio.waveform import Waveform
from research.products import full_precision
from research.transfer.config import TransferConfig
from research.transfer.constants import Constants, make_constants
from research.transfer.inputs import style_samples
from research.transfer.level_matching import level_quantiles
from research.transfer.objective import Objective, Style, make_objective
from research.transfer.random_filters import FilterConfig
from research.transfer.reorchestration.orchestra import silent_orchestra
from research.transfer.reorchestration.reorchestrate import orchestra_of
from research.transfer.start import STARTS


def describe_style(style: Waveform, config: TransferConfig) -> Style:
    """Describe a recording of a style; where nothing is optimised, what the start needs alone.

    Raises:
      InputError: the recording is too short for the config, or a checkpoint does not fit.
    """
    samples = style_samples(style, config)
    if not config.num_iterations:
        return describe_for_start(samples, config)
    return describe_samples(make_constants(config, config.sample_rate), samples, config)


def describe_samples(
    constants: Constants,
    samples: np.ndarray,
    config: TransferConfig,
    num_frames: int | None = None,
) -> Style:
    """Describe a style, `[1, samples]`; the other arguments as of `Objective.describe_style`."""
    style = _describe(
        constants,
        pad_waveform(samples),
        samples.shape[1],
        objective=make_objective(config),
        num_frames=num_frames,
    )
    start = describe_for_start(samples, config)
    return style._replace(levels=start.levels, orchestra=start.orchestra)


def describe_for_start(samples: np.ndarray, config: TransferConfig) -> Style:
    """What a start needs of a style, `[1, samples]`; descriptions of terms are left out."""
    start = STARTS[config.init]
    levels = level_quantiles(samples, config.sample_rate) if start.needs_style_levels else None
    orchestra = None
    if start.needs_orchestra:
        orchestra = orchestra_of(samples, config.sample_rate)
    return Style({}, {}, levels, orchestra)


@functools.partial(jax.jit, static_argnames=("objective", "num_frames"))
@full_precision
def _describe(
    constants: Constants,
    samples: jax.Array,
    num_samples: jax.Array | int,
    *,
    objective: Objective,
    num_frames: int | None,
) -> Style:
    return objective.describe_style(constants, samples, num_frames, num_samples)


def style_template(config: TransferConfig) -> Style:
    """Shapes and types of the arrays of `describe_style`."""
    second, start = np.zeros((1, config.sample_rate), np.float32), STARTS[config.init]
    style = Style({}, {}, None)
    if config.num_iterations:
        constants = make_constants(config, config.sample_rate)
        describe = functools.partial(_describe, objective=make_objective(config), num_frames=None)
        style = jax.eval_shape(describe, constants, second, second.size)
    if start.needs_style_levels:
        levels = jax.eval_shape(lambda: level_quantiles(second, config.sample_rate))
        style = style._replace(levels=levels)
    return style._replace(orchestra=silent_orchestra()) if start.needs_orchestra else style


def style_settings(config: TransferConfig) -> dict[str, Any]:
    """The settings that a description depends on, nested as in the config.

    A style file keeps them as `front_end`, and is refused by a transfer with others.
    """
    every = dataclasses.asdict(config)
    names = ("sample_rate", "rms", "keep_rests", "stft", "gram_divisor", "layers")
    settings = {name: every[name] for name in names}
    if config.features.layer == FilterConfig.layer:
        del every["features"]["layer"]  # Files are older than this key.
    # Without features only projections are random.
    settings["features"] = (
        every["features"] if config.needs_features else {"seed": config.features.seed}
    )
    classifier = make_constants(config, config.sample_rate).classifier if config.layers else None
    if classifier is not None:
        leaves = jax.tree.leaves(classifier.network.variables)
        digest = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves))
        settings["checkpoint"] = digest.hexdigest()[:16]
    return settings
