"""Where a spectrogram is seen: random convolution filters over time.

All frequency bins are channels, so a filter is a spectral shape that lasts a few frames. The
convolution is one matrix product over gathered frames, since a convolution inside a compiled loop
is slow on CPU.
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.settings import above, at_least, one_of

NONLINEARITIES = {"relu": jax.nn.relu, "tanh": jnp.tanh, "elu": jax.nn.elu, "none": lambda x: x}


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """A bank of random filters.

    Attributes:
      widths: frames that a filter spans, one layer of features a width.
      num_filters: filters of each width.
      nonlinearity: a key of `NONLINEARITIES`, applied to the filters' output.
      max_hz: they see no bin above. What lies within a tenth of half the sample rate does not
        survive resampling, so an output file would not have what was optimised there.
      seed: of the weights.
    """

    widths: tuple[int, ...] = at_least((11,), 1)
    num_filters: int = at_least(4096, 1)
    nonlinearity: str = one_of("relu", NONLINEARITIES)
    max_hz: float = above(10000.0, 0)
    seed: int = at_least(0, 0)


def make_filters(config: FilterConfig, num_bins: int) -> dict[str, jax.Array]:
    """Kernels `{"width_11": [11, bins, filters]}` of independent normal weights.

    They see the lowest `num_bins` bins of a spectrogram. Their standard deviation is
    `sqrt(2) sqrt(2 / ((bins + filters) width))`, as in Ulyanov & Lebedev (2016).
    """
    key = jax.random.key(config.seed)
    kernels = {}
    for width in config.widths:
        scale = (4 / ((num_bins + config.num_filters) * width)) ** 0.5
        shape = (width, num_bins, config.num_filters)
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
    features = {}
    for name, kernel in kernels.items():
        width, num_bins, num_filters = kernel.shape
        num_frames = spectrogram.shape[1] - width + 1
        shifted = [spectrogram[:, i : i + num_frames, :num_bins] for i in range(width)]
        outputs = jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, num_filters)
        features[name] = NONLINEARITIES[nonlinearity](outputs)
    return features
