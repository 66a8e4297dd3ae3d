"""Augmentation of a batch on the device, all of it off by default.

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
      crop: whether each segment is read at a random place of its track.
      gain_db: loudness changes by up to so many dB, up or down.
      equaliser_db: standard deviation of a random equaliser at six points over the bins, the curve
        between them cubic.
      shift: up to so many bins up or down, what moves in at the edge being repeated.
      time_mask: up to so many frames in a row are silenced (SpecAugment, Park et al. 2019).
      frequency_mask: up to so many bins in a row are silenced.
      mixup: parameter of the Beta distribution of mixing shares (Zhang et al. 2018).
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
    """Varied `[batch, frames, bins]`, and targets `[batch, classes]`.

    Everything is drawn for each segment, in the order of `AugmentConfig`. Mixup is linear in the
    values and in the targets, each segment with its neighbour in a random order.

    Args:
      spectrogram: segments.
      target: what they should be taken for.
      key: of what is drawn.
      config: how they are varied.
      front_end: whose frames these are; it knows what decibels do to them.
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
        order_key, share_key = jax.random.split(mix_key)
        order = jax.random.permutation(order_key, batch)
        part = jax.random.beta(share_key, config.mixup, config.mixup, (batch,))
        part = jnp.maximum(part, 1.0 - part)
        spectrogram = _mix(spectrogram, spectrogram[order], part[:, None, None])
        target = _mix(target, target[order], part[:, None])
    return spectrogram, target


def _mask(key: jax.Array, batch: int, size: int, widest: int) -> jax.Array:
    """True in one random run for each of the batch, `[batch, size]`."""
    width_key, start_key = jax.random.split(key)
    width = jax.random.randint(width_key, (batch, 1), 0, min(widest, size) + 1)
    start = jax.random.randint(start_key, (batch, 1), 0, size - width + 1)
    place = jnp.arange(size)
    return (place >= start) & (place < start + width)


def _mix(first: jax.Array, second: jax.Array, part: jax.Array) -> jax.Array:
    return part * first + (1.0 - part) * second
