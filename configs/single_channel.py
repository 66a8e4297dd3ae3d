"""The single-channel classifier: a spectrogram of 257 frames by 257 bins as a picture.

    python run_train.py --config=configs/single_channel.py --config.data.root=gtzan

On 60 tracks of GTZAN, six a genre, 5 folds by track (`--config.data.split=kfold`), 3 seeds: 61.7 %
by track (95 % interval 49 to 73 %), 55.6 % by segment. On random segments, which leak, 5 seeds:
63.3 % by segment.
"""

from ml_collections import ConfigDict

from configs import training


def get_config(preset: str = "text") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return training.choose(PRESETS, preset)


def text() -> ConfigDict:
    """As jayanthkoushik/multicomp-hackathon (2017) describes it, 5 s segments.

    A hop of 430 samples makes them 257 frames.
    """
    config = training.base()
    config.spectrogram.stft.n_fft = 512
    config.spectrogram.stft.hop_length = 430
    config.model = ConfigDict(
        {
            "name": "single_channel",
            "num_filters": (16, 16),
            "width": 5,
            "num_features": 100,
            "nonlinearity": "relu",
            "dropout": 0.5,
            "batch_norm": False,
        }
    )
    return config


def code() -> ConfigDict:
    """As its code has it: 3 s random crops, which a hop of 258 samples makes 257 frames; tanh."""
    config = text()
    config.num_epochs = 50
    config.spectrogram.stft.hop_length = 258
    config.model.nonlinearity = "tanh"
    config.segments.update(seconds=3.0, placement="random", count=5)
    return config


PRESETS = {"text": text, "code": code, "smoke": lambda: training.smoke(text())}
