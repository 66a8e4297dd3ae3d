"""A non-negative log-magnitude spectrogram is optimised, and its phase recovered afterwards."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from research.audio.stft import log_magnitude
from research.transfer.variables.base import Variable

_SHARPNESS = 20.0
_LEAST = 1e-3  # The softplus cannot reach 0; silence starts from here.


class SpectrogramVariable(Variable):
    """`[channels, frames, bins]` under a softplus: `softplus(20 v) / 20` is never negative."""

    name: ClassVar[str] = "spectrogram"

    def shape(self, num_channels: int, num_samples: int) -> tuple[int, ...]:
        """`[channels, frames, bins]`."""
        return num_channels, self.stft.num_frames(num_samples), self.stft.num_bins

    def from_waveform(
        self, waveform: jax.Array, num_samples: jax.Array | int | None = None
    ) -> jax.Array:
        """The inverse of the softplus, at a log magnitude of at least 0.001."""
        scaled = _SHARPNESS * jnp.maximum(log_magnitude(waveform, self.stft), _LEAST)
        return (scaled + jnp.log(-jnp.expm1(-scaled))) / _SHARPNESS

    def to_log_magnitude(self, variable: jax.Array, num_frames: int | None = None) -> jax.Array:
        """`softplus(20 v) / 20`."""
        return jax.nn.softplus(_SHARPNESS * variable) / _SHARPNESS
