"""The residual network on GTZAN's images of spectrograms, `images_original/<genre>/*.png`.

    python run_train.py --config=configs/pictures.py --config.data.root=gtzan

An image is a spectrogram of 334 frames by 128 mel bands, 30 s. `config.model` may be any network.

In five folds of artists of the 639 tracks of the fault-filtered training and validation lists:
69.2 % by track (95 % interval 66 to 73 %), one seed, 34 epochs. The protocol is in
`research/shipped/README.md`.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import presets, residual
from research.data.front_ends.images import ImageConfig
from research.models.single_channel import SingleChannelConfig
from research.training.config import TrainConfig

PRESETS = {
    # The residual network as it is trained on audio.
    "default": dataclasses.replace(residual.DEFAULT, spectrogram=ImageConfig()),
    # The single-channel network on segments of 5 s, 55 frames each, nothing augmented.
    "plain": TrainConfig(spectrogram=ImageConfig(), model=SingleChannelConfig()),
}


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return presets.choose(PRESETS, preset)
