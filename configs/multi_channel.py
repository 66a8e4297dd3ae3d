"""The multi-channel classifier: 1025 frequency bins as channels, convolution over time.

    python run_train.py --config=configs/multi_channel.py --config.data.root=gtzan

On 60 tracks of GTZAN, six a genre, 5 folds by track (`--config.data.split=kfold`), 3 seeds: 44.4 %
by track (95 % interval 33 to 57 %), 42.3 % by segment. On random segments, which leak, 5 seeds:
48.9 % by segment.
"""

from ml_collections import ConfigDict

from configs import training


def get_config(preset: str = "text") -> ConfigDict:
    """The config of a preset, one of `PRESETS`."""
    return training.choose(PRESETS, preset)


def text() -> ConfigDict:
    """As jayanthkoushik/multicomp-hackathon (2017) describes it: 32 and 32 filters of width 9."""
    config = training.base()
    config.model = ConfigDict(
        {
            "name": "multi_channel",
            "num_filters": (32, 32),
            "width": 9,
            "dropout": 0.0,
            "batch_norm": False,
        }
    )
    return config


def code() -> ConfigDict:
    """As its best committed network was trained: 32 and 64 filters, dropout, 3 s random crops."""
    config = text()
    config.num_epochs = 50
    config.model.num_filters = (32, 64)
    config.model.dropout = 0.5
    config.segments.update(seconds=3.0, placement="random", count=5)
    return config


PRESETS = {"text": text, "code": code, "smoke": lambda: training.smoke(text())}
