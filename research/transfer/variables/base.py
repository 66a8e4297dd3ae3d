"""The contract of a variable: the array that a transfer optimises."""

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.audio.padding import pad_to, pad_waveform, padded_length
from research.audio.phase import PhaseConfig, recover_phase
from research.audio.stft import StftConfig


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Basis:
    """A PCA basis of spectrogram segments, fitted by `research.data.pca`.

    Attributes:
      mean: `[frames, bins]`.
      components: orthonormal, `[components, frames, bins]`.
    """

    mean: jax.Array
    components: jax.Array


@dataclasses.dataclass(frozen=True, eq=False)
class Variable(abc.ABC):
    """Maps one float32 array `[channels, ...]` from and to a waveform `[channels, samples]`.

    An instance may be made inside a jitted function: `stft` is static, `basis` may be traced.

    Attributes:
      name: value of `config.variable`.
      is_waveform: True if the array is a waveform, so that terms of a waveform, such as chroma, can
        be computed from it.
      dither: standard deviation of the noise in a start from zeros. It is above 0 where exact zeros
        have no gradient.
      needs_basis: True if `basis` must be given; others ignore it.
      stft: the STFT of `to_log_magnitude`.
      basis: a PCA basis of the same STFT, or None.

    Raises:
      InputError: `basis` does not fit `stft`.
      ValueError: there is no `basis` though the variable needs one.
    """

    name: ClassVar[str]
    is_waveform: ClassVar[bool] = False
    dither: ClassVar[float] = 0.0
    needs_basis: ClassVar[bool] = False

    stft: StftConfig
    basis: Basis | None = None

    @abc.abstractmethod
    def shape(self, num_channels: int, num_samples: int) -> tuple[int, ...]:
        """Shape of the variable of a waveform `[num_channels, num_samples]`."""

    @abc.abstractmethod
    def from_waveform(
        self, waveform: jax.Array, num_samples: jax.Array | int | None = None
    ) -> jax.Array:
        """The variable that stands for a waveform `[channels, samples]`, or the nearest one.

        Args:
          waveform: `[channels, samples]`.
          num_samples: of the recording, if those after them are padding; what the variable has for
            them is cut off later, and must not change the rest.
        """

    def from_recording(self, samples: np.ndarray) -> np.ndarray:
        """`from_waveform` by a program that recordings of other lengths share."""
        num_samples, padded = samples.shape[1], jax.device_put(pad_waveform(samples))
        return self.cut(self.from_waveform(padded, num_samples), num_samples)

    def pad(self, variable: jax.Array | np.ndarray, num_samples: int) -> np.ndarray:
        """The variable of a waveform of `num_samples`, padded to that of `padded_length`."""
        shape = self.shape(np.shape(variable)[0], padded_length(num_samples))
        return pad_to(variable, shape)

    def cut(self, variable: jax.Array | np.ndarray, num_samples: int) -> np.ndarray:
        """A padded variable cut to the `shape` for a waveform of `num_samples`."""
        array = np.asarray(variable)
        return array[tuple(map(slice, self.shape(len(array), num_samples)))]

    @abc.abstractmethod
    def to_log_magnitude(self, variable: jax.Array, num_frames: int | None = None) -> jax.Array:
        """`log(1 + |STFT|)` of a variable, `[channels, frames, bins]`; differentiable.

        Args:
          variable: of `shape`.
          num_frames: frames of the waveform, where `shape` may stand for more; None for all frames.

        Raises:
          ValueError: the variable has fewer than `num_frames`.
        """

    def to_waveform(
        self,
        variable: jax.Array | np.ndarray,
        content: jax.Array | np.ndarray,
        key: jax.Array,
        phase: PhaseConfig,
    ) -> jax.Array | np.ndarray:
        """The waveform of a variable, `[channels, samples]`; by default its phase is recovered.

        Negative values of the log magnitude count as 0.

        Args:
          variable: of the shape of the content's variable.
          content: `[channels, samples]`; gives the length, and the phase if `phase.start` asks.
          key: random key of the phase.
          phase: how the phase is recovered.
        """
        num_samples = np.shape(content)[-1]
        padded = jax.device_put(self.pad(variable, num_samples))
        most = self.stft.num_frames(padded_length(num_samples))
        magnitudes = jnp.expm1(jnp.maximum(self.to_log_magnitude(padded, most), 0.0))
        return recover_phase(
            np.asarray(magnitudes)[:, : self.stft.num_frames(num_samples)],
            key,
            stft_config=self.stft,
            config=phase,
            length=num_samples,
            content=content if phase.start == "content" else None,
        )
