"""The judge of style transfers: verdicts on outputs, compared with crossfades and an equaliser.

It measures how much of the notes and the rhythm of a content and of the timbre and the texture of a
style is in an output.
"""

import dataclasses
import math

import numpy as np

from research.audio.waveform import MIN_SECONDS, Waveform, resample, without_offset
from research.errors import InputError
from research.judge.crossfade import height_above
from research.judge.damage import Damage, judge_damage, measure_damage, worse_of
from research.judge.equaliser import explained_fractions
from research.judge.features import SAMPLE_RATE, Spectra, analyse
from research.judge.fixed_equaliser import equalise_spectrum
from research.judge.measures import Measures
from research.judge.rests import HOP, filled_fraction, find_rests

CROSSFADES = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
"""Fractions of style of the crossfades that outputs are compared with."""
EQUALISED = (0.0, 0.1)
"""Fractions of style that are mixed into the equalised content, the other reference."""
_RMS = 0.1  # Level of all audio without its rests, full scale being 1.
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Verdict on an output. All but `above_crossfade` are from 0 to 1.

    Attributes:
      content_kept: notes, onsets and rests of the content: 1 for the content itself, 0 for the
        style.
      style_reached: timbre and texture of the style: 0 for the content, 1 for the style itself.
        The rests of the content are left out.
      leak: notes of the style at the times of the style: 0 for the content, 1 for the style.
      equaliser: fraction of the output that one fixed equaliser on the content plus one on the
        style explain: 1 for a crossfade, equalised or not. Mean of third octaves by amplitude.
      naturalness: 1 without more damage than the worse of the inputs has, near 0 for ruined audio;
        see `damage.judge_damage`.
      above_crossfade: distance from the curve of crossfades in `(content_kept, style_reached)`
        along the diagonal, in hundredths; negative below the curve.
      score: `sqrt(content_kept * style_reached) * (1 - leak) * naturalness`.
      measures: the numbers behind the above, by name; see `Judge`.
    """

    content_kept: float
    style_reached: float
    leak: float
    equaliser: float
    naturalness: float
    above_crossfade: float
    score: float
    measures: dict[str, float]


class Judge:
    """Gives verdicts on the outputs for one content and one style.

    `Verdict.measures` holds

    - `content_cens`, `content_chroma`, `content_onsets`, of which `content_kept` is the mean, times
      1 - `rests_filled`: see `rests.filled_fraction`;
      `style_mfcc`, `style_bands`, `style_patches`, `style_gram`, of which `style_reached` is the
      mean; `leak_cens`, `leak_chroma`; `harmony`: see `measures.Measures`.
    - `equaliser_energy`, `equaliser_bands`, `equaliser_magnitude`: see
      `equaliser.explained_fractions`.
    - `undamaged_clipped`, `undamaged_clicks` and so on, of which `naturalness` is the product: see
      `damage.judge_damage`; `clipped`, `clicks` and so on, and `clipped_inputs` and so on of the
      worse input: see `damage.Damage`.

    Attributes:
      crossfades: verdicts on `(1 - a) * content + a * style`, for `a` in `CROSSFADES`.
      equalised: the same of the content through a fixed equaliser to the style's mean spectrum,
        for `a` in `EQUALISED`.
      best_crossfade: the highest of their scores.
    """

    def __init__(self, content: np.ndarray, style: np.ndarray, sample_rate: int):
        """Prepare for the outputs of a pair.

        Frames are compared with the style cut or repeated to the length of the content,
        distributions with the whole style.

        Args:
          content: mono `[samples]`.
          style: mono `[samples]` of any length.
          sample_rate: of both and of the outputs, Hz.

        Raises:
          InputError: audio is not mono, not finite, shorter than half a second, or silent.
        """
        self._sample_rate = sample_rate
        given = content, style
        content = _prepare(content, sample_rate, "content")
        style = _prepare(style, sample_rate, "style")
        self._length, self._rests = len(content), find_rests(content)
        style_rests = find_rests(style)
        content, style = _scale(content, self._rests), _scale(style, style_rests)
        aligned = _scale(np.resize(style, self._length))
        self._content, self._style = analyse(content), analyse(aligned)
        whole = self._style if len(style) == self._length else analyse(style)
        self._damage = worse_of(
            measure_damage(recording, sample_rate, samples, spectra.stft)
            for recording, samples, spectra in zip(
                given, (content, style), (self._content, whole), strict=True
            )
        )
        self._measures = Measures(self._content, self._style, whole, self._rests, style_rests)
        crossfades = [
            self._judge_mixture(content, self._content, aligned, fraction)
            for fraction in CROSSFADES
        ]
        self._line = np.array([(v.content_kept, v.style_reached) for v in crossfades])
        self.crossfades = tuple(self._with_height(verdict) for verdict in crossfades)
        self.best_crossfade = max(verdict.score for verdict in self.crossfades)
        equalised = _scale(equalise_spectrum(content, style), self._rests)
        spectra = analyse(equalised)
        self.equalised = tuple(
            self._with_height(self._judge_mixture(equalised, spectra, aligned, fraction))
            for fraction in EQUALISED
        )

    def __call__(self, output: np.ndarray) -> Verdict:
        """The verdict on an output.

        Args:
          output: mono `[samples]` at the sample rate of the inputs, cut or zero-padded to the
            length of the content.

        Raises:
          InputError: audio is not mono, not finite, shorter than half a second, or silent.
        """
        samples = _prepare(output, self._sample_rate, "output")
        missing = max(0, self._length - len(samples))
        samples = _scale(np.pad(samples[: self._length], (0, missing)), self._rests)
        spectra = analyse(samples)
        damage = measure_damage(output, self._sample_rate, samples, spectra.stft)
        return self._with_height(self._judge(samples, spectra, damage))

    def _with_height(self, verdict: Verdict) -> Verdict:
        height = height_above(verdict.content_kept, verdict.style_reached, self._line)
        return dataclasses.replace(verdict, above_crossfade=100 * height)

    def _judge_mixture(
        self, samples: np.ndarray, spectra: Spectra, style: np.ndarray, fraction: float
    ) -> Verdict:
        """As `_judge`, of `(1 - fraction) * samples + fraction * style`, aligned."""
        mixed = (1 - fraction) * samples + fraction * style
        gain = _gain(mixed, self._rests)
        gains = gain * np.array([1 - fraction, fraction], np.float32)
        spectra = Spectra(
            gains[0] * spectra.stft + gains[1] * self._style.stft,
            gains[0] * spectra.cqt + gains[1] * self._style.cqt,
        )
        damage = measure_damage(mixed, SAMPLE_RATE, mixed, spectra.stft)
        return self._judge(mixed, spectra, damage)

    def _judge(self, samples: np.ndarray, spectra: Spectra, damage: Damage) -> Verdict:
        """The verdict without the height above the crossfades, which is NaN."""
        measured = self._measures(spectra)
        equaliser = explained_fractions(spectra.stft, self._content.stft, self._style.stft)
        filled = filled_fraction(samples, self._rests)
        kept = float(np.mean(list(measured.content.values()))) * (1 - filled)
        reached = float(np.mean(list(measured.style.values())))
        undamaged = judge_damage(damage, self._damage)
        natural = math.prod(undamaged.values())
        score = float(np.sqrt(kept * reached)) * (1 - measured.leak) * natural
        return Verdict(
            content_kept=kept,
            style_reached=reached,
            leak=measured.leak,
            equaliser=equaliser.pop("equaliser"),
            naturalness=natural,
            above_crossfade=float("nan"),
            score=score,
            measures={
                **{f"content_{name}": value for name, value in measured.content.items()},
                "rests_filled": filled,
                **{f"style_{name}": value for name, value in measured.style.items()},
                **{f"leak_{name}": value for name, value in measured.leaks.items()},
                "harmony": measured.harmony,
                **equaliser,
                **damage.numbers,
                **{f"{name}_inputs": value for name, value in self._damage.numbers.items()},
                **{f"undamaged_{name}": value for name, value in undamaged.items()},
            },
        )


def _prepare(samples: np.ndarray, sample_rate: int, name: str) -> np.ndarray:
    """Mono `[samples]` at 22 050 Hz without an offset."""
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1:
        raise InputError(f"{name} has shape {samples.shape}; the judge takes mono [samples]")
    if not np.isfinite(samples).all():
        raise InputError(f"{name} holds samples that are NaN or infinite")
    if len(samples) < MIN_SECONDS * sample_rate:
        raise InputError(f"{name} lasts less than {MIN_SECONDS} s")
    waveform = without_offset(Waveform(samples[None], sample_rate))
    if not waveform.samples.any():
        raise InputError(f"{name} is digital silence")
    return resample(waveform, SAMPLE_RATE).samples[0]


def _scale(samples: np.ndarray, rests: np.ndarray | None = None) -> np.ndarray:
    return (samples * _gain(samples, rests)).astype(np.float32)


def _gain(samples: np.ndarray, rests: np.ndarray | None) -> float:
    """Gain that scales samples to an RMS level of 0.1 outside of `rests`, frames of the STFT."""
    powers = np.square(samples, dtype=np.float64)
    mean = powers.mean()
    if rests is not None and rests.any():
        sounds = np.repeat(~rests, HOP)[HOP // 2 :][: len(samples)]
        # Sound in the rests alone must not be amplified without bounds.
        mean = max(powers[: len(sounds)][sounds].mean(), 0.01 * mean)
    return _RMS / max(float(np.sqrt(mean)), _TINY)
