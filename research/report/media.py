"""Audio and images as `data:` URIs, so that a page is a single file."""

import base64
import io
from collections.abc import Sequence

import numpy as np

from research.audio.waveform import Waveform, match_channels, resample

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_KBPS = (192, 160, 128, 112, 96, 80, 64, 56, 48, 40, 32)
# The most that an MP3 adds: a frame that states the length, and the padding of the last frame.
_HEADER_BYTES = 2048


def data_uri(media_type: str, content: bytes) -> str:
    """Bytes as a `data:` URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def choose_kbps(waveforms: Sequence[Waveform], num_bytes: int) -> int:
    """The highest bit rate in kb/s at which the MP3s of waveforms fit into a number of bytes.

    Args:
      waveforms: the sounds.
      num_bytes: available for all URIs. Base64 makes 4 bytes of 3.

    Returns:
      One of 192, 160, 128, ... 32; 32 also where that does not fit.
    """
    for kbps in _KBPS:
        sizes = (
            _HEADER_BYTES + waveform.seconds * 125 * min(kbps, _bounds(_mp3_rate(waveform))[1])
            for waveform in waveforms
        )
        if 4 / 3 * sum(sizes) <= num_bytes:
            return kbps
    return _KBPS[-1]


def mp3_uri(waveform: Waveform, kbps: int) -> str:
    """A waveform as an MP3 of constant bit rate.

    It is resampled to the next higher sample rate of MP3, 48 kHz at most, and turned down if it is
    above full scale.

    Args:
      waveform: mono and stereo stay so; more channels are averaged to mono.
      kbps: bit rate in kb/s, limited to the highest bit rate that MP3 has for the sample rate.
    """
    import soundfile

    waveform = resample(waveform, _mp3_rate(waveform))
    num_channels = waveform.samples.shape[0] if waveform.samples.shape[0] <= 2 else 1
    samples = match_channels(waveform.samples, num_channels)
    samples = samples / max(np.abs(samples).max(), 1)
    lowest, highest = _bounds(waveform.sample_rate)
    # soundfile takes a level from 0, the highest bit rate, to 1, the lowest, but refuses 1.
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
    """Lowest and highest bit rate in kb/s at a sample rate: of MPEG-1, MPEG-2 or MPEG-2.5."""
    if sample_rate >= 32000:
        return 32, 320
    return (8, 160) if sample_rate >= 16000 else (8, 64)


def image_uri(values: np.ndarray, *, lossless: bool, max_width: int = 1200) -> str:
    """Values as an image in the colour map magma.

    Args:
      values: `[rows, columns]` from 0 to 1, clipped; NaN is 0. Row 0 is at the bottom.
      lossless: PNG, for few sharp cells; else WebP, for the shades of a spectrogram.
      max_width: pixels. More columns are averaged down to this number.
    """
    import matplotlib
    from PIL import Image

    image = Image.fromarray(np.uint8(np.clip(np.nan_to_num(values[::-1]), 0, 1) * 255))
    if image.width > max_width:
        image = image.resize((max_width, image.height), Image.Resampling.BOX)
    colours = np.uint8(matplotlib.colormaps["magma"](np.arange(256))[:, :3] * 255)
    buffer = io.BytesIO()
    if lossless:
        image = image.point([level & 0xF8 for level in range(256)])  # 32 shades: half the bytes.
        image.putpalette(colours.tobytes())
        image.save(buffer, "PNG", optimize=True)
        return data_uri("image/png", buffer.getvalue())
    image.putpalette(colours.tobytes())
    image.convert("RGB").save(buffer, "WEBP", quality=75)
    return data_uri("image/webp", buffer.getvalue())
