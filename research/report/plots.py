"""Axes and curves as inline SVG, in a box whose size the page determines.

Places on an axis are fractions: 0 at its low end, 1 at its high end.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

BOX = 1000  # Width and height of the SVG box. Whole numbers are exact enough, and short.


@dataclasses.dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`.

    Attributes:
      low: value at the low end, positive if logarithmic.
      high: value at the high end, above `low`.
      logarithmic: True if equal ratios of values are equal lengths.
    """

    low: float
    high: float
    logarithmic: bool = False

    def place(self, values: np.ndarray | Iterable[float]) -> np.ndarray:
        """Fractions of the axis for values; NaN for values that are not on such an axis."""
        values = np.asarray(values, np.float64)
        ends = np.array([self.low, self.high])
        if self.logarithmic:
            values = np.log(np.where(values > 0, values, np.nan))
            ends = np.log(ends)
        fractions = (values - ends[0]) / (ends[1] - ends[0])
        return np.where(np.isfinite(fractions), fractions, np.nan)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Fractions and labels of about `most` round values."""
        values = self._decades(most) if self.logarithmic else self._steps(most)
        fractions = self.place(values)
        inside = (fractions >= -1e-9) & (fractions <= 1 + 1e-9)
        return [
            (round(float(fraction), 4), _label(value))
            for fraction, value, kept in zip(fractions, values, inside, strict=True)
            if kept
        ]

    def _steps(self, most: int) -> list[float]:
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.999 * rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]

    def _decades(self, most: int) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        stride = max(1, round((last - first) / most))
        within = (1, 2, 5) if last - first <= 2 else (1,)
        return [
            float(f"{digit}e{exponent}")
            for exponent in range(first, last + 1, stride)
            for digit in within
        ]


def _label(value: float) -> str:
    """Text of a round value, such as "0.5", "200" or "10k"."""
    return f"{value / 1000:g}k" if 1000 <= abs(value) < 1e6 else f"{value:g}"


def fit_axis(values: np.ndarray | Iterable[float]) -> Axis:
    """An axis for non-negative values, logarithmic if the largest is over 5 times the smallest.

    Zeros and values that are not finite are ignored.
    """
    values = np.asarray(values, np.float64)
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return Axis(0.0, 1.0)
    low, high = float(positive.min()), float(positive.max())
    low = max(low, 1e-9 * high)  # A value that is almost 0 shall not flatten all other curves.
    if high > 5 * low:
        return Axis(low / 1.15, high * 1.15, logarithmic=True)
    return Axis(0.0, high * 1.08)


def curve(x: np.ndarray, y: np.ndarray) -> str:
    """An SVG path through points given as fractions, interrupted where one is NaN."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    shown = ~np.isnan(x + y)
    commands, drawing = [], False
    for across, down, has_place in zip(_units(x), _units(1 - y), shown, strict=True):
        if has_place:
            commands.append(f"{'L' if drawing else 'M'}{across} {down}")
        drawing = has_place
    return "".join(commands)


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """An SVG path around the area between two curves, given as fractions."""
    return curve(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])) + "Z"


def verticals(x: np.ndarray) -> str:
    """An SVG path of vertical lines through the whole box, at fractions `[lines]` of its width."""
    return "".join(f"M{across} 0V{BOX}" for across in _units(x))


def _units(fractions: np.ndarray) -> list[int]:
    places = np.clip(np.nan_to_num(fractions), -1, 2) * BOX
    return np.rint(places).astype(int).tolist()
