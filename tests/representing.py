"""Representations of no recording in particular, of the shapes that recordings have."""

import jax
import numpy as np

from research.transfer.representations import (
    BINS_PER_OCTAVE,
    FLOOR,
    NUM_FAST_MELS,
    NUM_MELS,
    NUM_OCTAVES,
    Representations,
)
from research.transfer.terms.base import Context, Term

NUM_TONES = BINS_PER_OCTAVE * NUM_OCTAVES
FEATURE_DIMS = {"wide": 5, "narrow": 7, "many": 30}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def random_representations(
    num_frames: int, seed: int = 0, num_channels: int = 1
) -> Representations:
    """Features have four positions fewer than frames."""
    return Representations(
        log_magnitude=np.abs(normal(num_channels, num_frames, 9, seed=seed)),
        features={
            name: 1 + normal(num_channels, num_frames - 4, size, seed=seed + size)
            for name, size in FEATURE_DIMS.items()
        },
        spectrum=normal(1, num_frames, 9, seed=seed + 100) - 2,
        mel=normal(1, num_frames, NUM_MELS, seed=seed + 200) - 2,
        fast_mel=normal(1, 4 * num_frames, NUM_FAST_MELS, seed=seed + 300) - 2,
        tone=np.exp(2 * normal(num_channels, num_frames, NUM_TONES, seed=seed + 400)),
    )


def silent_representations(num_frames: int, num_channels: int = 1) -> Representations:
    """Zeros, and levels at the floor."""
    silence = jax.tree.map(np.zeros_like, random_representations(num_frames, 0, num_channels))
    floor = np.float32(np.log(FLOOR) / 3)
    levels = {name: getattr(silence, name) + floor for name in ("spectrum", "mel", "fast_mel")}
    return silence._replace(**levels)


def context_of(term: Term, gram_divisor: str = "frames") -> Context:
    """What a term needs to observe `random_representations`."""
    return Context(term.make_constants(0, FEATURE_DIMS), gram_divisor)
