"""The config of a training: its keys, their defaults and what they mean."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from research.data import splits
from research.data.front_ends.base import FrontEnd
from research.data.front_ends.registry import FRONT_ENDS
from research.data.front_ends.stft import SpectrogramConfig
from research.data.pca import PcaConfig
from research.data.segments import SegmentConfig
from research.data.splits import SplitConfig
from research.data.synthetic import SyntheticConfig
from research.errors import InputError
from research.models.base import NetworkConfig
from research.models.multi_channel import MultiChannelConfig
from research.models.registry import NETWORKS
from research.settings import above, at_least, between, fraction, member_of, one_of, path, unbound
from research.training.augment import AugmentConfig
from research.training.optimiser import OPTIMISERS, SCHEDULES


@dataclasses.dataclass(frozen=True)
class DataConfig(SplitConfig):
    """Which tracks there are, and how they are split.

    Attributes:
      root: folder with one folder of audio or images a genre, or a table of descriptors; None for
        the synthetic set, which is audio.
      synthetic: the synthetic set.
      max_bad_share: largest fraction of the files that may be undecodable.
      cache: folder of the spectrograms; None for the user's cache folder.
    """

    root: str | None = path(binds=False)
    synthetic: SyntheticConfig = SyntheticConfig()
    max_bad_share: float = fraction(0.2)
    cache: str | None = path(binds=False)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Every choice of a training that its result depends on, and a few that it does not.

    Attributes:
      seed: of all random choices: split, weights, order, dropout and augmentation.
      seeds: number of seeds, from `seed` on, that the experiment is repeated with.
      num_epochs: how often each segment is trained on.
      batch_size: segments in a step.
      optimiser: one of `OPTIMISERS`, all with decoupled weight decay: `adamw`, or `sgd` with
        Nesterov momentum of 0.9.
      learning_rate: the maximum.
      schedule: the learning rate after warm-up: constant, or half a cosine down to 0.
      warmup_epochs: epochs in which the learning rate rises linearly from 0.
      weight_decay: of arrays of more than one axis, times the learning rate (AdamW, Loshchilov &
        Hutter 2019).
      label_smoothing: probability that the target spreads evenly over all classes.
      averaging: decay of the exponential moving average of the weights, which is used in place of
        the weights of the last step; 0 for no average.
      tensorboard: True to write metrics for TensorBoard, too.
      data: the tracks and their split.
      spectrogram: the front end.
      segments: how tracks are cut into segments.
      augment: how training segments are varied.
      model: the network.
      pca: the principal components of `--mode=pca`; not used in training.
      checkpoint: workdir of the networks for modes that do not train, or `shipped`. Empty for those
        of `--workdir`; if it has none, the shipped ones.

    Raises:
      ValueError: values of several keys do not fit each other.
    """

    seed: int = at_least(0, 0)
    seeds: int = at_least(1, 1)
    num_epochs: int = at_least(10, 1)
    batch_size: int = between(32, 1, 65536)
    optimiser: str = one_of("adamw", OPTIMISERS)
    learning_rate: float = above(1e-3, 0)
    schedule: str = one_of("constant", SCHEDULES)
    warmup_epochs: int = at_least(0, 0)
    weight_decay: float = at_least(0.0, 0)
    label_smoothing: float = fraction(0.0)
    averaging: float = fraction(0.0)
    tensorboard: bool = unbound(False)
    data: DataConfig = DataConfig()
    spectrogram: FrontEnd = member_of(SpectrogramConfig(), FRONT_ENDS)
    segments: SegmentConfig = SegmentConfig()
    augment: AugmentConfig = AugmentConfig()
    model: NetworkConfig = member_of(MultiChannelConfig(), NETWORKS)
    pca: PcaConfig = unbound(PcaConfig())
    checkpoint: str = unbound("")

    def __post_init__(self):
        if self.augment.crop and self.data.leaks:
            raise ValueError(
                "augment.crop would train on the test segments themselves when data.split is "
                "segment; turn one of them off"
            )
        if self.segments.overlap and self.data.leaks:
            raise ValueError(
                "segments.overlap would train on frames of the test segments when data.split is "
                "segment; turn one of them off"
            )
        if self.spectrogram.num_frames(self.segments.seconds) < 1:
            raise ValueError("segments.seconds is less than one frame of a spectrogram")
        if self.warmup_epochs > self.num_epochs:
            raise ValueError(f"warmup_epochs is more than num_epochs, {self.num_epochs}")
        front_end = self.spectrogram
        for field in dataclasses.fields(self.augment):
            if getattr(self.augment, field.name) and field.name not in front_end.augmentations:
                raise ValueError(
                    f"augment.{field.name} does not apply where spectrogram.name is "
                    f"{front_end.name}; {' and '.join(front_end.augmentations)} do"
                )

    @property
    def segment_frames(self) -> int:
        """Number of frames of a segment."""
        return self.spectrogram.num_frames(self.segments.seconds)


def check_applies(config: TrainConfig, changes: Mapping[str, Any]) -> None:
    """Check that the keys that were given change the training.

    Args:
      config: of the training.
      changes: what was given, by dotted key; it is in the config.

    Raises:
      InputError: one is for another split, or for another way to cut tracks.
    """
    splits.check_applies(config.data, changes)
    if changes.get("segments.overlap") and config.segments.count:
        raise InputError(
            "config.segments.overlap does not apply where config.segments.count is "
            f"{config.segments.count}; give config.segments.count=0, or leave it out"
        )
