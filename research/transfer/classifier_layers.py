"""Layers of a trained genre classifier as features of a transfer.

The classifier gets spectrograms as in its training, `ClassifierLayers.spectrogram`, and at the
level that they have: it was trained on levels of tracks, since `research.data.front_ends.stft` does
not normalise. It was trained on the mean of all channels; here each channel is an input of its own.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from research.data.front_ends.base import FrontEnd
from research.errors import InputError, about
from research.models.network import Network
from research.training.run import find_audio_run
from research.transfer.frames import Frames


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ClassifierLayers:
    """A classifier, and the layers that are used as features.

    Attributes:
      network: the classifier; its arrays are traced.
      spectrogram: front end of the classifier.
      segment_frames: number of frames of an input segment.
      layers: names of activations of the network.
    """

    network: Network
    spectrogram: FrontEnd = dataclasses.field(metadata={"static": True})
    segment_frames: int = dataclasses.field(metadata={"static": True})
    layers: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    @property
    def feature_dims(self) -> dict[str, int]:
        """Dims of each layer."""
        frames: Any = jax.ShapeDtypeStruct(
            (1, self.segment_frames, self.spectrogram.stft.num_bins), jnp.float32
        )
        shapes = jax.eval_shape(self.activations, Frames(frames, self.segment_frames))
        return {layer: frames.values.shape[-1] for layer, frames in shapes.items()}

    def activations(self, spectrogram: Frames) -> dict[str, Frames]:
        """Outputs of the layers in inference mode, for a spectrogram of any length.

        The spectrogram is cut into the smallest number of segments that covers it, evenly placed.
        If segments overlap, frames in two of them count twice. A spectrogram shorter than a segment
        is repeated. All segments are one batch, each padded by zeros, as in training.

        Args:
          spectrogram: `log(1 + |STFT|)` of `self.spectrogram`, `[channels, frames, bins]`.

        Returns:
          `{layer: [channels, positions, dims]}`, segment after segment. A convolution has a
          position for each place in time, or in time and frequency, and its filters as dims. A
          dense layer has one position a segment.

        Raises:
          ValueError: there are no frames, or another number of bins.
        """
        values, num_frames = spectrogram.values, spectrogram.count
        num_channels, most, num_bins = values.shape
        length = self.segment_frames
        if most == 0 or num_bins != self.spectrogram.stft.num_bins:
            raise ValueError(
                f"{most} frames by {num_bins} bins; the classifier needs "
                f"{self.spectrogram.stft.num_bins} bins"
            )
        segments = -(-most // length)
        count = -(-num_frames // length)
        gaps = jnp.maximum(count - 1, 1)
        last = jnp.maximum(num_frames - length, 0)
        starts = jnp.round(last * jnp.arange(segments) / gaps).astype(int)
        places = (starts[:, None] + jnp.arange(length)) % num_frames
        _, found = self.network(values[:, places].reshape(-1, length, num_bins))
        activations = {}
        for layer in self.layers:
            by_position = found[layer].reshape(num_channels, -1, found[layer].shape[-1])
            per_segment = by_position.shape[1] // segments
            activations[layer] = Frames.of(by_position, count * per_segment)
        return activations


def load_classifier_layers(checkpoint: str, layers: tuple[str, ...]) -> ClassifierLayers:
    """Layers of the first fit of a training, at its best step.

    Args:
      checkpoint: workdir of a `run_train.py` run; the key `config.checkpoint` of a transfer.
      layers: names of activations, at least one; the key `config.layers`.

    Raises:
      InputError: there is no training, it is damaged, its front end is not stft, or it has no
        such layer.
    """
    if checkpoint in ("", "shipped"):
        raise InputError(
            "config.layers need config.checkpoint, the --workdir of a run_train.py run on "
            "configs/single_channel.py or multi_channel.py"
        )
    run = find_audio_run(checkpoint)
    config = run.config
    if not config.spectrogram.invertible:
        raise InputError(
            f"config.checkpoint {checkpoint} has the front end {config.spectrogram.name}, and "
            "config.layers need stft; give a run of configs/single_channel.py or multi_channel.py"
        )
    with about(f"config.checkpoint {checkpoint}"):
        network, _ = run.restore(next(iter(run.fits)))
    # Training spreads variables over all devices; a transfer uses one.
    network = jax.tree.map(jnp.asarray, jax.device_get(network))
    segment = (1, config.segment_frames, config.spectrogram.stft.num_bins)
    _, known = jax.eval_shape(network, jax.ShapeDtypeStruct(segment, jnp.float32))
    if not layers:
        raise InputError(f"config.layers is empty; give some of {', '.join(known)}")
    for layer in layers:
        if layer not in known:
            raise InputError(
                f"config.layers has {layer!r}, which the classifier in {checkpoint} lacks; give "
                f"some of {', '.join(known)}"
            )
    return ClassifierLayers(network, config.spectrogram, config.segment_frames, tuple(layers))
