"""A perceptron on GTZAN's 57 descriptors, of whole tracks or of slices of 3 s.

    python run_train.py --config=configs/descriptors.py --config.data.root=features_30_sec.csv

A row of the table is a segment; the slices of a track stay together in every split but `segment`.

On 640 tracks of GTZAN, 30 s rows, 5 seeds: 5 folds by track (`--config.data.split=kfold`) 74.7 %
(95 % interval 71.2 to 77.9 %). Trained on the 443 tracks of the fault-filtered split and tested on
its 197 validation tracks: 43.7 % (36.9 to 50.6 %).

On 3 s rows of 60 tracks, six a genre, 3 seeds: 5 folds by track 75.6 % by track (63 to 85 %), and
68.6 % by row. On random rows (`--config.data.split=segment`), which leak: 94.7 % by row.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import presets
from research.data.front_ends.descriptors import DescriptorConfig
from research.models.mlp import MlpConfig
from research.training.config import TrainConfig

# The smallest network of lorenzopalaia/Progetto-Lab-IA: 256, 128 and 64 units.
DEFAULT = TrainConfig(
    num_epochs=50,
    spectrogram=DescriptorConfig(),
    model=MlpConfig(widths=(256, 128, 64), dropout=0.3),
)

# Its largest.
LARGE = dataclasses.replace(DEFAULT, model=MlpConfig(widths=(1024, 512, 256, 128, 64), dropout=0.3))

PRESETS = {"default": DEFAULT, "large": LARGE}


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)
