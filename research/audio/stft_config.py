"""Parameters of a short-time Fourier transform. Worker processes need them, which have no jax."""

import dataclasses
from typing import TYPE_CHECKING, overload

import numpy as np

from research.settings import at_least, between

if TYPE_CHECKING:
    import jax


@dataclasses.dataclass(frozen=True)
class StftConfig:
    """Parameters of an STFT.

    Attributes:
      n_fft: samples in a frame, and length of its Fourier transform.
      hop_length: samples from one frame to the next.
      window: name of a window of `scipy.signal.get_window`, periodic.
      win_length: samples of the window, which is centred in the frame; 0 means `n_fft`.
      center: True if frame `t` is centred on sample `t * hop_length` and the ends are zero-padded;
        False if it begins at that sample.

    Raises:
      ValueError: the window is unknown, or the hop or the window is longer than a frame.
    """

    n_fft: int = between(2048, 4, 131072)
    hop_length: int = at_least(512, 1)
    window: str = "hann"
    win_length: int = at_least(0, 0)
    center: bool = True

    def __post_init__(self):
        if max(self.hop_length, self.win_length) > self.n_fft:
            raise ValueError(f"hop_length and win_length must not exceed n_fft, {self.n_fft}")
        self.window_values()

    @property
    def num_bins(self) -> int:
        """Number of non-negative frequencies, `n_fft // 2 + 1`."""
        return self.n_fft // 2 + 1

    @property
    def padding(self) -> int:
        """Zeros before and after the waveform, in samples."""
        return self.n_fft // 2 if self.center else 0

    @overload
    def num_frames(self, num_samples: int) -> int: ...

    @overload
    def num_frames(self, num_samples: "jax.Array | int") -> "jax.Array | int": ...

    def num_frames(self, num_samples: "jax.Array | int") -> "jax.Array | int":
        """Number of frames of a waveform of `num_samples` samples."""
        return 1 + (num_samples + 2 * self.padding - self.n_fft) // self.hop_length

    def window_values(self) -> np.ndarray:
        """The window zero-padded to `[n_fft]`, float32."""
        length = self.win_length or self.n_fft
        before = (self.n_fft - length) // 2
        if self.window == "hann":
            values = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        else:  # Importing SciPy takes most of a second.
            from scipy.signal import get_window

            values = get_window(self.window, length, fftbins=True)
        return np.pad(values, (before, self.n_fft - length - before)).astype(np.float32)
