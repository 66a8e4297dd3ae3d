"""How much of an output is one fixed equaliser on the content plus one on the style."""

import itertools
from typing import NamedTuple

import numpy as np

_MOST_BINS = 4  # Neighbouring bins that share the gains of an equaliser: 43 Hz.
_INAUDIBLE = 1e-8  # Fraction of the energy under which a band does not count.
_TINY = 1e-12


def explained_fractions(
    output: np.ndarray, content: np.ndarray, style: np.ndarray
) -> dict[str, float]:
    """Fractions of the energy of an output that `a[k] content[k, t] + b[k] style[k, t]` explains.

    A fraction is one minus the energy of the residual over the energy. The gains `a` and `b` are
    complex and constant in time, from least squares over all frames. Up to 4 neighbouring bins
    share them, so that each is fitted to hundreds of values, and a delay of a millisecond is still
    an equaliser.

    Args:
      output: complex STFT, `[bins, frames]`.
      content: the same.
      style: the same.

    Returns:
      `equaliser`: mean over third octaves, weighted by amplitude (the square root of energy).
        Weights by energy would leave the bass alone; equal weights would give noise as much as
        the melody.
      `equaliser_energy`: mean weighted by energy.
      `equaliser_bands`: mean of all audible third octaves.
      `equaliser_magnitude`: as `equaliser`, but of magnitudes and with non-negative gains. It is a
        third to a half even for unrelated audio, since constant levels explain that much.
    """
    bands = third_octaves(len(output))
    groups = [
        np.linspace(start, stop, -(-(stop - start) // _MOST_BINS), endpoint=False).astype(int)
        for start, stop in itertools.pairwise(bands)
    ]
    first = np.cumsum([0] + [len(group) for group in groups[:-1]])  # First group of each band.
    starts = np.concatenate(groups)
    products = inner_products(output, content, style, starts)
    magnitudes = inner_products(np.abs(output), np.abs(content), np.abs(style), starts)
    energy, explained, explained_magnitude = (
        np.add.reduceat(values, first)
        for values in (
            products.oo,
            explained_energy(products),
            explained_energy_not_negative(magnitudes),
        )
    )
    energy = energy + _TINY
    fractions, magnitude_fractions = (
        np.clip(part / energy, 0.0, 1.0) for part in (explained, explained_magnitude)
    )
    audible = energy > _INAUDIBLE * energy.sum()
    weights = np.sqrt(energy)
    return {
        "equaliser": float(np.average(fractions, weights=weights)),
        "equaliser_energy": float(np.average(fractions, weights=energy)),
        "equaliser_bands": float(fractions[audible].mean()),
        "equaliser_magnitude": float(np.average(magnitude_fractions, weights=weights)),
    }


def third_octaves(num_bins: int) -> np.ndarray:
    """First bins of bands a third of an octave wide, but at least 3 bins, and `num_bins`.

    The first band starts at bin 1: the bin at 0 Hz is left out.
    """
    edges = [1]
    while edges[-1] < num_bins:
        edges.append(max(edges[-1] + 3, round(edges[-1] * 2 ** (1 / 3))))
    if len(edges) > 2 and edges[-1] > num_bins:
        edges.pop()  # The last band takes the rest.
        edges[-1] = num_bins
    return np.array(edges)


class InnerProducts(NamedTuple):
    """Inner products of output (o), content (c) and style (s) over groups of bins, `[groups]`."""

    oo: np.ndarray
    cc: np.ndarray
    ss: np.ndarray
    cs: np.ndarray
    co: np.ndarray
    so: np.ndarray


def inner_products(
    output: np.ndarray, content: np.ndarray, style: np.ndarray, starts: np.ndarray
) -> InnerProducts:
    """Inner products of spectra `[bins, frames]`, the first of the two conjugated.

    Args:
      output: real or complex.
      content: the same.
      style: the same.
      starts: first bin of each group, `[groups]`. A group ends where the next one starts.
    """

    def inner(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        by_bin = (one.conj() * other).sum(axis=1, dtype=np.result_type(one, np.float64))
        return np.add.reduceat(by_bin, starts)

    return InnerProducts(
        *(np.real(inner(part, part)) for part in (output, content, style)),
        cs=inner(content, style),
        co=inner(content, output),
        so=inner(style, output),
    )


def explained_energy(products: InnerProducts) -> np.ndarray:
    """Energy of the output that complex multiples of content and style explain, `[groups]`.

    The multiples are those of least squares, by Cramer's rule.
    """
    oo, cc, ss, cs, co, so = products
    determinant = cc * ss - np.abs(cs) ** 2
    of_both = np.real(co.conj() * (ss * co - cs * so) + so.conj() * (cc * so - cs.conj() * co))
    alone = _explained_by_one(cc, ss, np.abs(co), np.abs(so))
    independent = determinant > 1e-6 * cc * ss  # Else one is a multiple of the other.
    both = of_both / np.where(independent, determinant, 1.0)
    return np.minimum(np.where(independent, both, alone), oo)


def explained_energy_not_negative(products: InnerProducts) -> np.ndarray:
    """As `explained_energy`, with real multiples that are not negative, of real products."""
    _, cc, ss, cs, co, so = products
    independent = cc * ss - cs**2 > 1e-6 * cc * ss
    inside = independent & (ss * co >= cs * so) & (cc * so >= cs * co)
    alone = _explained_by_one(cc, ss, np.maximum(co, 0), np.maximum(so, 0))
    return np.where(inside, explained_energy(products), alone)


def _explained_by_one(cc: np.ndarray, ss: np.ndarray, co: np.ndarray, so: np.ndarray) -> np.ndarray:
    """Energy that a multiple of either content or style explains, the larger of the two."""
    return np.maximum(co**2 / np.maximum(cc, _TINY), so**2 / np.maximum(ss, _TINY))
