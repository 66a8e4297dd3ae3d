"""The judge of style transfers: verdicts on outputs, compared with plain crossfades.

It measures how much of the notes and the rhythm of a content and of the timbre and the texture of a
style is in an output.
"""

import dataclasses

import numpy as np

from research.audio.waveform import MIN_SECONDS, Waveform, resample, without_offset
from research.errors import InputError
from research.judge.crossfade import height_above
from research.judge.damage import Damage, measure_damage, naturalness
from research.judge.equaliser import explained_fractions
from research.judge.features import SAMPLE_RATE, Spectra, analyse
from research.judge.measures import Measures

CROSSFADES = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
"""Fractions of style of the crossfades that outputs are compared with."""
_RMS = 0.1  # Level of all audio, full scale being 1.
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Verdict on an output. All but `above_crossfade` are from 0 to 1.

    Attributes:
      content_kept: notes and onsets of the content: 1 for the content itself, 0 for the style.
      style_reached: timbre and texture of the style: 0 for the content, 1 for the style itself.
      leak: notes of the style at the times of the style: 0 for the content, 1 for the style.
      equaliser: fraction of the output that one fixed equaliser on the content plus one on the
        style explain: 1 for a crossfade, equalised or not. Mean of third octaves by amplitude.
      naturalness: 1 without more noise, clicks and clipping than the worse of the inputs has; 0 for
        white noise or 1 % clipped samples; 0.5 for one click per second.
      above_crossfade: distance from the curve of crossfades in `(content_kept, style_reached)`
        along the diagonal, in hundredths; negative below the curve.
      score: `sqrt(content_kept * style_reached) * (1 - leak)`.
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

    - `content_cens`, `content_chroma`, `content_onsets`, of which `content_kept` is the mean;
      `style_mfcc`, `style_bands`, `style_patches`, `style_gram`, of which `style_reached` is the
      mean; `leak_cens`, `leak_chroma`; `harmony`: see `measures.Measures`.
    - `equaliser_energy`, `equaliser_bands`, `equaliser_magnitude`: see
      `equaliser.explained_fractions`.
    - `clipped`: fraction of the samples at full scale; `clicks`: per second; `clipped_inputs` and
      `clicks_inputs`: the larger number of the two inputs; `noise`: spectral flatness minus the
      larger one of the two inputs. See `damage.naturalness`.

    Attributes:
      crossfades: verdicts on `(1 - a) * content + a * style`, for `a` in `CROSSFADES`.
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
        damages = [measure_damage(samples, sample_rate) for samples in given]
        self._damage = Damage(*(max(values) for values in zip(*damages, strict=True)))
        self._length = len(content)
        aligned = _scale(np.resize(style, self._length))
        self._content, self._style = analyse(content), analyse(aligned)
        whole = self._style if len(style) == self._length else analyse(style)
        self._measures = Measures(self._content, self._style, whole)
        verdicts = []
        for fraction in CROSSFADES:
            mixed = (1 - fraction) * content + fraction * aligned
            gain = _RMS / max(np.sqrt(np.mean(mixed**2)), _TINY)
            gains = gain * np.array([1 - fraction, fraction], np.float32)
            spectra = Spectra(
                gains[0] * self._content.stft + gains[1] * self._style.stft,
                gains[0] * self._content.cqt + gains[1] * self._style.cqt,
            )
            verdicts.append(self._judge(spectra, measure_damage(mixed, SAMPLE_RATE)))
        self._line = np.array([(v.content_kept, v.style_reached) for v in verdicts])
        self.crossfades = tuple(self._with_height(verdict) for verdict in verdicts)
        self.best_crossfade = max(verdict.score for verdict in self.crossfades)

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
        samples = _scale(np.pad(samples[: self._length], (0, missing)))
        damage = measure_damage(output, self._sample_rate)
        return self._with_height(self._judge(analyse(samples), damage))

    def _with_height(self, verdict: Verdict) -> Verdict:
        height = height_above(verdict.content_kept, verdict.style_reached, self._line)
        return dataclasses.replace(verdict, above_crossfade=100 * height)

    def _judge(self, spectra: Spectra, damage: Damage) -> Verdict:
        """The verdict without the height above the crossfades, which is NaN."""
        measured = self._measures(spectra)
        equaliser = explained_fractions(spectra.stft, self._content.stft, self._style.stft)
        kept = float(np.mean(list(measured.content.values())))
        reached = float(np.mean(list(measured.style.values())))
        flatness = measured.flatness, self._measures.flatness
        return Verdict(
            content_kept=kept,
            style_reached=reached,
            leak=measured.leak,
            equaliser=equaliser.pop("equaliser"),
            naturalness=naturalness(damage, self._damage, *flatness),
            above_crossfade=float("nan"),
            score=float(np.sqrt(kept * reached) * (1 - measured.leak)),
            measures={
                **{f"content_{name}": value for name, value in measured.content.items()},
                **{f"style_{name}": value for name, value in measured.style.items()},
                **{f"leak_{name}": value for name, value in measured.leaks.items()},
                "harmony": measured.harmony,
                **equaliser,
                **damage._asdict(),
                **{f"{name}_inputs": value for name, value in self._damage._asdict().items()},
                "noise": flatness[0] - flatness[1],
            },
        )


def _prepare(samples: np.ndarray, sample_rate: int, name: str) -> np.ndarray:
    """Mono `[samples]` at 22 050 Hz and an RMS level of 0.1, without an offset."""
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
    return _scale(resample(waveform, SAMPLE_RATE).samples[0])


def _scale(samples: np.ndarray) -> np.ndarray:
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return (samples * (_RMS / max(level, _TINY))).astype(np.float32)
