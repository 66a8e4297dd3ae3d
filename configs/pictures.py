"""The residual network on GTZAN's pictures of spectrograms, `images_original/<genre>/*.png`.

    python run_train.py --config=configs/pictures.py --config.data.root=gtzan

A picture is a spectrogram of 334 frames by 128 mel bands, 30 s. `config.model` takes any network.
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
