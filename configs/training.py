"""What the configs of all classifiers have in common; each of them is a delta of it.

What each key means is written in `research/training/config.py` and the dataclasses it names.
"""

from ml_collections import ConfigDict, config_dict


def base() -> ConfigDict:
    """Adam on cross-entropy, ten epochs of 5 s segments, 80/20 by track, nothing augmented."""
    config = ConfigDict()
    config.seed = 0
    config.seeds = 1
    config.num_epochs = 10
    config.batch_size = 32
    config.learning_rate = 1e-3
    config.schedule = "constant"
    config.warmup_epochs = 0
    config.weight_decay = 0.0
    config.label_smoothing = 0.0
    config.averaging = 0.0
    config.tensorboard = False
    config.data = ConfigDict(
        {
            "root": config_dict.placeholder(str),
            "split": "track",
            "test_share": 0.2,
            "validation_share": 0.0,
            "num_folds": 5,
            "files": {
                "train": config_dict.placeholder(str),
                "validation": config_dict.placeholder(str),
                "test": config_dict.placeholder(str),
            },
            "synthetic": {"tracks_per_genre": 12, "seconds": 6.0, "seed": 0},
            "max_bad_share": 0.2,
            "cache": config_dict.placeholder(str),
        }
    )
    config.spectrogram = ConfigDict(
        {
            "name": "stft",
            "sample_rate": 22050,
            "stft": {
                "n_fft": 2048,
                "hop_length": 512,
                "window": "hann",
                "win_length": 0,
                "center": True,
            },
        }
    )
    config.segments = ConfigDict(
        {"seconds": 5.0, "placement": "regular", "count": 0, "overlap": 0.0}
    )
    config.augment = ConfigDict(
        {
            "crop": False,
            "gain_db": 0.0,
            "equaliser_db": 0.0,
            "shift": 0,
            "time_mask": 0,
            "frequency_mask": 0,
            "mixup": 0.0,
        }
    )
    config.pca = ConfigDict(
        {"explained_variance": 0.95, "max_components": 512, "num_segments": 2000}
    )
    config.checkpoint = ""
    return config


def smoke(config: ConfigDict) -> ConfigDict:
    """A few seconds of the same on a small synthetic set: does it run?"""
    config.num_epochs = 2
    config.data.synthetic = ConfigDict({"tracks_per_genre": 3, "seconds": 2.0, "seed": 0})
    config.data.test_share = 0.34
    config.segments.seconds = 1.0
    return config


def choose(presets: dict, preset: str) -> ConfigDict:
    """The config of a preset.

    Raises:
      ValueError: there is none of this name.
    """
    if preset not in presets:
        raise ValueError(f"unknown preset {preset!r}; known presets: {', '.join(presets)}")
    return presets[preset]()
