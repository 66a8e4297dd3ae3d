"""Fractions that fixed equalisers explain, against solvers and by hand."""

import numpy as np
import pytest
from scipy import optimize

from research.judge.equaliser import (
    explained_energy,
    explained_energy_not_negative,
    explained_fractions,
    inner_products,
    third_octaves,
)


def spectrogram(seed, bins=1025, frames=40):
    draw = np.random.default_rng(seed).standard_normal((2, bins, frames))
    return draw[0] + 1j * draw[1]


def test_any_gains_of_two_parts_explain_all():
    content, style = spectrogram(0), spectrogram(1)
    fractions = explained_fractions((2 - 1j) * content - 0.5j * style, content, style)
    for name in ("equaliser", "equaliser_energy", "equaliser_bands"):
        assert fractions[name] == pytest.approx(1.0, abs=1e-5)
    loud = np.zeros((1025, 1))
    loud[1:4] = 100.0  # All energy where nothing is explained: one of the third octaves.
    fractions = explained_fractions(content + loud * spectrogram(2), content, style)
    bands = len(third_octaves(1025)) - 1
    assert fractions["equaliser_energy"] < 0.05
    assert fractions["equaliser_bands"] == pytest.approx(1 - 1 / bands, abs=0.01)
    amplitudes = np.sqrt(np.diff(third_octaves(1025)) * 1.0)
    amplitudes[0] *= np.sqrt(1e4 + 1)
    assert fractions["equaliser"] == pytest.approx(1 - amplitudes[0] / amplitudes.sum(), abs=0.02)


def test_explained_energy_against_solvers():
    draw = np.random.default_rng(4)
    real = draw.standard_normal((2, 3, 40, 30))
    output, content, style = real[0] + 1j * real[1]
    style[10] = 2 * content[10]
    style[11] = 0
    each = np.arange(40)
    found = explained_energy(inner_products(output, content, style, each))
    # Of signed values, so that gains at their bound of zero come up too.
    bounded = explained_energy_not_negative(
        inner_products(output.real, content.real, style.real, each)
    )
    at_bound = 0
    for case in each:
        o, matrix = output[case], np.stack([content[case], style[case]], axis=1)
        best = np.linalg.lstsq(matrix, o, rcond=None)[0]
        assert found[case] == pytest.approx(np.linalg.norm(matrix @ best) ** 2)
        gains, distance = optimize.nnls(matrix.real, o.real)
        assert bounded[case] == pytest.approx(o.real @ o.real - distance**2, abs=1e-9)
        at_bound += 0 in gains
    assert 10 <= at_bound <= 35


def test_delay_of_a_millisecond_is_an_equaliser():
    content, style = spectrogram(0), spectrogram(1)
    turned = np.exp(-2j * np.pi * np.arange(1025) * 22 / 2048)[:, None] * content
    assert explained_fractions(turned, content, style)["equaliser_bands"] > 0.98


def test_inner_products_are_sums_over_groups_of_bins():
    content, style = spectrogram(0), spectrogram(1)
    sums = inner_products(content, style, content, np.array([0, 10, 1000]))
    assert sums.oo[1] == pytest.approx(np.sum(np.abs(content[10:1000]) ** 2))
    assert sums.co[2] == pytest.approx(np.vdot(style[1000:], content[1000:]))


@pytest.mark.parametrize("num_bins", [1025, 513, 5])
def test_third_octaves(num_bins):
    edges = third_octaves(num_bins)
    assert edges[0] == 1 and edges[-1] == num_bins
    assert np.all(np.diff(edges) >= 3)
    wide = edges[:-2][np.diff(edges)[:-1] > 3]
    ratios = np.log2([edges[list(edges).index(e) + 1] / e for e in wide])
    np.testing.assert_allclose(ratios, 1 / 3, atol=0.06)
