"""Measures of how much of a content and of a style is in an output, from features of the three."""

from typing import NamedTuple

import numpy as np

from research.judge.features import Features, Spectra, compute_features, log_mel_bands

_TINY = 1e-12


class Measured(NamedTuple):
    """Measures of an output from 0 to 1; see `Measures`.

    Attributes:
      content: `cens`, `chroma` and `onsets`.
      style: `mfcc`, `bands`, `patches` and `gram`.
      leaks: `cens` and `chroma`.
      leak: from the sum of these two before scaling.
      harmony: mean of `cens` and `chroma`.
    """

    content: dict[str, float]
    style: dict[str, float]
    leaks: dict[str, float]
    leak: float
    harmony: float


class Measures:
    """Measures outputs for one content and one style.

    Each measure is scaled linearly so that it is 0 for one of the two inputs and 1 for the other,
    and clipped to [0, 1]. Content, leak and harmony compare frame by frame. Style compares
    distributions over the frames in which the content does not rest, for style those in which the
    style itself does not.

    - Content (1 for the content, 0 for the style): `cens` and `chroma` are the correlations of the
      12 pitch classes with those of the content, averaged over frames with the energy of the
      content as weights. `onsets` is the correlation of the onset strengths. It is correlation and
      not cosine, since the even chroma of noise has a high cosine with any chroma.
    - Style (0 for the content, 1 for the style): `1 - d(output, style) / d(content, style)`, with
      the Euclidean distance `d` of `mfcc` (as in Aucouturier & Pachet 2002), `bands`, `patches`
      (sliced Wasserstein distance, Rabin et al. 2011) or `gram` (random filters as in Ulyanov &
      Lebedev 2016).
    - Leak (0 for the content, 1 for the style): correlations `cens` and `chroma` with the style,
      minus their mean over all circular shifts in time. It is high for the notes of the style at
      the times of the style.
    - Harmony (0 for the content, 1 for the style): mean of the cosines with the chroma and the
      CENS of the style. The key of the style raises it, and so does noise.
    """

    def __init__(
        self,
        content: Spectra,
        aligned_style: Spectra,
        style: Spectra,
        rests: np.ndarray,
        style_rests: np.ndarray,
    ):
        """Prepare for a pair.

        Args:
          content: spectra of the content.
          aligned_style: spectra of the style, cut or repeated to the length of the content.
          style: spectra of the whole style; `aligned_style` itself if the lengths are the same.
          rests: frames in which the content rests, `[frames]`.
          style_rests: the same of the whole style.
        """
        self._rests = rests
        parts = ((content, rests), (style, style_rests))
        log_mel = np.concatenate([log_mel_bands(one.power[:, ~no]) for one, no in parts], axis=1)
        self._log_mel_mean, self._log_mel_std = float(log_mel.mean()), float(log_mel.std())
        self._content = self._features(content, rests)
        self._style = self._features(style, style_rests)
        same = style is aligned_style
        self._aligned = self._style if same else self._features(aligned_style, None)
        # Values that are scaled to 0 and to 1.
        self._content_range = self._similarity(self._aligned), self._similarity(self._content)
        self._leak_range = self._leak(self._content), self._leak(self._aligned)
        self._harmony_range = self._harmony(self._content), self._harmony(self._aligned)
        self._distances = _distances(self._content, self._style)

    def __call__(self, spectra: Spectra) -> Measured:
        """Measure an output of as many frames as the content has."""
        features = self._features(spectra, self._rests)
        distances = _distances(features, self._style)
        leaks = _scaled(self._leak(features), *self._leak_range)
        leak = leaks.pop("both")
        harmony = _scaled(self._harmony(features), *self._harmony_range)
        return Measured(
            content=_scaled(self._similarity(features), *self._content_range),
            style=_scaled(distances, self._distances, dict.fromkeys(distances, 0.0)),
            leak=leak,
            leaks=leaks,
            harmony=float(np.mean(list(harmony.values()))),
        )

    def _features(self, spectra: Spectra, rests: np.ndarray | None) -> Features:
        return compute_features(spectra, self._log_mel_mean, self._log_mel_std, rests)

    def _similarity(self, features: Features) -> dict[str, float]:
        own = self._content
        return {
            "cens": _cosine(_centred(features.cens), _centred(own.cens), own.energy),
            "chroma": _cosine(_centred(features.chroma), _centred(own.chroma), own.energy),
            "onsets": _correlation(features.onsets, own.onsets),
        }

    def _leak(self, features: Features) -> dict[str, float]:
        own = self._aligned
        each = {
            "cens": _excess_correlation(features.cens, own.cens, own.energy),
            "chroma": _excess_correlation(features.chroma, own.chroma, own.energy),
        }
        # The sum is scaled, not each: a measure that is nearly equal for both inputs says little.
        return {**each, "both": sum(each.values())}

    def _harmony(self, features: Features) -> dict[str, float]:
        own = self._aligned
        return {
            "cens": _cosine(features.cens, own.cens, own.energy),
            "chroma": _cosine(features.chroma, own.chroma, own.energy),
        }


def _distances(one: Features, other: Features) -> dict[str, float]:
    return {
        name: float(np.linalg.norm(getattr(one, name) - getattr(other, name)))
        for name in ("mfcc", "bands", "patches", "gram")
    }


def _scaled(
    values: dict[str, float], zeros: dict[str, float], ones: dict[str, float]
) -> dict[str, float]:
    """Values scaled so that `zeros` become 0 and `ones` 1, clipped to [0, 1].

    If the two are equal, the result is 1 for that value and 0 for others.
    """
    result = {}
    for name, value in values.items():
        span = ones[name] - zeros[name]
        if abs(span) > 1e-6:
            scaled = (value - zeros[name]) / span
        else:
            scaled = float(abs(value - ones[name]) <= 1e-6)
        result[name] = max(0.0, min(scaled, 1.0))
    return result


def _unit(columns: np.ndarray) -> np.ndarray:
    return columns / np.maximum(np.linalg.norm(columns, axis=0), _TINY)


def _centred(chroma: np.ndarray) -> np.ndarray:
    """`[12, frames]` minus the mean of each frame. Even chroma, such as of noise, becomes 0."""
    return chroma - chroma.mean(axis=0)


def _cosine(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean over frames of the cosine of columns `[12, frames]`."""
    return float(np.average((_unit(one) * _unit(other)).sum(axis=0), weights=weights))


def _excess_correlation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Correlation of the 12 pitch classes at the same time, minus its mean over all shifts.

    The mean over all circular shifts of `other` is a product of means, so it is enough to subtract
    the mean over time from `one`.
    """
    one, other = _unit(_centred(one)), _unit(_centred(other))
    moving = one - one.mean(axis=1, keepdims=True)
    return float(np.average((moving * other).sum(axis=0), weights=weights))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), _TINY))
