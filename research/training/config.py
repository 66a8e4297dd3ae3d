"""The config of a training: what the keys in `configs/training.py` mean."""

import dataclasses

from research.data.front_ends.base import FrontEnd
from research.data.front_ends.registry import FRONT_ENDS
from research.data.front_ends.stft import SpectrogramConfig
from research.data.pca import PcaConfig
from research.data.segments import SegmentConfig
from research.data.splits import SplitConfig
from research.data.synthetic import SyntheticConfig
from research.models.base import NetworkConfig
from research.models.multi_channel import MultiChannelConfig
from research.models.registry import NETWORKS
from research.settings import above, at_least, fraction, member_of, one_of, unbound
from research.training.augment import AugmentConfig
from research.training.optimiser import OPTIMISERS, SCHEDULES


@dataclasses.dataclass(frozen=True)
class DataConfig(SplitConfig):
    """Where tracks come from, and how they are split.

    Attributes:
      root: folder with one folder of audio or pictures a genre, or a table of descriptors; None for
        the synthetic set, which is audio.
      synthetic: the synthetic set.
      max_bad_share: of files that cannot be decoded, before the run stops.
      cache: folder of the spectrograms; None for the user's cache folder.
    """

    root: str | None = unbound(None)
    synthetic: SyntheticConfig = SyntheticConfig()
    max_bad_share: float = fraction(0.2)
    cache: str | None = unbound(None)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Every scientific choice of a training.

    Attributes:
      seed: of everything that is random: split, weights, order, dropout, augmentation.
      seeds: how many seeds, from `seed` on, the experiment is repeated with.
      num_epochs: times that each segment is seen.
      batch_size: segments a step.
      optimiser: Adam, or stochastic gradient descent with Nesterov momentum of 0.9; both with
        decoupled weight decay.
      learning_rate: the maximum.
      schedule: the learning rate after warm-up: constant, or half a cosine down to 0.
      warmup_epochs: epochs in which the learning rate rises linearly from 0.
      weight_decay: of arrays of more than one axis, times the learning rate (AdamW, Loshchilov &
        Hutter 2019).
      label_smoothing: share of the target that is spread over all classes.
      averaging: of the weights that are kept: how much of their moving average a step leaves as it
        is; 0 for the weights of the last step.
      tensorboard: whether metrics are also written for TensorBoard.
      data: the tracks and their split.
      spectrogram: what is seen of a track: of its waveform, of a picture, or a row of a table.
      segments: the pieces of a track.
      augment: how training segments are varied.
      model: the network.
      pca: the principal components of `--mode=pca`; no part of the training.
      checkpoint: workdir whose networks are used where none are trained, or `shipped`; empty for
        those of `--workdir`, and where it has none, those that are shipped.
    """

    seed: int = at_least(0, 0)
    seeds: int = at_least(1, 1)
    num_epochs: int = at_least(10, 1)
    batch_size: int = at_least(32, 1)
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
        seen = self.spectrogram
        for field in dataclasses.fields(self.augment):
            if getattr(self.augment, field.name) and field.name not in seen.augmentations:
                raise ValueError(
                    f"augment.{field.name} means nothing where spectrogram.name is {seen.name}; "
                    f"{' and '.join(seen.augmentations)} do"
                )

    @property
    def segment_frames(self) -> int:
        """Frames of a segment."""
        return self.spectrogram.num_frames(self.segments.seconds)
