"""What is optimised: a waveform, or a log-magnitude spectrogram that still lacks its phase.

A variable is one array, `[channels, samples]`, `[channels, frames, bins]` or `[channels, segments,
components]`. All are seen as `log(1 + |STFT|)`:

  waveform         `log1p(|STFT(v)|)`: what is optimised is what is heard
  spectrogram      `softplus(20 v) / 20`: non-negative by construction
  raw_spectrogram  `v`, negative values and all, as the published systems have it
  pca              `mean + v . components`, segment after segment, negative values and all, as in
                   jayanthkoushik/multicomp-hackathon (2017); whole segments, cut where it is seen
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.audio.phase import PhaseConfig, recover_phase
from research.audio.stft import StftConfig, log_magnitude
from research.errors import InputError

VARIABLES = ("waveform", "spectrogram", "raw_spectrogram", "pca")
STARTS = ("content", "style", "noise", "zeros")

_SHARPNESS = 20.0
# Under the start from zeros: exact silence has no gradient to leave it by.
_DITHER = 1e-6


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Basis:
    """What the segments of a pca variable are made of, as `research.data.pca` fits it.

    Attributes:
      mean: `[frames, bins]`.
      components: orthonormal, `[components, frames, bins]`.
    """

    mean: jax.Array
    components: jax.Array


def start_variable(
    kind: str,
    start: str,
    content: jax.Array,
    style: jax.Array,
    key: jax.Array,
    *,
    config: StftConfig,
    noise_scale: float,
    basis: Basis | None = None,
) -> jax.Array:
    """The variable an optimisation starts from.

    Args:
      kind: one of `VARIABLES`.
      start: "content", "style" (repeated or cut to the content's length), "noise" (normal, of
        standard deviation `noise_scale` in the variable itself) or "zeros" (with a dither of 1e-6
        where zero has no gradient; the mean of a basis, where there is one).
      content: `[channels, samples]`.
      style: `[channels, style_samples]`.
      key: of the noise.
      config: the STFT of spectrogram variables.
      noise_scale: see `start`.
      basis: of a pca variable.

    Returns:
      `[channels, samples]`, `[channels, frames, bins]` or `[channels, segments, components]`.

    Raises:
      InputError: the basis does not fit the STFT.
      ValueError: a pca variable has no basis.
    """
    if start == "content":
        return from_waveform(kind, content, config, basis=basis)
    if start == "style":
        repeats = -(-content.shape[-1] // style.shape[-1])
        at_length = jnp.tile(style, repeats)[:, : content.shape[-1]]
        return from_waveform(kind, at_length, config, basis=basis)
    shape = content.shape
    if kind != "waveform":
        shape = (shape[0], config.num_frames(shape[1]), config.num_bins)
    if kind == "pca":
        count, num_frames, _ = _fitting(basis, config).components.shape
        shape = (shape[0], -(-shape[1] // num_frames), count)
    scale = noise_scale
    if start == "zeros":
        scale = 0.0 if kind in ("spectrogram", "pca") else _DITHER
    return scale * jax.random.normal(key, shape)


def from_waveform(
    kind: str, waveform: jax.Array, config: StftConfig, *, basis: Basis | None = None
) -> jax.Array:
    """The variable that stands for a waveform `[channels, samples]`.

    With a basis it is the nearest one, `(S - mean) . components`; the last segment is filled up
    with silence.

    Raises:
      InputError: the basis does not fit the STFT.
      ValueError: a pca variable has no basis.
    """
    if kind == "waveform":
        return waveform
    spectrogram = log_magnitude(waveform, config)
    if kind == "raw_spectrogram":
        return spectrogram
    if kind == "pca":
        basis = _fitting(basis, config)
        num_frames, num_bins = basis.mean.shape
        missing = -spectrogram.shape[1] % num_frames
        padded = jnp.pad(spectrogram, ((0, 0), (0, missing), (0, 0)))
        segments = padded.reshape(padded.shape[0], -1, num_frames, num_bins)
        return jnp.einsum("csfb,nfb->csn", segments - basis.mean, basis.components)
    scaled = _SHARPNESS * jnp.maximum(spectrogram, 1e-3)
    return (scaled + jnp.log(-jnp.expm1(-scaled))) / _SHARPNESS


def to_log_magnitude(
    kind: str,
    variable: jax.Array,
    config: StftConfig,
    *,
    basis: Basis | None = None,
    num_frames: int | None = None,
) -> jax.Array:
    """`log(1 + |STFT|)` of a variable, `[channels, frames, bins]`.

    Args:
      kind: one of `VARIABLES`.
      variable: of this kind.
      config: the STFT.
      basis: of a pca variable.
      num_frames: of the piece that a pca variable stands for; None for its whole segments.

    Raises:
      InputError: the basis does not fit the STFT.
      ValueError: a pca variable has no basis, or less than `num_frames`.
    """
    if kind == "waveform":
        return log_magnitude(variable, config)
    if kind == "raw_spectrogram":
        return variable
    if kind == "pca":
        basis = _fitting(basis, config)
        segments = basis.mean + jnp.einsum("csn,nfb->csfb", variable, basis.components)
        spectrogram = segments.reshape(segments.shape[0], -1, segments.shape[-1])
        if num_frames is not None and num_frames > spectrogram.shape[1]:
            raise ValueError(f"{num_frames} frames of a variable of {spectrogram.shape[1]}")
        return spectrogram[:, :num_frames]
    return jax.nn.softplus(_SHARPNESS * variable) / _SHARPNESS


def to_waveform(
    kind: str,
    variable: jax.Array,
    content: jax.Array,
    key: jax.Array,
    *,
    config: StftConfig,
    phase: PhaseConfig,
    basis: Basis | None = None,
) -> jax.Array:
    """The waveform of a variable, `[channels, samples]`, its phase recovered where it has none.

    It is of the content's length. What is negative in a spectrogram is silent.

    Raises:
      InputError: the basis does not fit the STFT.
      ValueError: a pca variable has no basis, or other segments than the content.
    """
    if kind == "waveform":
        return variable
    num_frames = config.num_frames(content.shape[-1])
    spectrogram = to_log_magnitude(kind, variable, config, basis=basis, num_frames=num_frames)
    magnitude = jnp.expm1(jnp.maximum(spectrogram, 0.0))
    return recover_phase(
        magnitude,
        key,
        stft_config=config,
        config=phase,
        length=content.shape[-1],
        content=content if phase.start == "content" else None,
    )


def _fitting(basis: Basis | None, config: StftConfig) -> Basis:
    """The basis, if it is one for this STFT."""
    if basis is None:
        raise ValueError("a pca variable needs a basis")
    if basis.mean.shape != basis.components.shape[1:]:
        raise ValueError(
            f"a mean of {basis.mean.shape} does not fit components of {basis.components.shape}"
        )
    num_bins = basis.mean.shape[1]
    if num_bins != config.num_bins:
        raise InputError(
            f"config.pca holds components of {num_bins} bins, and config.stft.n_fft "
            f"{config.n_fft} makes {config.num_bins}; give the STFT that they were fitted to, "
            f"config.stft.n_fft={2 * (num_bins - 1)}"
        )
    return basis
