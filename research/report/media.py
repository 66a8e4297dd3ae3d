"""Sounds and pictures as `data:` URIs, so that a page is one file."""

import base64
import io
from collections.abc import Sequence

import numpy as np

from research.audio.waveform import Waveform, match_channels, resample

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_KBPS = (192, 160, 128, 112, 96, 80, 64, 56, 48, 40, 32)
_HEADER_BYTES = 2048  # Of an MP3, at most: a frame that holds the length, and the last one's rest.


def data_uri(media_type: str, content: bytes) -> str:
    """Bytes as a `data:` URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def choose_kbps(waveforms: Sequence[Waveform], num_bytes: int) -> int:
    """The highest bit rate, in kb/s, at which MP3s fit into `num_bytes` as URIs; 32 at least."""
    for kbps in _KBPS:
        sizes = (
            _HEADER_BYTES + waveform.seconds * 125 * min(kbps, _bounds(_mp3_rate(waveform))[1])
            for waveform in waveforms
        )
        if 4 / 3 * sum(sizes) <= num_bytes:
            return kbps
    return _KBPS[-1]


def mp3_uri(waveform: Waveform, kbps: int) -> str:
    """A sound as an MP3, at the nearest rate above its own that MP3 has.

    Args:
      waveform: mono or stereo; more channels are mixed down.
      kbps: bit rate in kb/s, lower where MP3 has no such rate for the sample rate.
    """
    import soundfile

    waveform = resample(waveform, _mp3_rate(waveform))
    num_channels = waveform.samples.shape[0] if waveform.samples.shape[0] <= 2 else 1
    samples = match_channels(waveform.samples, num_channels)
    lowest, highest = _bounds(waveform.sample_rate)
    # soundfile wants a level: 0 is the highest bit rate, and 1 would be the lowest but is refused.
    level = min((highest - min(kbps, highest)) / (highest - lowest), 0.999)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        "w",
        waveform.sample_rate,
        num_channels,
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=level,
    ) as file:
        file.write(samples.T)
    return data_uri("audio/mpeg", buffer.getvalue())


def _mp3_rate(waveform: Waveform) -> int:
    return next((rate for rate in _MP3_RATES if rate >= waveform.sample_rate), _MP3_RATES[-1])


def _bounds(sample_rate: int) -> tuple[int, int]:
    """Lowest and highest bit rate in kb/s: those of MPEG-1, MPEG-2 and MPEG-2.5."""
    if sample_rate >= 32000:
        return 32, 320
    return (8, 160) if sample_rate >= 16000 else (8, 64)


def magma_uri(shares: np.ndarray, *, lossless: bool, max_width: int = 1200) -> str:
    """Values in [0, 1], `[rows, columns]` with the lowest row first, as a picture.

    Args:
      shares: the values; columns beyond `max_width` are averaged.
      lossless: PNG, for few sharp cells; else WebP, for the shades of a spectrogram.
      max_width: pixels.
    """
    import matplotlib
    from PIL import Image

    picture = Image.fromarray(np.uint8(np.clip(np.nan_to_num(shares[::-1]), 0, 1) * 255))
    if picture.width > max_width:
        picture = picture.resize((max_width, picture.height), Image.Resampling.BOX)
    colours = np.uint8(matplotlib.colormaps["magma"](np.arange(256))[:, :3] * 255)
    buffer = io.BytesIO()
    if lossless:
        picture = picture.point(lambda level: level & 0xF8)  # 32 shades: half the bytes.
        picture.putpalette(colours.tobytes())
        picture.save(buffer, "PNG", optimize=True)
        return data_uri("image/png", buffer.getvalue())
    picture.putpalette(colours.tobytes())
    picture.convert("RGB").save(buffer, "WEBP", quality=75)
    return data_uri("image/webp", buffer.getvalue())
