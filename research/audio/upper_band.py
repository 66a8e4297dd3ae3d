"""Frequencies above half of the sample rate of a computation, which its output lacks."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from research.audio.levels import rms
from research.audio.spans import spans
from research.audio.waveform import Waveform, fit_length, resample

_BANDS_PER_OCTAVE = 6
_N_FFT = 2048
_BLOCK = 1 << 20  # Samples in memory at a time.
_MARGIN = 1 << 14  # Samples beside a block, by which a filter has faded.
_LIMIT = 4.0  # Of a band's gain, up and down, from that of the whole; 12 dB.
_SILENT = 1e-9
_PASSED = 0.95  # Fraction of the highest frequency under which a resampler passes nearly all.


def relative_levels(recording: Waveform, sample_rate: int) -> np.ndarray:
    """How loud a recording is above `sample_rate / 2`.

    Returns:
      RMS of each sixth of an octave over that of the octave below them all, `[bands]`; none above
      the recording's own highest frequency, and none if the octave is silent.
    """
    octave, bands = _levels(recording, sample_rate / 2)
    return bands / octave if octave > _SILENT else bands[:0]


def add_upper_band(
    output: np.ndarray, content: Waveform, sample_rate: int, style: np.ndarray, amount: float
) -> np.ndarray:
    """Add the frequencies of a content above `sample_rate / 2` to an output, in place.

    They get the levels of the style.

    Band b of the content gets the gain `g (S_b / C_b)^amount`: g is the gain from content to output
    in the octave below, S and C are the `relative_levels` of style and content. A band that the
    style's sample rate leaves out has `S_b = C_b`. Each factor is at most 12 dB up or down.

    Args:
      output: `[channels, samples]`, of the length and sample rate of the content.
      content: of as many channels.
      sample_rate: Hz, at which the output was computed.
      style: of `relative_levels`.
      amount: fraction of the way from the content's levels to those of the style, 0 to 1.
    """
    if content.sample_rate <= sample_rate:
        return output
    edge = sample_rate / 2
    octave, bands = _levels(content, edge)
    if not bands.any():
        return output
    whole = rms(output) / max(rms(content.samples), _SILENT)
    reached = _levels(Waveform(output, content.sample_rate), edge)[0]
    gain = np.clip(reached / max(octave, _SILENT) / max(whole, _SILENT), 1 / _LIMIT, _LIMIT)
    ratios, known = np.ones(len(bands)), min(len(bands), len(style))
    if octave > _SILENT:
        ratio = style[:known] * octave / np.maximum(bands[:known], _SILENT)
        ratios[:known] = np.clip(ratio, 1 / _LIMIT, _LIMIT) ** amount
    for samples, channel in zip(content.samples, output, strict=True):
        part = resample(Waveform(samples[None], content.sample_rate), sample_rate)
        low = resample(part, content.sample_rate).samples
        high = samples - fit_length(low, len(samples))[0]
        for span, block in _filter(high, ratios, edge, content.sample_rate):
            channel[span] += np.float32(whole * gain) * block
    return output


def _edges(edge: float, highest: float) -> np.ndarray:
    """Edges of the bands from `edge` to `highest`, Hz."""
    count = int(_BANDS_PER_OCTAVE * np.log2(highest / edge) + 1e-6)
    return edge * 2 ** (np.arange(count + 1) / _BANDS_PER_OCTAVE)


def _levels(recording: Waveform, edge: float) -> tuple[float, np.ndarray]:
    """RMS of the octave below `edge`, and of the bands above it, `[bands]`; channels averaged."""
    power, window, num_frames = np.zeros(_N_FFT // 2 + 1), np.hanning(_N_FFT), 0
    for span in spans(recording.samples.shape[1], _BLOCK):
        block = recording.samples[:, span]
        block = np.pad(block, [(0, 0), (0, -block.shape[1] % _N_FFT)])
        spectra = np.fft.rfft(block.reshape(-1, _N_FFT) * window)
        power += np.square(np.abs(spectra)).sum(axis=0)
        num_frames += len(spectra)
    power *= 2 / (num_frames * _N_FFT * np.square(window).sum())
    hertz = np.fft.rfftfreq(_N_FFT, 1 / recording.sample_rate)
    highest = recording.sample_rate / 2
    below = power[(hertz >= edge / 2) & (hertz < edge)].sum()
    if highest <= edge:
        return float(np.sqrt(below)), np.zeros(0)
    edges = _edges(edge, highest)
    sums = [power[(hertz >= low) & (hertz < high)].sum() for low, high in pairwise(edges)]
    return float(np.sqrt(below)), np.sqrt(sums)


def _filter(
    samples: np.ndarray, gains: np.ndarray, edge: float, sample_rate: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """`[samples]` with the gain of each band above `edge`, without a change of phase.

    What a resampler leaves out under `edge` is kept as it is.

    Yields:
      Blocks one after the other, each with its place.
    """
    from scipy import fft

    edges = _edges(edge, sample_rate / 2)
    centres = np.sqrt(edges[1:] * edges[:-1])
    for span in spans(len(samples), _BLOCK):
        start = max(span.start - _MARGIN, 0)
        piece = samples[start : span.stop + _MARGIN]
        # Zeros after the end, since a transform is circular.
        size: int = fft.next_fast_len(len(piece) + _MARGIN, real=True)  # pyright: ignore
        hertz = np.fft.rfftfreq(size, 1 / sample_rate)
        gain = np.interp(hertz, [_PASSED * edge, *centres], [1, *gains]).astype(np.float32)
        filtered = np.asarray(fft.irfft(np.asarray(fft.rfft(piece, size)) * gain, size))
        yield span, filtered[span.start - start : span.stop - start]
