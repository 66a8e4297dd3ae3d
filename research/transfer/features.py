"""Where a spectrogram is seen: random convolution filters over time.

All frequency bins are channels, so a filter is a spectral shape that lasts a few frames. The
convolution is one matrix product over gathered frames, since a convolution inside a compiled loop
is slow on CPU.
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.settings import at_least, one_of

NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh, "elu": jax.nn.elu, "none": lambda x: x}


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """A bank of random filters.

    Attributes:
      widths: frames that a filter spans, one layer of features a width.
      num_filters: filters of each width.
      nonlinearity: a key of `NONLINEARITIES`, applied to the filters' output.
      seed: of the weights.
    """

    widths: tuple[int, ...] = at_least((11,), 1)
    num_filters: int = at_least(4096, 1)
    nonlinearity: str = one_of("relu", NONLINEARITIES)
    seed: int = 0


def make_filters(config: FilterConfig, num_bins: int) -> dict[str, jax.Array]:
    """Kernels `{"width_11": [11 * bins, filters]}` of independent normal weights.

    Their standard deviation is that of Ulyanov & Lebedev (2016),
    `sqrt(2) sqrt(2 / ((bins + filters) width))`.
    """
    key = jax.random.key(config.seed)
    kernels = {}
    for width in config.widths:
        scale = (4 / ((num_bins + config.num_filters) * width)) ** 0.5
        shape = (width * num_bins, config.num_filters)
        kernels[f"width_{width}"] = scale * jax.random.normal(jax.random.fold_in(key, width), shape)
    return kernels


def random_features(
    kernels: dict[str, jax.Array], spectrogram: jax.Array, nonlinearity: str
) -> dict[str, jax.Array]:
    """Filter outputs over time, without padding.

    Args:
      kernels: of `make_filters`.
      spectrogram: `[channels, frames, bins]`.
      nonlinearity: a key of `NONLINEARITIES`.

    Returns:
      `{"width_11": [channels, frames - 10, filters]}`.
    """
    num_frames, num_bins = spectrogram.shape[-2:]
    features = {}
    for name, kernel in kernels.items():
        width = kernel.shape[0] // num_bins
        last = num_frames - width + 1
        patches = jnp.concatenate([spectrogram[:, i : i + last] for i in range(width)], axis=-1)
        features[name] = NONLINEARITIES[nonlinearity](patches @ kernel)
    return features
