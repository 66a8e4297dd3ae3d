"""Signs of damage in audio: clipped samples, clicks and noise, and naturalness as their absence."""

from typing import NamedTuple

import numpy as np

# Expected spectral flatness of white noise: the ratio of the geometric to the arithmetic mean of
# exponentially distributed powers.
_WHITE = float(np.exp(-np.euler_gamma))
_FULL_SCALE = 0.999
_MOST_CLIPPED = 0.01  # Fraction of clipped samples at which naturalness is 0.
_TINY = 1e-12


class Damage(NamedTuple):
    """Damage of a recording.

    Attributes:
      clipped: fraction of the samples at full scale, 0.999 or more.
      clicks: clicks per second.
    """

    clipped: float
    clicks: float


def measure_damage(samples: np.ndarray, sample_rate: int) -> Damage:
    """Damage of mono `[samples]` at their own sample rate (Hz) and level."""
    return Damage(
        clipped=float(np.mean(np.abs(samples) >= _FULL_SCALE)),
        clicks=count_clicks(samples, sample_rate),
    )


def naturalness(
    damage: Damage, damage_inputs: Damage, flatness: float, flatness_inputs: float
) -> float:
    """1 for an output without more damage than its inputs, falling to 0; the least of three.

    With the excess over the inputs, at least 0, these are `1 / (1 + clicks)`,
    `1 - clipped / 0.01` and `1 - noise`. Noise is the excess of spectral flatness, as a fraction
    of the excess that white noise has.

    Args:
      damage: of the output.
      damage_inputs: the larger values of the two inputs.
      flatness: mean spectral flatness of the output.
      flatness_inputs: the larger spectral flatness of the two inputs.
    """
    noise, room = flatness - flatness_inputs, _WHITE - flatness_inputs
    clipped, clicks = (
        max(0.0, value - least) for value, least in zip(damage, damage_inputs, strict=True)
    )
    return min(
        1 - min(1.0, max(0.0, noise) / max(room, _TINY)),
        1 / (1 + clicks),
        1 - min(1.0, clipped / _MOST_CLIPPED),
    )


def count_clicks(samples: np.ndarray, sample_rate: int) -> float:
    """Clicks per second in mono `[samples]`.

    A click is a difference of neighbouring samples over 4 times the ninth decile of the absolute
    differences within 3 ms on either side, plus a hundredth of the RMS level. Several within a
    millisecond are one. Those less than 30 ms from the next do not count: they are the pulses of a
    buzzing tone. A click below the level of loud noise is not found.
    """
    from scipy import ndimage

    jumps = np.abs(np.diff(np.asarray(samples, np.float64)))
    half = int(0.003 * sample_rate)
    loudness = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    # Candidates, without sorting: a jump over 4 times the ninth decile is over 3 times the mean.
    mean = ndimage.uniform_filter1d(jumps, 2 * half + 1)
    places = np.flatnonzero(jumps > np.maximum(3 * mean, 0.01 * loudness))
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(jumps, half, "symmetric"), 2 * half + 1
    )
    deciles = np.sort(around[places], axis=1)[:, int(0.9 * (2 * half + 1))]
    places = places[jumps[places] > 4 * deciles + 0.01 * loudness] / sample_rate
    starts = places[np.diff(places, prepend=-1.0) > 0.001]
    gaps = np.diff(starts, prepend=-1.0, append=np.inf)
    isolated = np.minimum(gaps[:-1], gaps[1:]) > 0.03
    return float(np.count_nonzero(isolated) / (len(samples) / sample_rate))
