"""What an output is compared with: simple mixtures and equalisers, other truths, and cheats."""

from collections.abc import Mapping

import numpy as np

from research.audio.waveform import Waveform
from research.benchmarks.known_truth.equalisers import equalise_levels, match_quantiles
from research.benchmarks.known_truth.render import SAMPLE_RATE
from research.judge.crossfade import crossfade
from research.judge.fixed_equaliser import equalise, equalise_spectrum
from research.judge.verdict import EQUALISED
from research.programs import load_librosa

ANCHORS = (
    "content",
    "style",
    "crossfade",
    "equaliser",
    "equaliser_mix",
    "quantiles",
    "equaliser_of_truth",
    "other_performance",
    "other_soundfont",
    "truth",
)
KNOWING = ANCHORS[ANCHORS.index("equaliser_of_truth") :]
"""Those that are made from the truth or from its notes."""
CHEATS = ("silence", "white_noise", "style_noise", "blurred", "low_pass", "late")


def make_anchors(recordings: Mapping[str, Waveform]) -> dict[str, np.ndarray]:
    """Mono samples of each anchor, `[samples]`.

    The equaliser that knows the truth, the same notes in another performance and on another
    soundfont say what the measures can be expected to give.

    Args:
      recordings: of a triple, at 22 050 Hz, by the names in `render.RECORDINGS`.
    """
    content, style, truth = (
        recordings[name].samples.mean(axis=0) for name in ("content", "style", "truth")
    )
    half = crossfade(recordings["content"], recordings["style"], 0.5)
    equalised = equalise(recordings["content"], recordings["style"])
    mix = crossfade(equalised, recordings["style"], EQUALISED[1])
    return {
        "content": content,
        "style": style,
        "crossfade": half.samples.mean(axis=0),
        "equaliser": equalise_spectrum(content, style),
        "equaliser_mix": mix.samples.mean(axis=0),
        "quantiles": match_quantiles(content, style),
        "equaliser_of_truth": equalise_levels(content, truth),
        "other_performance": recordings["other_performance"].samples.mean(axis=0),
        "other_soundfont": recordings["other_soundfont"].samples.mean(axis=0),
        "truth": truth,
    }


def make_cheats(content: np.ndarray, style: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs without merit, which no good measure may prefer to the plain equaliser.

    Args:
      content: mono `[samples]` at 22 050 Hz.
      style: the same.
    """
    from scipy import ndimage, signal

    librosa = load_librosa()
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(len(content)).astype(np.float32)
    spectrum = librosa.stft(content, n_fft=2048, hop_length=512)
    levels = ndimage.gaussian_filter(10 * np.log10(np.abs(spectrum) ** 2 + 1e-6), (6, 6))
    blurred = 10 ** (levels / 20) * np.exp(1j * np.angle(spectrum))
    low = signal.butter(6, 1000, "low", fs=SAMPLE_RATE, output="sos")
    return {
        "silence": np.zeros_like(content),
        "white_noise": noise,
        "style_noise": equalise_spectrum(noise, style),
        "blurred": librosa.istft(blurred, hop_length=512, length=len(content)),
        "low_pass": signal.sosfiltfilt(low, content),
        "late": np.roll(content, SAMPLE_RATE // 20),
    }
