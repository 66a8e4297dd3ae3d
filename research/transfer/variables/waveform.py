"""The waveform itself is optimised, through the STFT."""

from typing import ClassVar

import jax
import numpy as np

from research.audio.phase import PhaseConfig
from research.audio.stft import log_magnitude
from research.transfer.variables.base import Variable


class WaveformVariable(Variable):
    """A waveform `[channels, samples]`; its log magnitude is `log1p(|STFT(v)|)`."""

    name: ClassVar[str] = "waveform"
    is_waveform: ClassVar[bool] = True
    dither: ClassVar[float] = 1e-6

    def shape(self, num_channels: int, num_samples: int) -> tuple[int, ...]:
        """`[channels, samples]`."""
        return num_channels, num_samples

    def from_waveform(
        self, waveform: jax.Array, num_samples: jax.Array | int | None = None
    ) -> jax.Array:
        """The waveform as it is."""
        return waveform

    def from_recording(self, samples: np.ndarray) -> np.ndarray:
        """The samples themselves, not a padded copy: a recording may be long."""
        return samples

    def to_log_magnitude(self, variable: jax.Array, num_frames: int | None = None) -> jax.Array:
        """`log1p(|STFT(v)|)`."""
        return log_magnitude(variable, self.stft)

    def to_waveform(
        self,
        variable: jax.Array | np.ndarray,
        content: jax.Array | np.ndarray,
        key: jax.Array,
        phase: PhaseConfig,
    ) -> jax.Array | np.ndarray:
        """The variable as it is; no phase is recovered."""
        return variable
