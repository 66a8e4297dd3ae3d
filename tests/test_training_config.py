"""The configs of the classifiers: what their presets mean, and what they refuse."""

import pytest

from configs import descriptors, multi_channel, pictures, residual, single_channel
from research.errors import InputError
from research.models.network import Network
from research.settings import freeze
from research.training.config import TrainConfig

MODULES = multi_channel, single_channel, residual, descriptors, pictures
PRESETS = [(module, preset) for module in MODULES for preset in module.PRESETS]


@pytest.mark.parametrize(("module", "preset"), PRESETS)
def test_every_preset_builds_its_network(module, preset):
    config = freeze(TrainConfig, module.get_config(preset))
    shape = config.segment_frames, config.spectrogram.num_bins
    assert Network.shapes(config.model, shape, num_classes=10).num_parameters > 0


@pytest.mark.parametrize("preset", ["text", "code"])
def test_segments_of_single_channel_are_257_by_257(preset):
    config = freeze(TrainConfig, single_channel.get_config(preset))
    assert (config.segment_frames, config.spectrogram.stft.num_bins) == (257, 257)


def test_the_faithful_presets_augment_nothing():
    for module in (multi_channel, single_channel):
        for preset in ("text", "code"):
            config = freeze(TrainConfig, module.get_config(preset))
            assert config.augment == type(config.augment)()
            assert config.batch_size == 32
            assert config.data.root is None
            assert config.data.test_share == 0.2
        assert freeze(TrainConfig, module.get_config()).num_epochs == 10


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.split": "tracks"}, ["config.data.split", "kfold"]),
        (
            {"spectrogram.name": "cqt"},
            ["spectrogram.name", "stft, mel, picture, descriptors"],
        ),
        ({"model.name": "resnet"}, ["config.model.name", "multi_channel", "residual"]),
        # The other keys are those of `stft`.
        (
            {"spectrogram.name": "mel"},
            ["spectrogram.sample_rate is unknown where config.spectrogram.name is mel; known"],
        ),
        ({"warmup_epochs": 11}, ["warmup_epochs", "num_epochs, 10"]),
        ({"averaging": 1.0}, ["config.averaging", "below 1"]),
        ({"schedule": "linear"}, ["config.schedule", "constant, cosine"]),
        ({"segments.overlap": 0.5, "data.split": "segment"}, ["segments.overlap", "segment"]),
        ({"augment.shift": 3}, ["augment.shift", "stft"]),
        ({"model.dropout": 1.0}, ["config.model.dropout", "below 1"]),
        ({"model.num_filters": ()}, ["config.model.num_filters"]),
        ({"augment.crop": True, "data.split": "segment"}, ["augment.crop", "segment"]),
        ({"segments.seconds": -1.0}, ["config.segments.seconds"]),
        ({"data.num_folds": 1}, ["config.data.num_folds"]),
        ({"data.validation_share": 1.0}, ["config.data.validation_share", "below 1"]),
        ({"learning_rate": 0.0}, ["config.learning_rate"]),
        ({"seeds": 0}, ["config.seeds"]),
        ({"model.num_filters": (3.5,)}, ["config.model.num_filters", "whole"]),
        ({"model.num_filters": ("a",)}, ["config.model.num_filters", "number"]),
        ({"batch_size": 10**6}, ["config.batch_size is 1000000", "at most 65536"]),
        ({"spectrogram.sample_rate": 10**9}, ["sample_rate", "at least 1000 and at most 384000"]),
        ({"spectrogram.stft.n_fft": 10**6}, ["config.spectrogram.stft.n_fft", "at most 131072"]),
        ({"segments.count": 10**7}, ["config.segments.count", "at most 100000"]),
        ({"seed": 10**20}, ["config.seed", "whole"]),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(changes, words):
    config = multi_channel.get_config()
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = config
        for section in sections:
            place = place[section]
        place[name] = value
    with pytest.raises(InputError) as error:
        freeze(TrainConfig, config)
    assert all(word in str(error.value) for word in words)


def test_segments_too_short_for_the_network_are_refused():
    config = multi_channel.get_config()
    config.segments.seconds = 0.05
    frozen = freeze(TrainConfig, config)
    shape = frozen.segment_frames, frozen.spectrogram.stft.num_bins
    with pytest.raises(InputError, match=r"too short .* config\.segments\.seconds"):
        Network.init(frozen.model, shape, num_classes=10, seed=0)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match="'txet'; known presets: text, code, smoke"):
        multi_channel.get_config("txet")
