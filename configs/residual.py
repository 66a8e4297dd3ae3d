"""The residual network on log-mel spectrograms of audio, and how it is trained on few tracks.

    python run_train.py --config=configs/residual.py --config.data.root=gtzan

`configs/pictures.py` is the same on GTZAN's pictures, on which the shipped weights were trained.
"""

from ml_collections import ConfigDict

from configs import training


def get_config(preset: str = "default") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return training.choose(PRESETS, preset)


def default() -> ConfigDict:
    """Random pieces of 11.5 s, 128 frames each, varied in every way; AdamW along a cosine."""
    config = training.base()
    config.num_epochs = 17
    config.learning_rate = 2e-3
    config.schedule = "cosine"
    config.warmup_epochs = 1
    config.weight_decay = 0.1
    config.label_smoothing = 0.1
    config.averaging = 0.98
    config.spectrogram = ConfigDict({"name": "mel"})
    # Six of a track of 30 s.
    config.segments.update(seconds=11.5, overlap=0.7)
    config.augment.update(crop=True, gain_db=6.0, equaliser_db=4.0, shift=3)
    config.augment.update(time_mask=24, frequency_mask=16, mixup=0.3)
    config.model = ConfigDict(
        {
            "name": "residual",
            "stem": 16,
            "widths": (32, 64, 128),
            "hidden": 192,
            "dropout": 0.3,
            "hidden_dropout": 0.5,
        }
    )
    return config


def smoke() -> ConfigDict:
    """Seconds of it; a piece of 1.5 s is the least that three poolings leave something of."""
    config = training.smoke(default())
    config.segments.seconds = 1.5
    return config


PRESETS = {"default": default, "smoke": smoke}
