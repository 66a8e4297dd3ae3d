"""The multi-channel classifier: 1025 frequency bins as channels, convolution over time.

    python run_train.py --config=configs/multi_channel.py --config.data.root=gtzan

On 60 tracks of GTZAN, six a genre, 5 folds by track (`--config.data.split=kfold`), 3 seeds: 44.4 %
by track (95 % interval 33 to 57 %), 42.3 % by segment. On random segments, which leak, 5 seeds:
48.9 % by segment.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import presets, training
from research.data.segments import SegmentConfig
from research.models.multi_channel import MultiChannelConfig
from research.training.config import TrainConfig

# As jayanthkoushik/multicomp-hackathon (2017) describes it: 32 and 32 filters of width 9.
TEXT = TrainConfig(model=MultiChannelConfig())

# As its best committed network was trained: 32 and 64 filters, dropout, 3 s random crops.
CODE = dataclasses.replace(
    TEXT,
    num_epochs=50,
    segments=SegmentConfig(seconds=3.0, placement="random", count=5),
    model=MultiChannelConfig(num_filters=(32, 64), dropout=0.5),
)

PRESETS = {"text": TEXT, "code": CODE, "smoke": training.smoke(TEXT)}


def get_config(preset: str = "text") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)
