"""Representations of no recording in particular, of the shapes that recordings have."""

import jax
import numpy as np

from research.transfer.frames import Frames
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
        log_magnitude=whole(np.abs(normal(num_channels, num_frames, 9, seed=seed))),
        features={
            name: whole(1 + normal(num_channels, num_frames - 4, size, seed=seed + size))
            for name, size in FEATURE_DIMS.items()
        },
        spectrum=whole(normal(1, num_frames, 9, seed=seed + 100) - 2),
        mel=whole(normal(1, num_frames, NUM_MELS, seed=seed + 200) - 2),
        fast_mel=whole(normal(1, 4 * num_frames, NUM_FAST_MELS, seed=seed + 300) - 2),
        tone=whole(np.exp(2 * normal(num_channels, num_frames, NUM_TONES, seed=seed + 400))),
    )


def whole(values: np.ndarray) -> Frames:
    """Values `[channels, frames, dims]` without padding."""
    return Frames(values, values.shape[1])


def padded(representations: Representations, num_frames: int) -> Representations:
    """The same with so many frames more."""

    def pad(frames: Frames) -> Frames:
        return Frames(np.pad(frames.values, [(0, 0), (0, num_frames), (0, 0)]), frames.count)

    return jax.tree.map(pad, representations, is_leaf=lambda leaf: isinstance(leaf, Frames))


def silent_representations(num_frames: int, num_channels: int = 1) -> Representations:
    """Zeros, and levels at the floor."""
    silence = jax.tree.map(
        lambda leaf: np.zeros_like(leaf) if np.ndim(leaf) else leaf,
        random_representations(num_frames, 0, num_channels),
    )
    floor = np.float32(np.log(FLOOR) / 3)
    levels = {
        name: whole(getattr(silence, name).values + floor)
        for name in ("spectrum", "mel", "fast_mel")
    }
    return silence._replace(**levels)


def context_of(term: Term, gram_divisor: str = "frames") -> Context:
    """What a term needs to observe `random_representations`."""
    return Context(term.make_constants(0, FEATURE_DIMS), gram_divisor)
