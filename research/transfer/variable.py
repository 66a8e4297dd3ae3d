"""What is optimised: a waveform, or a log-magnitude spectrogram that still lacks its phase.

A variable is one array, `[channels, samples]` or `[channels, frames, bins]`. Both are seen as
`log(1 + |STFT|)`:

  waveform         `log1p(|STFT(v)|)`: what is optimised is what is heard
  spectrogram      `softplus(20 v) / 20`: non-negative by construction
  raw_spectrogram  `v`, negative values and all, as the published systems have it
"""

import jax
import jax.numpy as jnp

from research.audio.phase import PhaseConfig, recover_phase
from research.audio.stft import StftConfig, log_magnitude

VARIABLES = ("waveform", "spectrogram", "raw_spectrogram")
STARTS = ("content", "style", "noise", "zeros")

_SHARPNESS = 20.0
# Under the start from zeros: exact silence has no gradient to leave it by.
_DITHER = 1e-6


def start_variable(
    kind: str,
    start: str,
    content: jax.Array,
    style: jax.Array,
    key: jax.Array,
    *,
    config: StftConfig,
    noise_scale: float,
) -> jax.Array:
    """The variable an optimisation starts from.

    Args:
      kind: one of `VARIABLES`.
      start: "content", "style" (repeated or cut to the content's length), "noise" (normal, of
        standard deviation `noise_scale` in the variable itself) or "zeros" (with a dither of 1e-6
        where zero has no gradient).
      content: `[channels, samples]`.
      style: `[channels, style_samples]`.
      key: of the noise.
      config: the STFT of spectrogram variables.
      noise_scale: see `start`.

    Returns:
      `[channels, samples]`, or `[channels, frames, bins]`.
    """
    if start == "content":
        return from_waveform(kind, content, config)
    if start == "style":
        repeats = -(-content.shape[-1] // style.shape[-1])
        return from_waveform(kind, jnp.tile(style, repeats)[:, : content.shape[-1]], config)
    shape = content.shape
    if kind != "waveform":
        shape = (shape[0], config.num_frames(shape[1]), config.num_bins)
    scale = noise_scale
    if start == "zeros":
        scale = 0.0 if kind == "spectrogram" else _DITHER
    return scale * jax.random.normal(key, shape)


def from_waveform(kind: str, waveform: jax.Array, config: StftConfig) -> jax.Array:
    """The variable that stands for a waveform `[channels, samples]`."""
    if kind == "waveform":
        return waveform
    spectrogram = log_magnitude(waveform, config)
    if kind == "raw_spectrogram":
        return spectrogram
    scaled = _SHARPNESS * jnp.maximum(spectrogram, 1e-3)
    return (scaled + jnp.log(-jnp.expm1(-scaled))) / _SHARPNESS


def to_log_magnitude(kind: str, variable: jax.Array, config: StftConfig) -> jax.Array:
    """`log(1 + |STFT|)` of a variable, `[channels, frames, bins]`."""
    if kind == "waveform":
        return log_magnitude(variable, config)
    if kind == "raw_spectrogram":
        return variable
    return jax.nn.softplus(_SHARPNESS * variable) / _SHARPNESS


def to_waveform(
    kind: str,
    variable: jax.Array,
    content: jax.Array,
    key: jax.Array,
    *,
    config: StftConfig,
    phase: PhaseConfig,
) -> jax.Array:
    """The waveform of a variable, `[channels, samples]`, its phase recovered where it has none."""
    if kind == "waveform":
        return variable
    magnitude = jnp.expm1(jnp.maximum(to_log_magnitude(kind, variable, config), 0.0))
    return recover_phase(
        magnitude,
        key,
        stft_config=config,
        config=phase,
        length=content.shape[-1],
        content=content if phase.start == "content" else None,
    )
