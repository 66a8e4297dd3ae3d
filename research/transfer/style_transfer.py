"""One style transfer: a waveform, a style and a config in, one waveform and its numbers out."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.waveform import (
    Waveform,
    fit_length,
    match_channels,
    match_loudness,
    resample,
    rms,
)
from research.clock import Clock
from research.errors import InputError
from research.transfer.config import TransferConfig
from research.transfer.dynamics import find_sound, follow_dynamics, quieten_rests
from research.transfer.objective import Objective, Senses, Style, Targets
from research.transfer.optimise import Minimum, Progress, evaluate, minimise
from research.transfer.random_filters import make_filters, transform_filters
from research.transfer.start import level_quantiles, matched_start
from research.transfer.statistics import make_projections
from research.transfer.variable import start_variable, to_waveform
from research.transfer.views import FINE


@dataclasses.dataclass(frozen=True)
class Problem:
    """A transfer that is yet to be optimised.

    Attributes:
      content: as given.
      samples: of the content, as the transfer hears it, `[channels, samples]`.
      start: of the variable.
      targets: that it is compared with.
      weights: of the terms.
      config: of the transfer, weights aside.
    """

    content: Waveform
    samples: np.ndarray
    start: jax.Array
    targets: Targets
    weights: dict[str, float]
    config: TransferConfig


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What a transfer gives back.

    Attributes:
      output: of the content's length, rate and channels.
      minimum: how the optimisation went.
      seconds: `compile`, `start`, `optimise`, `phase`; what was compiled is in none of the others.
      rendered_loss: the loss measured again on any recording of the output.
    """

    output: Waveform
    minimum: Minimum
    seconds: dict[str, float]
    rendered_loss: Callable[[Waveform], float]


# What style_amount=0 still takes: nothing at all would be the content.
_LEAST_AMOUNT = 0.25


def transfer(
    content: Waveform,
    style: Waveform | Style,
    config: TransferConfig,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Transfer:
    """Give back the content in the style of the style.

    Channels are transferred together, each with the style of the mean of the style's channels. The
    output has the content's loudness (root mean square) and no peak above 0.95.

    Raises:
      InputError: the pieces are too short for the config, a checkpoint or file of the config does
        not fit, or the loss is not finite at the start.
    """
    clock = Clock()
    with clock.measure("start"):
        problem = prepare(content, style, config)
    with clock.measure("optimise"):
        minimum = minimise(
            config.objective,
            problem.start,
            problem.targets,
            problem.weights,
            config=config.optimiser,
            num_iterations=config.num_iterations,
            on_progress=on_progress,
        )
    with clock.measure("phase"):
        return finish(problem, minimum, clock.seconds)


def prepare(
    content: Waveform, style: Waveform | Style, config: TransferConfig, senses: Senses | None = None
) -> Problem:
    """All of a transfer that comes before its optimisation.

    Args:
      content: any rate, length and channels.
      style: audio, or what is known of it.
      config: of the transfer.
      senses: of `make_senses`, where several problems share them.

    Raises:
      InputError: as `transfer`.
    """
    num_channels = 1 if config.mono else content.samples.shape[0]
    whole = match_channels(resample(content, config.sample_rate).samples, num_channels)
    samples = _level(whole, config)
    _check_length(samples, config, "content")
    senses = senses or make_senses(config, content.sample_rate)
    style_samples = None
    if isinstance(style, Waveform):
        style_samples = _hear_style(style, config)
        num_frames = config.stft.num_frames(samples.shape[1])
        style = _describe(
            senses, style_samples, config, None if config.style_amount < 1 else num_frames
        )
    elif config.init == "style":
        raise InputError("config.init=style needs the audio of one style, not its statistics")
    start = samples
    amount = _LEAST_AMOUNT + (1 - _LEAST_AMOUNT) * config.style_amount
    if config.init == "matched":
        start = matched_start(
            samples, np.asarray(style.levels), amount, config.sample_rate, config.seed
        )
    start = start_variable(
        config.variable,
        "content" if config.init == "matched" else config.init,
        start,
        style_samples,
        jax.random.key(config.seed),
        config=config.stft,
        noise_scale=config.noise_scale,
        basis=senses.basis,
    )
    targets = _set_up(
        senses,
        samples,
        style,
        None if config.style_amount == 1 else amount,
        objective=config.objective,
    )
    return Problem(content, samples, start, targets, config.weights, config)


def finish(problem: Problem, minimum: Minimum, seconds: dict[str, float]) -> Transfer:
    """The output of a transfer that was optimised, in `seconds`.

    Raises:
      InputError: there is none, since the loss was not finite at the start.
    """
    config, samples = problem.config, problem.samples
    if not np.isfinite(minimum.loss):
        raise InputError(
            f"the loss is {minimum.loss} at the start; lower config.content_weight, "
            "config.style_weight or config.noise_scale"
        )
    output = np.asarray(
        to_waveform(
            config.variable,
            minimum.variable,
            samples,
            jax.random.key(config.seed),
            config=config.stft,
            phase=config.phase,
            basis=problem.targets.senses.basis,
        )
    )
    output = follow_dynamics(
        output,
        samples,
        config.dynamics,
        config.dynamics_seconds,
        config.rest_db,
        config.sample_rate,
    )
    if config.keep_rests:
        output = quieten_rests(output, find_sound(samples), config.rest_db)
    level = rms(output)
    heard = dataclasses.replace(config.objective, variable="waveform")

    def rendered_loss(recording: Waveform) -> float:
        again = resample(recording, config.sample_rate).samples
        again = fit_length(match_channels(again, len(samples)), samples.shape[-1])
        again = again * np.float32(level / max(rms(again), 1e-30))
        return evaluate(heard, again, problem.targets, problem.weights)[0]

    return Transfer(_as_given(output, problem), minimum, seconds, rendered_loss)


def _as_given(samples: np.ndarray, problem: Problem) -> Waveform:
    """An output at the rate, of the length, channels and loudness of the content."""
    content, config = problem.content, problem.config
    output = resample(Waveform(samples, config.sample_rate), content.sample_rate)
    samples = fit_length(output.samples, content.samples.shape[-1])
    samples = match_channels(samples, content.samples.shape[0])
    samples = match_loudness(samples, rms(content.samples), content.sample_rate)
    return Waveform(samples, content.sample_rate)


def describe_style(style: Waveform, config: TransferConfig) -> Style:
    """All that a transfer needs to know of a style.

    Raises:
      InputError: the piece is too short for the config, or a checkpoint does not fit.
    """
    return _describe(make_senses(config, config.sample_rate), _hear_style(style, config), config)


def style_template(config: TransferConfig) -> Style:
    """Shapes and types of what `describe_style` gives."""
    second = np.zeros((1, config.sample_rate), np.float32)
    senses = make_senses(config, config.sample_rate)
    return jax.eval_shape(functools.partial(_describe, config=config), senses, second)


def front_end(config: TransferConfig) -> dict[str, Any]:
    """All choices that change what is known of a style."""
    known = dataclasses.asdict(config)
    names = ("sample_rate", "rms", "keep_rests", "stft", "gram_divisor", "layers")
    kept = {name: known[name] for name in names}
    seeing = config.looks_at_features
    kept["features"] = known["features"] if seeing else {"seed": config.features.seed}
    if config.layers:
        leaves = jax.tree.leaves(make_senses(config, config.sample_rate).eye.variables)
        digest = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves))
        kept["checkpoint"] = digest.hexdigest()[:16]
    return kept


def make_senses(config: TransferConfig, output_rate: int) -> Senses:
    """All that pieces are looked at through, for an output at `output_rate` Hz.

    Raises:
      InputError: a checkpoint or components that do not fit the config.
    """
    kernels, eye, basis = {}, None, None
    if config.looks_at_features:
        kernels = transform_filters(make_filters(config.features, _num_bins(config, output_rate)))
    if config.layers and config.looks_at_features:
        from research.transfer.classifier_layers import load_eye

        eye = load_eye(config.checkpoint, config.layers)
        _check_front_end(config, eye.spectrogram, f"config.checkpoint {config.checkpoint}")
    if config.variable == "pca":
        from research.data.pca import load_pca
        from research.transfer.variable import Basis

        pca = load_pca(config.pca)
        _check_front_end(config, pca.spectrogram, f"config.pca {config.pca}")
        basis = Basis(jnp.asarray(pca.mean), jnp.asarray(pca.components))
    senses = Senses(kernels, make_projections(config.features.seed, {}), eye, basis)
    if "feature_levels" not in config.objective.style:
        return senses
    views = jax.eval_shape(
        dataclasses.replace(config.objective, style=("gram",), content=()).listen,
        senses,
        np.zeros((1, config.sample_rate), np.float32),
    )
    sizes = {name: values.shape[-1] for name, values in views.features.items()}
    return senses._replace(projections=make_projections(config.features.seed, sizes))


def _check_front_end(config: TransferConfig, seen: Any, name: str) -> None:
    """A classifier or basis must see what the variable is."""
    if seen.sample_rate != config.sample_rate:
        raise InputError(
            f"{name} was trained at {seen.sample_rate} Hz; give config.sample_rate="
            f"{seen.sample_rate}"
        )
    if config.variable != "waveform" and seen.stft != config.stft:
        theirs, ours = dataclasses.asdict(seen.stft), dataclasses.asdict(config.stft)
        needed = [f"config.stft.{key}={theirs[key]}" for key in ours if theirs[key] != ours[key]]
        raise InputError(f"{name} was trained on another spectrogram; give {' and '.join(needed)}")


def _describe(
    senses: Senses, samples: jax.Array, config: TransferConfig, num_frames: int | None = None
) -> Style:
    style = _describe_sound(senses, samples, objective=config.objective, num_frames=num_frames)
    if config.init == "matched":
        style = style._replace(levels=level_quantiles(samples, config.sample_rate))
    return style


@functools.partial(jax.jit, static_argnames=("objective", "num_frames"))
def _describe_sound(
    senses: Senses, samples: jax.Array, *, objective: Objective, num_frames: int | None
) -> Style:
    return objective.describe(senses, samples, num_frames)


@functools.partial(jax.jit, static_argnames="objective")
def _set_up(
    senses: Senses,
    content: jax.Array,
    style: Style,
    amount: float | None,
    *,
    objective: Objective,
) -> Targets:
    return objective.targets(senses, content, style, amount)


def _hear_style(style: Waveform, config: TransferConfig) -> np.ndarray:
    samples = match_channels(resample(style, config.sample_rate).samples, 1)
    if config.keep_rests:
        samples = samples[:, find_sound(samples)]
    samples = _level(samples, config)
    _check_length(samples, config, "style")
    return samples


def _level(samples: np.ndarray, config: TransferConfig) -> np.ndarray:
    if config.rms is None:
        return samples
    return samples * np.float32(config.rms / rms(samples))


def _check_length(samples: np.ndarray, config: TransferConfig, name: str) -> None:
    num_samples = samples.shape[-1]
    if config.objective.hears and num_samples < FINE.n_fft:
        raise InputError(
            f"{name} has {num_samples} samples at {config.sample_rate} Hz, and {FINE.n_fft} are "
            "heard at once; give a longer one"
        )
    if not (config.looks_at_features and config.features.num_filters):
        return
    needed, frames = max(config.features.widths), config.stft.num_frames(num_samples)
    if frames < needed:
        raise InputError(
            f"{name} has {max(frames, 0)} frames of {config.stft.hop_length} samples; a filter of "
            f"config.features.widths spans {needed}"
        )


def _num_bins(config: TransferConfig, output_rate: int) -> int:
    """Bins that the filters see: up to their highest frequency, and not above what is written."""
    max_hz = config.features.max_hz
    if output_rate < config.sample_rate:
        max_hz = min(max_hz, 0.45 * output_rate)
    return min(config.stft.num_bins, 1 + int(max_hz * config.stft.n_fft / config.sample_rate))
