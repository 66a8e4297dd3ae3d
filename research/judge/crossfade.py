"""The crossfade of two recordings, which a transfer is compared with."""

import numpy as np

from research.audio.levels import limit_peaks, rms
from research.audio.waveform import Waveform, match_channels, resample, without_offset


def crossfade(content: Waveform, style: Waveform, fraction: float) -> Waveform:
    """`(1 - fraction) * content + fraction * style`, with the style at the content's RMS level.

    The style is resampled, cut or repeated to the sample rate, the channels and the length of the
    content. Offsets are removed, and peaks that would clip are limited.

    Args:
      content: any sample rate, channels and length.
      style: the same.
      fraction: of the style, from 0 to 1.
    """
    content, style, rate = without_offset(content), without_offset(style), content.sample_rate
    other = match_channels(resample(style, rate).samples, content.samples.shape[0])
    other = np.take(other, np.arange(content.samples.shape[1]), axis=1, mode="wrap")
    other = other * (rms(content.samples) / max(rms(other), 1e-9))
    mixed = (1 - fraction) * content.samples + fraction * other
    return Waveform(limit_peaks(mixed.astype(np.float32), rate), rate)


def height_above(kept: float, reached: float, line: np.ndarray) -> float:
    """How far a point lies above the polyline of crossfades, along the diagonal.

    It is the number `t` for which `(kept - t, reached - t)` is on the polyline, the smallest if
    there are several. Beyond its ends the polyline continues in the direction (1, -1).

    Args:
      kept: `Verdict.content_kept` of the point.
      reached: `Verdict.style_reached` of the point.
      line: the same two numbers for each crossfade, `[crossfades, 2]`.
    """
    across, along = line[:, 0] - line[:, 1], line.mean(axis=1)
    at = np.clip(kept - reached, across.min(), across.max())
    heights = []
    for i in range(len(line) - 1):
        low, high = sorted((across[i], across[i + 1]))
        if low <= at <= high:
            fraction = (at - across[i]) / (across[i + 1] - across[i]) if high > low else 0.0
            heights.append(along[i] + fraction * (along[i + 1] - along[i]))
    return float((kept + reached) / 2 - max(heights))
