"""The single-channel classifier: a spectrogram of 257 frames by 257 bins as an image.

    python run_train.py --config=configs/single_channel.py --config.data.root=gtzan

On 60 tracks of GTZAN, six a genre, 5 folds by track (`--config.data.split=kfold`), 3 seeds: 61.7 %
by track (95 % interval 49 to 73 %), 55.6 % by segment. On random segments, which leak, 5 seeds:
63.3 % by segment.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import presets, training
from research.audio.stft import StftConfig
from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig
from research.models.single_channel import SingleChannelConfig
from research.training.config import TrainConfig

# As jayanthkoushik/multicomp-hackathon (2017) describes it: 5 s segments, which a hop of 430
# samples makes 257 frames.
TEXT = TrainConfig(
    spectrogram=SpectrogramConfig(stft=StftConfig(n_fft=512, hop_length=430)),
    model=SingleChannelConfig(),
)

# As its code has it: 3 s random crops, which a hop of 258 samples makes 257 frames; tanh.
CODE = dataclasses.replace(
    TEXT,
    num_epochs=50,
    spectrogram=SpectrogramConfig(stft=StftConfig(n_fft=512, hop_length=258)),
    segments=SegmentConfig(seconds=3.0, placement="random", count=5),
    model=SingleChannelConfig(nonlinearity="tanh"),
)

PRESETS = {"text": TEXT, "code": CODE, "smoke": training.smoke(TEXT)}


def get_config(preset: str = "text") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)
