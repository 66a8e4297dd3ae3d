"""One style transfer: from a content, a style and a config to an output and its loss."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from research.audio.levels import match_loudness, peak, rms
from research.audio.padding import pad_waveform, padded_length
from research.audio.upper_band import add_upper_band, relative_levels
from research.audio.waveform import (
    Waveform,
    fit_length,
    match_channels,
    resample,
    without_offset,
)
from research.clock import Clock
from research.errors import InputError
from research.products import full_precision
from research.transfer.config import TransferConfig
from research.transfer.constants import Constants, check_described, make_constants
from research.transfer.dynamics import find_sound, follow_dynamics, quieten_rests
from research.transfer.evaluation import evaluate
from research.transfer.inputs import content_samples, style_samples
from research.transfer.objective import Objective, Style, Targets, make_objective
from research.transfer.optimise import Minimum, Progress, minimise, not_optimised
from research.transfer.start import STARTS, StartInputs
from research.transfer.style_description import describe_for_start, describe_samples
from research.transfer.variables.base import Variable
from research.transfer.variables.registry import VARIABLES

# Amount of style at style_amount=0: with none at all, the output would be the content.
_SMALLEST_AMOUNT = 0.25
_HIGHEST_PEAK = 1.4  # Of 3 dB above full scale, which lossy files reach.


@dataclasses.dataclass(frozen=True)
class Problem:
    """A transfer before its optimisation.

    Attributes:
      content: the recording as given, without an offset.
      samples: the content as the transfer uses it, `[channels, samples]`.
      style_upper: `relative_levels` of the style above half of `config.sample_rate`.
      variable: what is optimised.
      start: of the variable; padded if it is optimised, see `research.audio.padding`.
      objective: the unweighted loss.
      targets: what the variable is compared with; None if nothing is optimised.
      weights: weight of each term of the objective.
      config: of the transfer; its weights may be others.
    """

    content: Waveform
    samples: np.ndarray
    style_upper: np.ndarray
    variable: Variable
    start: np.ndarray
    objective: Objective
    targets: Targets | None
    weights: dict[str, float]
    config: TransferConfig


@dataclasses.dataclass(frozen=True)
class Transfer:
    """The result of a transfer.

    Attributes:
      output: of the length, sample rate and channels of the content.
      minimum: result of the optimisation.
      seconds: wall time of `start`, `optimise` and `phase`, without compilation, and of `compile`.
      rendered_loss: computes the loss of a recording of the output; None if nothing was optimised.
    """

    output: Waveform
    minimum: Minimum
    seconds: dict[str, float]
    rendered_loss: Callable[[Waveform], float] | None


def transfer(
    content: Waveform,
    style: Waveform | Style,
    config: TransferConfig,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Transfer:
    """Transfer the style of one recording to the content of another.

    Channels are transferred together, each with the style of the mean of the style's channels. The
    output has the content's loudness (root mean square) and no peak above 0.95. Offsets (DC) of the
    recordings are removed. A content with peaks above 1.4 counts as turned down to them.

    Raises:
      InputError: a recording is too short for the config, a checkpoint or file of the config does
        not fit, or the loss is not finite at the start.
    """
    clock = Clock()
    with clock.measure("start"):
        problem = prepare(content, style, config)
    with clock.measure("optimise"):
        if problem.targets is None:
            minimum = not_optimised(problem.start)
        else:
            minimum = minimise(
                problem.objective,
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
    content: Waveform,
    style: Waveform | Style,
    config: TransferConfig,
    constants: Constants | None = None,
) -> Problem:
    """Compute the start of a transfer, and the targets of its optimisation if there is any.

    Args:
      content: a recording of any sample rate, length and channels.
      style: the same, or the description of a style.
      config: of the transfer.
      constants: result of `make_constants`, if several problems share it.

    Raises:
      InputError: as `transfer`.
    """
    content = without_offset(content)
    samples = content_samples(content, config)
    constants = constants or make_constants(config, content.sample_rate)
    amount = _SMALLEST_AMOUNT + (1 - _SMALLEST_AMOUNT) * config.style_amount
    num_samples = samples.shape[1]
    of_style, style_upper = None, np.zeros(0)
    if isinstance(style, Waveform):
        if config.full_band and content.sample_rate > config.sample_rate:
            style_upper = relative_levels(style, config.sample_rate)
        of_style = style_samples(style, config)
        if config.num_iterations:
            num_frames = config.stft.num_frames(padded_length(num_samples))
            style = describe_samples(
                constants, of_style, config, None if config.style_amount < 1 else num_frames
            )
        else:
            style = describe_for_start(of_style, config)
    elif STARTS[config.init].needs_style_audio:
        raise InputError(
            f"config.init={config.init} needs the audio of one style, not its statistics"
        )
    elif config.num_iterations:
        check_described(config, content.sample_rate)
    variable = VARIABLES[config.variable](config.stft, constants.basis)
    start = STARTS[config.init].make(
        StartInputs(
            content=samples,
            style=of_style,
            levels=None if style.levels is None else np.asarray(style.levels),
            orchestra=jax.tree.map(np.asarray, style.orchestra),
            amount=amount,
            style_amount=config.style_amount,
            noise_scale=config.noise_scale,
            sample_rate=config.sample_rate,
            seed=config.seed,
        ),
        variable,
    )
    objective, targets = make_objective(config), None
    if config.num_iterations:
        targets = _make_targets(
            constants,
            pad_waveform(samples if config.content_target == "content" else start),
            num_samples,
            style,
            None if config.style_amount == 1 else amount,
            objective=objective,
        )
        start = variable.pad(start, num_samples)
    return Problem(
        content,
        samples,
        style_upper,
        variable,
        start,
        objective,
        targets,
        config.weights,
        config,
    )


@functools.partial(jax.jit, static_argnames="objective")
@full_precision
def _make_targets(
    constants: Constants,
    content: jax.Array,
    num_samples: int,
    style: Style,
    amount: float | None,
    *,
    objective: Objective,
) -> Targets:
    return objective.make_targets(constants, content, style, amount, num_samples)


def finish(problem: Problem, minimum: Minimum, seconds: dict[str, float]) -> Transfer:
    """Render the output of an optimised transfer, which took `seconds` so far.

    Raises:
      InputError: the loss was not finite at the start, so that there is no output.
    """
    config, samples = problem.config, problem.samples
    if minimum.loss is not None and not np.isfinite(minimum.loss):
        raise InputError(
            f"the loss is {minimum.loss} at the start; lower config.content_weight, "
            "config.style_weight or config.noise_scale"
        )
    variable = problem.variable.cut(minimum.variable, samples.shape[1])
    output = _render(problem, variable)
    level = rms(output)
    of_waveform = dataclasses.replace(problem.objective, variable="waveform")

    def rendered_loss(recording: Waveform) -> float:
        again = resample(recording, config.sample_rate).samples
        again = fit_length(match_channels(again, len(samples)), samples.shape[-1])
        again = again * np.float32(level / max(rms(again), 1e-30))
        return evaluate(of_waveform, pad_waveform(again), problem.targets, problem.weights)[0]

    return Transfer(
        _as_content(output, problem),
        minimum._replace(variable=variable),
        seconds,
        None if problem.targets is None else rendered_loss,
    )


def render(problem: Problem, variable: jax.Array | np.ndarray) -> Waveform:
    """A recording of a variable, such as the start: what the output would be if it ended there."""
    without_padding = problem.variable.cut(variable, problem.samples.shape[1])
    return _as_content(_render(problem, without_padding), problem)


def _render(problem: Problem, variable: np.ndarray) -> np.ndarray:
    """Samples of a variable at the rate of the computation, with the content's dynamics."""
    config, samples = problem.config, problem.samples
    key = jax.random.key(config.seed)
    output = np.asarray(problem.variable.to_waveform(variable, samples, key, config.phase))
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
    return output


def _as_content(samples: np.ndarray, problem: Problem) -> Waveform:
    """Output samples at the sample rate, length, channels and loudness of the content.

    A content far above full scale counts as turned down, since peaks are limited.
    """
    content, config = problem.content, problem.config
    target = rms(content.samples) / max(peak(content.samples) / _HIGHEST_PEAK, 1.0)
    samples = resample(Waveform(samples, config.sample_rate), content.sample_rate).samples
    samples = fit_length(samples, content.samples.shape[-1])
    if config.full_band:
        recording = match_channels(content.samples, samples.shape[0])
        samples = add_upper_band(
            samples,
            Waveform(recording, content.sample_rate),
            config.sample_rate,
            problem.style_upper,
            config.style_amount,
        )
    samples = match_channels(samples, content.samples.shape[0])
    samples = match_loudness(samples, target, content.sample_rate)
    return Waveform(samples, content.sample_rate)
