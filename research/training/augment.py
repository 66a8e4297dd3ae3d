"""Augmentation of a batch on the device, all of it off by default.

Random crops are made where segments are read, in `research.data.batches`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.settings import at_least


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How training segments are varied.

    Attributes:
      crop: whether each segment is read at a random place of its track.
      gain_db: loudness changes by up to so many dB, up or down.
      time_mask: up to so many frames in a row are silenced (SpecAugment, Park et al. 2019).
      frequency_mask: up to so many bins in a row are silenced.
      mixup: parameter of the Beta distribution of mixing shares (Zhang et al. 2018).
    """

    crop: bool = False
    gain_db: float = at_least(0.0, 0)
    time_mask: int = at_least(0, 0)
    frequency_mask: int = at_least(0, 0)
    mixup: float = at_least(0.0, 0)


def augment(
    spectrogram: jax.Array, target: jax.Array, key: jax.Array, config: AugmentConfig
) -> tuple[jax.Array, jax.Array]:
    """Varied `[batch, frames, bins]` of `log(1 + magnitude)`, and targets `[batch, classes]`.

    Gain scales the magnitude. Masks are drawn for each segment. Mixup is linear in the magnitudes'
    logarithm and in the targets, each segment with its neighbour in a random order.
    """
    gain_key, time_key, frequency_key, mix_key = jax.random.split(key, 4)
    batch = spectrogram.shape[0]
    if config.gain_db:
        decibels = jax.random.uniform(gain_key, (batch, 1, 1), minval=-1.0) * config.gain_db
        spectrogram = jnp.log1p(jnp.expm1(spectrogram) * 10 ** (decibels / 20))
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
