"""A log-magnitude spectrogram is optimised as it is, as the published systems do."""

from typing import ClassVar

import jax

from research.audio.stft import log_magnitude
from research.transfer.variables.base import Variable


class RawSpectrogramVariable(Variable):
    """`[channels, frames, bins]`; negative values are allowed, and silent in the waveform."""

    name: ClassVar[str] = "raw_spectrogram"
    dither: ClassVar[float] = 1e-6

    def shape(self, num_channels: int, num_samples: int) -> tuple[int, ...]:
        """`[channels, frames, bins]`."""
        return num_channels, self.stft.num_frames(num_samples), self.stft.num_bins

    def from_waveform(
        self, waveform: jax.Array, num_samples: jax.Array | int | None = None
    ) -> jax.Array:
        """`log1p(|STFT|)`."""
        return log_magnitude(waveform, self.stft)

    def to_log_magnitude(self, variable: jax.Array, num_frames: int | None = None) -> jax.Array:
        """The variable as it is."""
        return variable
