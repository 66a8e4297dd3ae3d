"""Coefficients of principal components are optimised.

As in jayanthkoushik/multicomp-hackathon (2017).
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.audio.padding import first
from research.audio.stft import log_magnitude
from research.errors import InputError
from research.products import einsum
from research.transfer.variables.base import Basis, Variable


@dataclasses.dataclass(frozen=True, eq=False)
class PcaVariable(Variable):
    """`[channels, segments, components]`; a segment is `mean + v . components`.

    The last segment may reach beyond the waveform. Negative values of the log magnitude are
    allowed, and silent in the waveform.
    """

    name: ClassVar[str] = "pca"
    needs_basis: ClassVar[bool] = True

    def __post_init__(self):
        mean, components = self._basis.mean, self._basis.components
        if mean.shape != components.shape[1:]:
            raise ValueError(
                f"a mean of {mean.shape} does not fit components of {components.shape}"
            )
        num_bins = mean.shape[1]
        if num_bins != self.stft.num_bins:
            raise InputError(
                f"config.pca holds components of {num_bins} bins, and config.stft.n_fft "
                f"{self.stft.n_fft} makes {self.stft.num_bins}; give the STFT that they were "
                f"fitted to, config.stft.n_fft={2 * (num_bins - 1)}"
            )

    @property
    def _basis(self) -> Basis:
        if self.basis is None:
            raise ValueError("a pca variable needs a basis")
        return self.basis

    def shape(self, num_channels: int, num_samples: int) -> tuple[int, ...]:
        """`[channels, segments, components]`."""
        count, segment_frames, _ = self._basis.components.shape
        return num_channels, -(-self.stft.num_frames(num_samples) // segment_frames), count

    def from_waveform(
        self, waveform: jax.Array, num_samples: jax.Array | int | None = None
    ) -> jax.Array:
        """The nearest one, `(S - mean) . components`; the last segment is padded with silence."""
        basis, spectrogram = self._basis, log_magnitude(waveform, self.stft)
        segment_frames, num_bins = basis.mean.shape
        if num_samples is not None:
            counted = first(self.stft.num_frames(num_samples), spectrogram.shape[1])
            spectrogram = jnp.where(counted[:, None], spectrogram, 0.0)
        missing = -spectrogram.shape[1] % segment_frames
        padded = jnp.pad(spectrogram, ((0, 0), (0, missing), (0, 0)))
        segments = padded.reshape(padded.shape[0], -1, segment_frames, num_bins)
        return einsum("csfb,nfb->csn", segments - basis.mean, basis.components)

    def to_log_magnitude(self, variable: jax.Array, num_frames: int | None = None) -> jax.Array:
        """`mean + v . components`, segment after segment, cut to `num_frames`."""
        basis = self._basis
        segments = basis.mean + einsum("csn,nfb->csfb", variable, basis.components)
        spectrogram = segments.reshape(segments.shape[0], -1, segments.shape[-1])
        if num_frames is not None and num_frames > spectrogram.shape[1]:
            raise ValueError(f"{num_frames} frames of a variable of {spectrogram.shape[1]}")
        return spectrogram[:, :num_frames]
