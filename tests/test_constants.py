"""Constants: made for the terms that have a weight, and no others."""

import jax
import numpy as np
import pytest

from research.audio.stft import StftConfig
from research.transfer.config import ContentWeights, StyleWeights, TransferConfig
from research.transfer.constants import make_constants
from research.transfer.random_filters import FilterConfig
from research.transfer.representations import NUM_MELS


def test_terms_with_a_weight_have_their_constants():
    config = TransferConfig(
        content=ContentWeights.only(onset=1.0), style=StyleWeights.only(patches=1.0)
    )
    constants = make_constants(config, 22050)
    assert constants.terms.keys() == {"onset", "patches"}
    assert constants.terms["onset"] is None
    assert constants.terms["patches"].shape == (8 * NUM_MELS, 128)
    assert constants.filters == {} and constants.classifier is None and constants.basis is None


def test_random_filters_are_made_if_a_term_reads_features():
    config = TransferConfig(
        style=StyleWeights.only(feature_levels=1.0),
        features=FilterConfig(widths=(2, 11), num_filters=6),
    )
    constants = make_constants(config, 22050)
    assert constants.filters.keys() == {"width_2", "width_11"}
    shapes = jax.tree.map(np.shape, constants.terms["feature_levels"])
    assert shapes == {"width_2": (6, 128), "width_11": (6, 128)}


@pytest.mark.parametrize(
    ("output_rate", "max_hz", "highest"), [(44100, 5000.0, 5000.0), (8000, 5000.0, 3600.0)]
)
def test_filters_reach_up_to_what_the_output_file_can_hold(output_rate, max_hz, highest):
    config = TransferConfig(
        stft=StftConfig(n_fft=512, hop_length=128),
        style=StyleWeights.only(gram=1.0),
        features=FilterConfig(widths=(2,), num_filters=6, max_hz=max_hz),
    )
    num_bins = make_constants(config, output_rate).filters["width_2"].shape[1]
    frequencies = np.arange(num_bins + 1) * 22050 / 512
    assert frequencies[-2] <= highest < frequencies[-1]
