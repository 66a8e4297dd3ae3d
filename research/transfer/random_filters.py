"""Random convolution filters over the time axis of a spectrogram.

The frequency bins are the input channels of the convolution, so a filter is a spectral shape of a
few frames. Convolutions are slow in a compiled loop on CPU. Narrow filters are one matrix product
over gathered frames instead; wide filters are one product for each of a few temporal frequencies
(overlap-save), which for width 11 is less than a third of the arithmetic.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from research.settings import above, at_least, one_of

NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh, "elu": jax.nn.elu, "none": lambda x: x}


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """Random filters; each width is a layer of features.

    Attributes:
      widths: number of frames of a filter.
      num_filters: number of filters of each width; 0 for no features.
      nonlinearity: a key of `NONLINEARITIES`, applied to the output of the filters.
      max_hz: highest frequency of their input, Hz. The highest tenth of the frequency range does
        not survive resampling, so it would be optimised in vain.
      seed: seed of the filters and of the random projections of terms.
    """

    widths: tuple[int, ...] = at_least((11,), 1)
    num_filters: int = at_least(1024, 0)
    nonlinearity: str = one_of("relu", NONLINEARITIES)
    max_hz: float = above(10000.0, 0)
    seed: int = at_least(0, 0)


def make_filters(config: FilterConfig, num_bins: int) -> dict[str, jax.Array]:
    """Kernels `{"width_11": [11, bins, filters]}` of independent normal weights.

    Their input is the lowest `num_bins` bins of a spectrogram. The standard deviation of the
    weights is `sqrt(2) sqrt(2 / ((bins + filters) width))`, as in Ulyanov & Lebedev (2016).
    """
    if config.num_filters == 0:
        return {}
    key = jax.random.key(config.seed)
    kernels = {}
    for width in config.widths:
        scale = (4 / ((num_bins + config.num_filters) * width)) ** 0.5
        shape = (width, num_bins, config.num_filters)
        kernels[f"width_{width}"] = scale * jax.random.normal(jax.random.fold_in(key, width), shape)
    return kernels


_WIDE = 8  # Smallest width, in frames, at which spectra are faster.


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FilterSpectra:
    """Fourier transform of filters over time, conjugated for correlation.

    Attributes:
      real: `[block / 2 + 1, bins, filters]`.
      imag: `[block / 2 + 1, bins, filters]`.
      width: number of frames of a filter.
    """

    real: jax.Array
    imag: jax.Array
    width: int = dataclasses.field(metadata={"static": True})

    @property
    def block(self) -> int:
        """Number of frames of a transform."""
        return 2 * (self.real.shape[0] - 1)


Kernel = jax.Array | FilterSpectra


def transform_filters(kernels: dict[str, jax.Array]) -> dict[str, Kernel]:
    """Kernels of `make_filters`, the wide ones as `FilterSpectra`."""
    return {
        name: _spectra(kernel) if kernel.shape[0] >= _WIDE else kernel
        for name, kernel in kernels.items()
    }


def _spectra(kernel: jax.Array) -> FilterSpectra:
    width = kernel.shape[0]
    block = 2 ** math.ceil(math.log2(2.5 * width))
    cosine, sine = _waves(block)
    real, imag = jnp.einsum("pkt,tbf->pkbf", np.stack([cosine, sine])[:, :, :width], kernel)
    return FilterSpectra(real, imag, width)


def _waves(block: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of a real Fourier transform, `[frequencies, frames]` each."""
    angle = 2 * np.pi * np.outer(np.arange(block // 2 + 1), np.arange(block)) / block
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def random_features(
    kernels: dict[str, Kernel], spectrogram: jax.Array, nonlinearity: str
) -> dict[str, jax.Array]:
    """Outputs of random filters, without padding.

    Args:
      kernels: those of `make_filters` or `transform_filters`.
      spectrogram: `[channels, frames, bins]`.
      nonlinearity: a key of `NONLINEARITIES`.

    Returns:
      `{"width_11": [channels, frames - 10, filters]}`.
    """
    activation = NONLINEARITIES[nonlinearity]
    features = {}
    for name, kernel in kernels.items():
        if isinstance(kernel, FilterSpectra):
            features[name] = activation(_by_spectra(spectrogram, kernel))
        else:
            features[name] = activation(_by_frames(spectrogram, kernel))
    return features


def _by_frames(spectrogram: jax.Array, kernel: jax.Array) -> jax.Array:
    width, num_bins, num_filters = kernel.shape
    num_frames = spectrogram.shape[1] - width + 1
    shifted = [spectrogram[:, i : i + num_frames, :num_bins] for i in range(width)]
    return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, num_filters)


def _by_spectra(spectrogram: jax.Array, kernel: FilterSpectra) -> jax.Array:
    num_channels, num_input_frames, _ = spectrogram.shape
    _, num_bins, num_filters = kernel.real.shape
    num_frames = num_input_frames - kernel.width + 1
    step = kernel.block - kernel.width + 1  # Frames of a block that are free of wrap-around.
    num_blocks = -(-num_frames // step)
    missing = (num_blocks - 1) * step + kernel.block - num_input_frames
    padded = jnp.pad(spectrogram[..., :num_bins], ((0, 0), (0, missing), (0, 0)))
    starts = range(0, num_blocks * step, step)
    blocks = jnp.stack([padded[:, start : start + kernel.block] for start in starts], axis=1)

    cosine, sine = _waves(kernel.block)
    rows = jnp.einsum("pkt,cntb->kpcnb", np.stack([cosine, -sine]), blocks)
    rows = rows.reshape(kernel.real.shape[0], -1, num_bins)
    by_real, by_imag = (
        jnp.einsum("krb,kbf->krf", rows, part).reshape(rows.shape[0], 2, -1, num_filters)
        for part in (kernel.real, kernel.imag)
    )
    real = by_real[:, 0] - by_imag[:, 1]
    imag = by_real[:, 1] + by_imag[:, 0]

    # All frequencies but the first and last count for their conjugates, too.
    weight = np.full((kernel.real.shape[0], 1), 2 / kernel.block, np.float32)
    weight[[0, -1]] /= 2
    back = np.stack([weight * cosine, -weight * sine])[:, :, :step]
    frames = jnp.einsum("pkm,pkrf->rmf", back, jnp.stack([real, imag]))
    return frames.reshape(num_channels, -1, num_filters)[:, :num_frames]
