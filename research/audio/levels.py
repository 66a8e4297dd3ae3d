"""Levels of samples: root mean square, loudness and peaks."""

import warnings

import numpy as np

from research.audio.spans import spans

PEAK_CEILING = 0.95
_LIMITER_SECONDS = 0.003
_CLIPPINGS = 100  # Each one raises the level less.
_BLOCK = 1 << 20  # Samples. Copies of long recordings are large.


def rms(samples: np.ndarray) -> float:
    """Root mean square over all channels and samples, in double precision."""
    total = 0.0
    for span in spans(samples.shape[-1], _BLOCK):
        total += np.square(samples[..., span], dtype=np.float64).sum()
    return float(np.sqrt(total / max(samples.size, 1)))


def peak(samples: np.ndarray) -> float:
    """The largest absolute sample."""
    return max(float(samples.max()), -float(samples.min()))


def match_loudness(
    samples: np.ndarray, target_rms: float, sample_rate: int, ceiling: float = PEAK_CEILING
) -> np.ndarray:
    """Scale samples to an RMS level and limit peaks above `ceiling`.

    Limiting lowers the level, so gain and limiter alternate 8 times. If the level is still more
    than 1 % below the target, the span of the limiter is halved again and again, down to one
    sample, which is clipping. A target of at most 0.7 times `ceiling` is then reached to 1 %,
    unless so many samples are silent that no clipping reaches it. A higher one, which only almost
    square waves have, is reached to 0.7 times `ceiling` at least. A warning tells what was reached
    if it is not the target. Digital silence is unchanged.

    Args:
      samples: `[channels, samples]`.
      target_rms: RMS level over all channels and samples.
      sample_rate: Hz.
      ceiling: largest absolute sample.
    """
    level = rms(samples)
    if level == 0.0:
        return samples
    enough, seconds = 0.99 * min(target_rms, 0.7 * ceiling), _LIMITER_SECONDS
    while True:
        is_clipping = seconds * sample_rate < 1
        for _ in range(_CLIPPINGS if is_clipping else 8):
            before, gain = level, np.float32(target_rms / level)
            samples = _limit(samples * gain, sample_rate, ceiling, seconds)
            level = rms(samples)
            if is_clipping and (level >= enough or level < 1.0001 * before):
                break
        if is_clipping or level >= enough:
            break
        seconds /= 2
    if level < 0.99 * target_rms:
        warnings.warn(
            f"the RMS level is {level:.3g} instead of {target_rms:.3g}, since peaks are limited to "
            f"{ceiling}",
            stacklevel=2,
        )
    return samples


def limit_peaks(
    samples: np.ndarray,
    sample_rate: int,
    ceiling: float = PEAK_CEILING,
    seconds: float = _LIMITER_SECONDS,
) -> np.ndarray:
    """Limit absolute samples to `ceiling` by a smooth gain that the channels share.

    The gain is the one that each sample needs, then the minimum over `seconds` on either side,
    then the mean over the same span.

    Args:
      samples: `[channels, samples]`.
      sample_rate: Hz.
      ceiling: largest absolute sample.
      seconds: half the span of the smoothing.
    """
    if peak(samples) <= ceiling:
        return samples
    return _limit(samples.astype(np.float32), sample_rate, ceiling, seconds)


def _limit(samples: np.ndarray, sample_rate: int, ceiling: float, seconds: float) -> np.ndarray:
    """See `limit_peaks`; in place, block by block."""
    from scipy import ndimage

    half, before = int(seconds * sample_rate), np.zeros(0)
    margin, span = 2 * half, 2 * half + 1  # The gain depends on two spans of the smoothing.
    for place in spans(samples.shape[-1], _BLOCK):
        block = samples[:, place]
        beyond = samples[:, place.start : place.stop + margin]
        peaks = np.abs(beyond).max(axis=0).astype(np.float64)
        # Those before the block are kept, since the samples there are limited by now.
        around = np.concatenate([before, peaks])
        before = peaks[:_BLOCK][-margin:] if margin else peaks[:0]
        if around.max() <= ceiling:
            continue
        needed = ndimage.minimum_filter1d(ceiling / np.maximum(around, ceiling), span)
        gain = ndimage.uniform_filter1d(needed, span)[len(around) - len(peaks) :]
        block[:] = np.clip(block * gain[: block.shape[1]], -ceiling, ceiling)
    return samples
