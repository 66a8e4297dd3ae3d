"""All terms of the loss, by name; their order is that of the config keys and of the sum."""

from typing import TypeVar

from research.transfer.terms.activations import Activations
from research.transfer.terms.bands import Bands
from research.transfer.terms.base import ContentTerm, StyleTerm, Term
from research.transfer.terms.chroma import Chroma
from research.transfer.terms.correlation import Correlation
from research.transfer.terms.feature_levels import FeatureLevels
from research.transfer.terms.gram import Gram
from research.transfer.terms.harmonic import Harmonic
from research.transfer.terms.onset import Onset
from research.transfer.terms.patches import FastPatches, Patches
from research.transfer.terms.spectrum import Spectrum
from research.transfer.terms.squared_error import Features, Spectrogram

T = TypeVar("T", bound=Term)


def _by_name(*terms: T) -> dict[str, T]:
    return {term.name: term for term in terms}


CONTENT_TERMS: dict[str, ContentTerm] = _by_name(
    Features(),
    Spectrogram(),
    Harmonic(),
    Chroma(),
    Onset(),
)
STYLE_TERMS: dict[str, StyleTerm] = _by_name(
    Gram(),
    Activations(),
    FeatureLevels(),
    Bands(),
    Spectrum(),
    Patches(),
    FastPatches(),
    Correlation(),
)
