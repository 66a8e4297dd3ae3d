"""Rests of a recording: where they are, and how far another recording fills them."""

import numpy as np

HOP = 512
"""Samples of a frame at 22 050 Hz, as of the STFT."""
_SILENT_DB = -40.0  # Relative to the loud frames.
_FEWEST = 13  # Frames of a rest, 0.3 s. Shorter ones belong to the playing.
_DECAY, _ATTACK = 8, 2  # Frames at the start and at the end of a rest where sound is no fault.
_LEAST_ACTIVE = 20  # Frames. With fewer, nothing is left out.
_TINY = 1e-12


def frame_levels(samples: np.ndarray) -> np.ndarray:
    """Levels in dB relative to the 95th percentile, of mono `[samples]`, `[frames]`.

    A frame is centred as in the STFT, and there are as many: `samples // 512 + 1`.
    """
    padded = np.pad(samples, (HOP // 2, HOP - (len(samples) + HOP // 2) % HOP))
    blocks = padded[: len(padded) // HOP * HOP].reshape(-1, HOP)
    powers = np.square(blocks, dtype=np.float64).mean(axis=1)[: len(samples) // HOP + 1]
    return 10 * np.log10(powers / max(np.percentile(powers, 95), _TINY) + _TINY)


def find_rests(samples: np.ndarray) -> np.ndarray:
    """Frames of mono `[samples]` that are in rests, `[frames]`.

    A rest is at least 0.3 s that are 40 dB under the loud frames. If less than half a second is
    left, nothing counts as a rest.
    """
    from scipy import ndimage

    silent = frame_levels(samples) < _SILENT_DB
    rests = np.asarray(ndimage.binary_opening(silent, np.ones(_FEWEST)), bool)
    return rests if np.count_nonzero(~rests) >= _LEAST_ACTIVE else np.zeros_like(rests)


def filled_fraction(samples: np.ndarray, rests: np.ndarray) -> float:
    """Fraction of all frames that are rests and that `samples` fills.

    A frame at the level of the loud frames is filled, one 40 dB under it is not, in between it is
    linear in dB. The first 0.2 s of a rest are for decaying sounds and do not count.

    Args:
      samples: mono, as long as the recording that has the rests.
      rests: of `find_rests`, `[frames]`.
    """
    from scipy import ndimage

    span = _DECAY + _ATTACK
    inner = ndimage.binary_erosion(
        rests, np.ones(span + 1), border_value=1, origin=_DECAY - span // 2
    )
    filled = np.clip(1 - frame_levels(samples) / _SILENT_DB, 0, 1)
    return float((filled * inner).sum() / len(rests))
