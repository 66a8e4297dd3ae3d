"""What the default transfer has above 11 kHz, by long-term spectra of content, style and output.

    python -m research.benchmarks.full_band [CONTENT STYLE ...]

Levels are in dB relative to the octave from 5.5 to 11 kHz of the same recording, ten seconds each;
the shipped clips if no files are given.
"""

import dataclasses
import pathlib
from itertools import pairwise

import numpy as np

from research.audio.waveform import Waveform, load_waveform
from research.benchmarks import on_files
from research.errors import InputError
from research.transfer.config import TransferConfig
from research.transfer.style_transfer import transfer

_SECONDS = 10
_OCTAVE = 5512.5, 11025.0  # Hz.
_EDGES = 11025.0, 13890.0, 17500.0  # Hz: thirds of an octave; lossy files often end above.
_N_FFT = 4096
_CLIPS = pathlib.Path(__file__).parents[1] / "clips"


def upper_levels(recording: Waveform) -> np.ndarray:
    """Levels from 11 to 13.9 and to 17.5 kHz, in dB relative to the octave below, `[2]`.

    By the mean spectrum of Welch (1967) over all channels.

    Raises:
      InputError: the sample rate is too low for these frequencies.
    """
    from scipy import signal

    if recording.sample_rate < 2 * _EDGES[-1]:
        raise InputError(
            f"a recording has a sample rate of {recording.sample_rate} Hz; give some of 44100 Hz"
        )
    hertz, power = signal.welch(recording.samples, recording.sample_rate, nperseg=_N_FFT)
    sums = [
        power[:, (hertz >= low) & (hertz < high)].sum()
        for low, high in (_OCTAVE, *pairwise(_EDGES))
    ]
    return 10 * np.log10(np.maximum(sums[1:], 1e-30) / max(sums[0], 1e-30))


def main(paths: list[str]) -> None:
    """Print the table."""
    paths = paths or [str(_CLIPS / "piano.ogg"), str(_CLIPS / "band.ogg")]
    on_files.check_pairs(paths)
    config = TransferConfig()
    without = dataclasses.replace(config, full_band=False)
    print("pair, then dB from 11 to 13.9 and from 13.9 to 17.5 kHz")
    print(f"{'':40s}{'content':>14s}{'style':>14s}{'output':>14s}{'without':>14s}")
    for names in zip(paths[::2], paths[1::2], strict=True):
        content, style = (_load(name) for name in names)
        outputs = (transfer(content, style, chosen).output for chosen in (config, without))
        cells = [
            "{:7.1f}{:7.1f}".format(*upper_levels(each)) for each in (content, style, *outputs)
        ]
        name = " x ".join(pathlib.Path(name).stem for name in names)
        print(f"{name:40s}{''.join(cells)}", flush=True)


def _load(path: str) -> Waveform:
    recording = load_waveform(path)
    samples = recording.samples[:, : _SECONDS * recording.sample_rate]
    return Waveform(samples, recording.sample_rate)


if __name__ == "__main__":
    on_files.run(main)
