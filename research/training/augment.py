"""Augmentation of a batch on the device; all of it is off by default.

Random crops are made where segments are read, in `research.data.batches`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.data.front_ends.base import FrontEnd
from research.settings import at_least

_KNOTS = 6


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How training segments are varied.

    Attributes:
      crop: True to read each segment at a random place of its track.
      gain_db: largest change of the level, dB, up or down.
      equaliser_db: standard deviation, dB, of a random equaliser at six points over the bins, with
        a cubic curve between them.
      shift: largest shift along the bins, up or down; bins at the edge are repeated.
      time_mask: largest number of successive frames set to 0 (SpecAugment, Park et al. 2019).
      frequency_mask: largest number of successive bins set to 0.
      mixup: parameter of the Beta distribution of the mixing weights (Zhang et al. 2018).
    """

    crop: bool = False
    gain_db: float = at_least(0.0, 0)
    equaliser_db: float = at_least(0.0, 0)
    shift: int = at_least(0, 0)
    time_mask: int = at_least(0, 0)
    frequency_mask: int = at_least(0, 0)
    mixup: float = at_least(0.0, 0)


def augment(
    spectrogram: jax.Array,
    target: jax.Array,
    key: jax.Array,
    config: AugmentConfig,
    front_end: FrontEnd,
) -> tuple[jax.Array, jax.Array]:
    """Random variations of each segment, in the order of `AugmentConfig`.

    Mixup adds to each segment and its target another one of the batch.

    Args:
      spectrogram: segments `[batch, frames, bins]`.
      target: probabilities of the classes, `[batch, classes]`.
      key: of all random numbers.
      config: the variations.
      front_end: of the segments.

    Returns:
      Segments and targets of the same shapes.
    """
    gain_key, time_key, frequency_key, mix_key = jax.random.split(key, 4)
    batch, _, num_bins = spectrogram.shape
    if config.gain_db:
        decibels = jax.random.uniform(gain_key, (batch, 1, 1), minval=-1.0) * config.gain_db
        spectrogram = front_end.amplify(spectrogram, decibels)
    if config.equaliser_db:
        knots = jax.random.normal(jax.random.fold_in(gain_key, 1), (batch, 1, _KNOTS))
        curve = jax.image.resize(knots * config.equaliser_db, (batch, 1, num_bins), "cubic")
        spectrogram = front_end.amplify(spectrogram, curve)
    if config.shift:
        most = min(config.shift, num_bins - 1)
        bins = jax.random.randint(jax.random.fold_in(frequency_key, 1), (batch, 1), -most, most + 1)
        source = jnp.clip(jnp.arange(num_bins) - bins, 0, num_bins - 1)
        spectrogram = jnp.take_along_axis(spectrogram, source[:, None], axis=2)
    if config.time_mask:
        mask = _mask(time_key, batch, spectrogram.shape[1], config.time_mask)
        spectrogram = jnp.where(mask[:, :, None], 0.0, spectrogram)
    if config.frequency_mask:
        mask = _mask(frequency_key, batch, spectrogram.shape[2], config.frequency_mask)
        spectrogram = jnp.where(mask[:, None, :], 0.0, spectrogram)
    if config.mixup:
        order_key, weight_key = jax.random.split(mix_key)
        order = jax.random.permutation(order_key, batch)
        weight = jax.random.beta(weight_key, config.mixup, config.mixup, (batch,))
        weight = jnp.maximum(weight, 1.0 - weight)
        spectrogram = _mix(spectrogram, spectrogram[order], weight[:, None, None])
        target = _mix(target, target[order], weight[:, None])
    return spectrogram, target


def _mask(key: jax.Array, batch: int, size: int, widest: int) -> jax.Array:
    """True at up to `widest` successive places of each segment, `[batch, size]`."""
    width_key, start_key = jax.random.split(key)
    width = jax.random.randint(width_key, (batch, 1), 0, min(widest, size) + 1)
    start = jax.random.randint(start_key, (batch, 1), 0, size - width + 1)
    place = jnp.arange(size)
    return (place >= start) & (place < start + width)


def _mix(first: jax.Array, second: jax.Array, weight: jax.Array) -> jax.Array:
    return weight * first + (1.0 - weight) * second
