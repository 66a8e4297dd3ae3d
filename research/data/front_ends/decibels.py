"""Base class of the two log-mel front ends: for audio, and for GTZAN's images."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from research.data.front_ends.base import FileFrontEnd

NUM_BANDS = 128
RANGE_DB = 40.0
SAMPLE_RATE = 22050
HOP_LENGTH = 512
# STFT frames from a column of an image to the next, measured on 21 images: frame `floor(STEP * j)`
# equals column `j - 2` in 99.7 % of them.
STEP = 3.862


class DecibelFrames(FileFrontEnd):
    """Frames of 128 mel bands, from 0 to 1: 1 is the loudest point of a track, 0 is 40 dB below."""

    family: ClassVar[str] = "mel"
    augmentations: ClassVar[tuple[str, ...]] = (
        "crop",
        "gain_db",
        "equaliser_db",
        "shift",
        "time_mask",
        "frequency_mask",
        "mixup",
    )

    @property
    def num_bins(self) -> int:
        """Mel bands (Slaney) up to 11 025 Hz."""
        return NUM_BANDS

    @property
    def frame_seconds(self) -> float:
        """Time from a frame to the next, s."""
        return STEP * HOP_LENGTH / SAMPLE_RATE

    def num_frames(self, seconds: float) -> int:
        """Whole frames of this duration; 334 of 30 s, as many as an image has."""
        return int(seconds / self.frame_seconds)

    def amplify(self, frames: jax.Array, decibels: jax.Array) -> jax.Array:
        """Levels raised by `decibels / 40` and clipped, `[..., frames, bins]`.

        Levels of 0 stay 0: how far below 40 dB they were is not known.
        """
        louder = jnp.clip(frames + decibels / RANGE_DB, 0.0, 1.0)
        return jnp.where(frames > 0.0, louder, 0.0)
