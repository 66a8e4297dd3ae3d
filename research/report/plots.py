"""Axes and curves of inline SVG, as shares of a box that the page gives a size."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

BOX = 1000  # Units of the box on either side: whole numbers are exact enough, and short.


@dataclasses.dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`.

    Attributes:
      low: where it begins; positive if logarithmic.
      high: where it ends, above `low`.
      logarithmic: whether equal ratios are equal lengths.
    """

    low: float
    high: float
    logarithmic: bool = False

    def place(self, values: np.ndarray | Iterable[float]) -> np.ndarray:
        """Shares of the axis, NaN for what has no place on it."""
        values = np.asarray(values, np.float64)
        ends = np.array([self.low, self.high])
        if self.logarithmic:
            values = np.log(np.where(values > 0, values, np.nan))
            ends = np.log(ends)
        shares = (values - ends[0]) / (ends[1] - ends[0])
        return np.where(np.isfinite(shares), shares, np.nan)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Shares and labels of round values, about `most` of them."""
        values = self._decades(most) if self.logarithmic else self._steps(most)
        shares = self.place(values)
        inside = (shares >= -1e-9) & (shares <= 1 + 1e-9)
        return [
            (round(float(share), 4), _label(value))
            for share, value, kept in zip(shares, values, inside, strict=True)
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
    """A round value: "0.5", "200", "10k"."""
    return f"{value / 1000:g}k" if 1000 <= abs(value) < 1e6 else f"{value:g}"


def fit_axis(values: np.ndarray | Iterable[float]) -> Axis:
    """An axis for values that are not negative: logarithmic where they are far apart."""
    values = np.asarray(values, np.float64)
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return Axis(0.0, 1.0)
    low, high = float(positive.min()), float(positive.max())
    low = max(low, 1e-9 * high)  # What is all but 0 shall not flatten everything else.
    if high > 5 * low:
        return Axis(low / 1.15, high * 1.15, logarithmic=True)
    return Axis(0.0, high * 1.08)


def curve(x: np.ndarray, y: np.ndarray) -> str:
    """An SVG path through points given as shares; it breaks where one is NaN."""
    commands, drawing = [], False
    for across, up in zip(x, y, strict=True):
        if math.isnan(across) or math.isnan(up):
            drawing = False
            continue
        commands.append(f"{'L' if drawing else 'M'}{_unit(across)} {_unit(1 - up)}")
        drawing = True
    return "".join(commands)


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """An SVG path around what is between two curves."""
    return curve(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])) + "Z"


def verticals(x: Iterable[float]) -> str:
    """An SVG path of lines from bottom to top."""
    return "".join(f"M{_unit(share)} 0V{BOX}" for share in x)


def _unit(share: float) -> int:
    return round(float(np.clip(share, -1, 2)) * BOX)
