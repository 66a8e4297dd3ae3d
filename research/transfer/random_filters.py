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

from research.products import einsum
from research.settings import above, at_least, between, one_of

LAYERS = ("ulyanov", "conv1d")
NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh, "elu": jax.nn.elu, "none": lambda x: x}


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """Random filters; each width is a layer of features.

    Attributes:
      widths: number of frames of a filter.
      num_filters: number of filters of each width; 0 for no features.
      nonlinearity: a key of `NONLINEARITIES`, applied to the output of the filters.
      layer: "ulyanov" (normal weights, no bias, no padding) or "conv1d" (as PyTorch makes that
        layer: uniform weights and biases; with padding, as many frames as in the input).
      max_hz: highest frequency of their input, Hz. The highest tenth of the frequency range does
        not survive resampling, so it would be optimised in vain.
      seed: seed of the filters and of the random projections of terms.
    """

    widths: tuple[int, ...] = between((11,), 1, 1024)
    num_filters: int = between(1024, 0, 65536)
    nonlinearity: str = one_of("relu", NONLINEARITIES)
    layer: str = one_of("ulyanov", LAYERS)
    max_hz: float = above(10000.0, 0)
    seed: int = at_least(0, 0)


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
"""Filters without a bias, `[width, bins, filters]` or their spectra."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PaddedFilters:
    """Filters with a bias, for a spectrogram with zeros before and after it.

    Attributes:
      kernel: the filters.
      bias: `[filters]`, added to their outputs.
      width: number of frames of a filter.
    """

    kernel: Kernel
    bias: jax.Array
    width: int = dataclasses.field(metadata={"static": True})


Filters = Kernel | PaddedFilters


def make_filters(config: FilterConfig, num_bins: int) -> dict[str, Filters]:
    """Filters `{"width_11": ...}` of independent random weights, `[11, bins, filters]`.

    Their input is the lowest `num_bins` bins of a spectrogram. With the layer "ulyanov" the weights
    are normal with a standard deviation of `sqrt(2) sqrt(2 / ((bins + filters) width))`, as in
    Ulyanov & Lebedev (2016). With "conv1d" weights and biases are uniform from `-a` to `a`, `a = 1
    / sqrt(bins width)`, as `torch.nn.Conv1d` starts.
    """
    if config.num_filters == 0:
        return {}
    make = {"ulyanov": _ulyanov, "conv1d": _conv1d}[config.layer]
    key = jax.random.key(config.seed)
    return {
        f"width_{width}": make(jax.random.fold_in(key, width), width, num_bins, config.num_filters)
        for width in config.widths
    }


def _ulyanov(key: jax.Array, width: int, num_bins: int, num_filters: int) -> jax.Array:
    scale = (4 / ((num_bins + num_filters) * width)) ** 0.5
    return scale * jax.random.normal(key, (width, num_bins, num_filters))


def _conv1d(key: jax.Array, width: int, num_bins: int, num_filters: int) -> PaddedFilters:
    limit = (num_bins * width) ** -0.5
    of_weights, of_biases = jax.random.split(key)
    shape = width, num_bins, num_filters
    weights = jax.random.uniform(of_weights, shape, minval=-limit, maxval=limit)
    bias = jax.random.uniform(of_biases, (num_filters,), minval=-limit, maxval=limit)
    return PaddedFilters(weights, bias, width)


def transform_filters(filters: dict[str, Filters]) -> dict[str, Filters]:
    """Filters of `make_filters`, the wide ones as `FilterSpectra`."""
    return {
        name: dataclasses.replace(each, kernel=_transform(each.kernel))
        if isinstance(each, PaddedFilters)
        else _transform(each)
        for name, each in filters.items()
    }


def _transform(kernel: Kernel) -> Kernel:
    if isinstance(kernel, FilterSpectra) or kernel.shape[0] < _WIDE:
        return kernel
    return _spectra(kernel)


def _spectra(kernel: jax.Array) -> FilterSpectra:
    width = kernel.shape[0]
    block = 2 ** math.ceil(math.log2(2.5 * width))
    cosine, sine = _waves(block)
    real, imag = einsum("pkt,tbf->pkbf", np.stack([cosine, sine])[:, :, :width], kernel)
    return FilterSpectra(real, imag, width)


def _waves(block: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of a real Fourier transform, `[frequencies, frames]` each."""
    angle = 2 * np.pi * np.outer(np.arange(block // 2 + 1), np.arange(block)) / block
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def random_features(
    filters: dict[str, Filters], spectrogram: jax.Array, nonlinearity: str
) -> dict[str, jax.Array]:
    """Outputs of random filters.

    Args:
      filters: those of `make_filters` or `transform_filters`.
      spectrogram: `[channels, frames, bins]`.
      nonlinearity: a key of `NONLINEARITIES`.

    Returns:
      `{"width_11": [channels, frames - 10, filters]}`, of `PaddedFilters` all frames.
    """
    activation = NONLINEARITIES[nonlinearity]
    return {name: activation(_apply(each, spectrogram)) for name, each in filters.items()}


def _apply(filters: Filters, spectrogram: jax.Array) -> jax.Array:
    if isinstance(filters, PaddedFilters):
        before = (filters.width - 1) // 2
        padding = (0, 0), (before, filters.width - 1 - before), (0, 0)
        return _apply(filters.kernel, jnp.pad(spectrogram, padding)) + filters.bias
    if isinstance(filters, FilterSpectra):
        return _by_spectra(spectrogram, filters)
    return _by_frames(spectrogram, filters)


def _by_frames(spectrogram: jax.Array, kernel: jax.Array) -> jax.Array:
    width, num_bins, num_filters = kernel.shape
    num_frames = spectrogram.shape[1] - width + 1
    shifted = [spectrogram[:, i : i + num_frames, :num_bins] for i in range(width)]
    stacked = jnp.concatenate(shifted, axis=-1)
    return einsum("ctb,bf->ctf", stacked, kernel.reshape(-1, num_filters))


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
    rows = einsum("pkt,cntb->kpcnb", np.stack([cosine, -sine]), blocks)
    rows = rows.reshape(kernel.real.shape[0], -1, num_bins)
    by_real, by_imag = (
        einsum("krb,kbf->krf", rows, part).reshape(rows.shape[0], 2, -1, num_filters)
        for part in (kernel.real, kernel.imag)
    )
    real = by_real[:, 0] - by_imag[:, 1]
    imag = by_real[:, 1] + by_imag[:, 0]

    # All frequencies but the first and last count for their conjugates, too.
    weight = np.full((kernel.real.shape[0], 1), 2 / kernel.block, np.float32)
    weight[[0, -1]] /= 2
    back = np.stack([weight * cosine, -weight * sine])[:, :, :step]
    frames = einsum("pkm,pkrf->rmf", back, jnp.stack([real, imag]))
    return frames.reshape(num_channels, -1, num_filters)[:, :num_frames]
