"""The residual network on log-mel spectrograms of audio, and how it is trained on few tracks.

    python run_train.py --config=configs/residual.py --config.data.root=gtzan

`configs/pictures.py` is the same on GTZAN's images, on which the shipped weights were trained.
"""

from ml_collections import ConfigDict

from configs import presets, training
from research.data.front_ends.mel import MelConfig
from research.data.segments import SegmentConfig
from research.models.residual import ResidualConfig
from research.training.augment import AugmentConfig
from research.training.config import TrainConfig

# Random segments of 11.5 s, 128 frames each, six of a track of 30 s; AdamW along a cosine.
DEFAULT = TrainConfig(
    num_epochs=68,
    learning_rate=2e-3,
    schedule="cosine",
    warmup_epochs=1,
    weight_decay=0.1,
    label_smoothing=0.1,
    averaging=0.98,
    spectrogram=MelConfig(),
    segments=SegmentConfig(seconds=11.5, overlap=0.7),
    augment=AugmentConfig(
        crop=True,
        gain_db=6.0,
        equaliser_db=4.0,
        shift=3,
        time_mask=24,
        frequency_mask=16,
        mixup=0.3,
    ),
    model=ResidualConfig(centre=True, discriminant=0.5),
)

PRESETS = {
    "default": DEFAULT,
    # A segment of 1.5 s is the least that three poolings leave something of.
    "smoke": training.smoke(DEFAULT, seconds=1.5),
}


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)
