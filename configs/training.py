"""What the configs of classifiers share: each preset is a `TrainConfig` that names its changes.

The keys, their defaults and what they mean are in `research/training/config.py` and the dataclasses
it names.
"""

import dataclasses

from research.data.synthetic import SyntheticConfig
from research.training.config import TrainConfig


def smoke(config: TrainConfig, seconds: float = 1.0) -> TrainConfig:
    """The config for a short training on a small synthetic set, to check that it runs."""
    replace = dataclasses.replace
    synthetic = SyntheticConfig(tracks_per_genre=3, seconds=2.0)
    return replace(
        config,
        num_epochs=2,
        data=replace(config.data, synthetic=synthetic, test_share=0.34),
        segments=replace(config.segments, seconds=seconds),
    )
