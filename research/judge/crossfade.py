"""The plain mix of two pieces that a transfer is measured against."""

import numpy as np

from research.audio.waveform import Waveform, limit_peaks, match_channels, resample, rms


def crossfade(content: Waveform, style: Waveform, share: float) -> Waveform:
    """`(1 - share) * content + share * style` at one loudness, as the judge mixes them.

    At the content's rate, channels and length, to which the style is cut or repeated; peaks that
    would clip are turned down.
    """
    rate = content.sample_rate
    other = match_channels(resample(style, rate).samples, content.samples.shape[0])
    other = np.take(other, np.arange(content.samples.shape[1]), axis=1, mode="wrap")
    other = other * (rms(content.samples) / max(rms(other), 1e-9))
    mixed = (1 - share) * content.samples + share * other
    return Waveform(limit_peaks(mixed.astype(np.float32), rate), rate)
