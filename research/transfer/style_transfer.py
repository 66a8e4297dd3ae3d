"""One style transfer: two waveforms and a config in, one waveform and its numbers out."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from research.audio.phase import PhaseConfig
from research.audio.stft import StftConfig
from research.audio.waveform import (
    Waveform,
    fit_length,
    match_channels,
    match_loudness,
    resample,
    rms,
)
from research.errors import InputError
from research.settings import above, at_least, one_of
from research.transfer.features import FilterConfig, make_filters, transform_filters
from research.transfer.objective import GRAM_DIVISORS, SCALES, Objective, Targets
from research.transfer.optimise import Minimum, OptimiserConfig, Progress, evaluate, minimise
from research.transfer.variable import (
    STARTS,
    VARIABLES,
    from_waveform,
    start_variable,
    to_waveform,
)


@dataclasses.dataclass(frozen=True)
class TransferConfig:
    """Every scientific choice of a transfer.

    Attributes:
      seed: of noise and random phase; the filters have their own.
      sample_rate: at which the transfer works, Hz.
      mono: whether channels are mixed down first, as the published systems have it; the output
        then repeats in every channel of the content.
      rms: to which both inputs are scaled before; None leaves them as they are.
      content_weight: of the content term.
      style_weight: of the style term.
      num_iterations: of the optimiser, at most.
      variable: what is optimised.
      init: where it starts.
      noise_scale: standard deviation of the start from noise.
      stft: the spectrogram.
      features: the random filters.
      scale: what terms are divided by.
      gram_divisor: what Gram matrices are divided by.
      optimiser: how the loss is minimised.
      phase: how a spectrogram variable gets its phase.
    """

    seed: int = at_least(0, 0)
    sample_rate: int = at_least(22050, 1000)
    mono: bool = False
    rms: float | None = above(0.1, 0)
    content_weight: float = at_least(1.0, 0)
    style_weight: float = at_least(1.0, 0)
    num_iterations: int = at_least(100, 0)
    variable: str = one_of("waveform", VARIABLES)
    init: str = one_of("content", STARTS)
    noise_scale: float = at_least(1e-3, 0)
    stft: StftConfig = StftConfig()
    features: FilterConfig = FilterConfig()
    scale: str = one_of("relative", SCALES)
    gram_divisor: str = one_of("frames", GRAM_DIVISORS)
    optimiser: OptimiserConfig = OptimiserConfig()
    phase: PhaseConfig = PhaseConfig()

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each term of the objective."""
        return {"content": self.content_weight, "style": self.style_weight}

    @property
    def objective(self) -> Objective:
        """The loss, without its weights."""
        return Objective(
            self.variable, self.stft, self.features.nonlinearity, self.scale, self.gram_divisor
        )


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What a transfer gives back.

    Attributes:
      output: of the content's length, rate and channels.
      minimum: how the optimisation went.
      seconds: `compile`, `optimise`, `phase`; what was compiled is in none of the others.
      rendered_loss: the loss measured again on any recording of the output.
    """

    output: Waveform
    minimum: Minimum
    seconds: dict[str, float]
    rendered_loss: Callable[[Waveform], float]


def transfer(
    content: Waveform,
    style: Waveform,
    config: TransferConfig,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Transfer:
    """Give back the content in the style of the style.

    Channels are transferred together: style of as many channels as the content meets it channel by
    channel, other style is mixed down. The output has the content's loudness (root mean square)
    and no peak above 0.95.

    Raises:
      InputError: the pieces are too short for the config, or the loss is not finite at the start.
    """
    num_channels = 1 if config.mono else content.samples.shape[0]
    content_samples = _prepare(content, config, num_channels, "content")
    style_samples = _prepare(style, config, num_channels, "style")
    key = jax.random.key(config.seed)
    clock = _Clock()
    with clock.measure("optimise"):
        kernels = make_filters(config.features, _num_bins(config, content.sample_rate))
        start, targets = _set_up(
            content_samples,
            style_samples,
            kernels,
            key,
            config.noise_scale,
            objective=config.objective,
            init=config.init,
        )
        minimum = minimise(
            config.objective,
            start,
            targets,
            config.weights,
            config=config.optimiser,
            num_iterations=config.num_iterations,
            on_progress=on_progress,
        )
    if not np.isfinite(minimum.loss):
        raise InputError(
            f"the loss is {minimum.loss} at the start; lower config.content_weight, "
            "config.style_weight or config.noise_scale"
        )
    with clock.measure("phase"):
        samples = np.asarray(
            to_waveform(
                config.variable,
                minimum.variable,
                content_samples,
                key,
                config=config.stft,
                phase=config.phase,
            )
        )
    heard = dataclasses.replace(config.objective, variable="waveform")

    def rendered_loss(recording: Waveform) -> float:
        again = match_channels(resample(recording, config.sample_rate).samples, num_channels)
        again = fit_length(again, samples.shape[-1])
        again = again * np.float32(rms(samples) / max(rms(again), 1e-30))
        return evaluate(heard, again, targets, config.weights)[0]

    return Transfer(_finish(samples, config, content), minimum, clock.seconds, rendered_loss)


def _prepare(piece: Waveform, config: TransferConfig, num_channels: int, name: str) -> np.ndarray:
    samples = match_channels(resample(piece, config.sample_rate).samples, num_channels)
    if config.rms is not None:
        samples = samples * np.float32(config.rms / rms(samples))
    needed, frames = max(config.features.widths), config.stft.num_frames(samples.shape[-1])
    if frames < needed:
        raise InputError(
            f"{name} has {max(frames, 0)} frames of {config.stft.hop_length} samples; a filter of "
            f"config.features.widths spans {needed}"
        )
    return samples


def _num_bins(config: TransferConfig, output_rate: int) -> int:
    """Bins that the filters see: up to their highest frequency, and not above what is written."""
    max_hz = config.features.max_hz
    if output_rate < config.sample_rate:
        max_hz = min(max_hz, 0.45 * output_rate)
    return min(config.stft.num_bins, 1 + int(max_hz * config.stft.n_fft / config.sample_rate))


@jax.jit(static_argnames=("objective", "init"))
def _set_up(
    content: jax.Array,
    style: jax.Array,
    kernels: dict[str, jax.Array],
    key: jax.Array,
    noise_scale: float,
    *,
    objective: Objective,
    init: str,
) -> tuple[jax.Array, Targets]:
    kind, stft = objective.variable, objective.stft
    start = start_variable(kind, init, content, style, key, config=stft, noise_scale=noise_scale)
    pieces = [from_waveform(kind, piece, stft) for piece in (content, style)]
    return start, objective.targets(transform_filters(kernels), *pieces)


def _finish(samples: np.ndarray, config: TransferConfig, content: Waveform) -> Waveform:
    output = resample(Waveform(samples, config.sample_rate), content.sample_rate)
    samples = fit_length(output.samples, content.samples.shape[-1])
    samples = match_channels(samples, content.samples.shape[0])
    samples = match_loudness(samples, rms(content.samples), content.sample_rate)
    return Waveform(samples, content.sample_rate)


class _Clock:
    """Wall seconds by part, with what jax spent on compiling set apart."""

    def __init__(self):
        self.seconds = {"compile": 0.0}

    @contextlib.contextmanager
    def measure(self, part: str) -> Iterator[None]:
        compiled = 0.0

        def listen(event: str, duration: float, **_):
            nonlocal compiled
            if event.endswith(("jaxpr_to_mlir_module_duration", "backend_compile_duration")):
                compiled += duration

        jax.monitoring.register_event_duration_secs_listener(listen)
        start = time.perf_counter()
        try:
            yield
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)
            self.seconds[part] = time.perf_counter() - start - compiled
            self.seconds["compile"] += compiled
