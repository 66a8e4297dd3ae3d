"""The residual network on GTZAN's pictures of spectrograms, `images_original/<genre>/*.png`.

    python run_train.py --config=configs/pictures.py --config.data.root=gtzan

A picture is a spectrogram of 334 frames by 128 mel bands, 30 s. `config.model` takes any network.

Trained on 442 pictures of the fault-filtered split and tested on its 197 validation tracks, 5
seeds: 67.4 % by track (95 % interval 61 to 74 %), and 70.1 % (63 to 76 %) together. Architecture
and recipe were chosen on these tracks.
"""

from ml_collections import ConfigDict

from configs import residual, single_channel, training


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return training.choose(PRESETS, preset)


def default() -> ConfigDict:
    """The residual network as it is trained on audio."""
    config = residual.default()
    config.spectrogram = ConfigDict({"name": "picture"})
    return config


def plain() -> ConfigDict:
    """The single-channel network on segments of 5 s, 56 frames each, nothing varied."""
    config = training.base()
    config.spectrogram = ConfigDict({"name": "picture"})
    config.model = single_channel.text().model
    return config


PRESETS = {"default": default, "plain": plain}
