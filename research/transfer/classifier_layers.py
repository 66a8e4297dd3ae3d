"""A trained genre classifier as what a transfer looks through: the activations of its layers.

Spectrograms come in the classifier's own front end, `Eye.spectrogram`, at the level they have:
`research.data.front_ends.stft` normalises nothing, so a classifier knows the levels of its tracks.
It was trained on the mean of the channels; here it sees each channel for itself.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from research.data.front_ends.stft import SpectrogramConfig
from research.data.segments import SegmentConfig, place_segments
from research.errors import InputError, about
from research.models import network as classifier
from research.training.run import load_checkpoint, restore


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Eye:
    """A classifier, what it sees, and which of its layers are looked at.

    Attributes:
      variables: its arrays; traced.
      structure: what they are put into.
      spectrogram: its front end.
      segment_frames: frames that it sees at a time.
      layers: names of the activations that are asked for.
    """

    variables: classifier.Variables
    structure: nnx.GraphDef = dataclasses.field(metadata={"static": True})
    spectrogram: SpectrogramConfig = dataclasses.field(metadata={"static": True})
    segment_frames: int = dataclasses.field(metadata={"static": True})
    layers: tuple[str, ...] = dataclasses.field(metadata={"static": True})


def load_eye(checkpoint: str, layers: tuple[str, ...]) -> Eye:
    """The first fit of a training, at its best step.

    Args:
      checkpoint: workdir of a `run_train.py` run; the key `config.checkpoint` of a transfer.
      layers: of its activations, at least one; the key `config.layers`.

    Raises:
      InputError: there is no training, it is damaged, it sees no spectrograms, or it has no
        such layer.
    """
    if checkpoint in ("", "shipped"):
        raise InputError(
            "config.layers need config.checkpoint, the --workdir of a run_train.py run on "
            "configs/single_channel.py or multi_channel.py"
        )
    workdir, config, manifest = load_checkpoint(checkpoint)
    if not isinstance(config.spectrogram, SpectrogramConfig):
        raise InputError(
            f"config.checkpoint {checkpoint} sees log-mel frames, and a transfer looks through "
            "networks of spectrograms; give one of configs/single_channel.py or multi_channel.py"
        )
    with about(f"config.checkpoint {checkpoint}"):
        structure, variables, _ = restore(
            config, workdir, next(iter(manifest["fits"])), len(manifest["genres"])
        )
    # Training spreads them over all devices; a transfer takes one.
    variables = jax.tree.map(jnp.asarray, jax.device_get(variables))
    segment = (1, config.segment_frames, config.spectrogram.stft.num_bins)
    _, known = jax.eval_shape(
        functools.partial(classifier.apply, structure),
        variables,
        jax.ShapeDtypeStruct(segment, jnp.float32),
    )
    if not layers:
        raise InputError(f"config.layers is empty; give some of {', '.join(known)}")
    for layer in layers:
        if layer not in known:
            raise InputError(
                f"config.layers has {layer!r}, which the classifier in {checkpoint} has not; give "
                f"some of {', '.join(known)}"
            )
    return Eye(variables, structure, config.spectrogram, config.segment_frames, tuple(layers))


def activations(eye: Eye, spectrogram: jax.Array) -> dict[str, jax.Array]:
    """What the layers of a classifier make of a piece, as in use: nothing dropped.

    A piece is cut into as few segments as cover it, evenly placed; they overlap where it is no
    whole number of them, and what lies in two counts twice. A piece shorter than a segment is
    repeated. All segments run as one batch, each with zeros beyond its ends, as in training.

    Args:
      eye: the classifier.
      spectrogram: `log(1 + |STFT|)` by `eye.spectrogram`, `[channels, frames, bins]`.

    Returns:
      `{layer: [channels, positions, dims]}`, segment after segment. A convolution has a position
      for each place, in time or in time and frequency, and its filters as dims; a dense layer has
      a position a segment.

    Raises:
      ValueError: a spectrogram without frames, or of other bins.
    """
    num_channels, num_frames, num_bins = spectrogram.shape
    length = eye.segment_frames
    if num_frames == 0 or num_bins != eye.spectrogram.stft.num_bins:
        raise ValueError(
            f"{num_frames} frames by {num_bins} bins; the classifier sees "
            f"{eye.spectrogram.stft.num_bins} bins"
        )
    if num_frames < length:
        spectrogram = jnp.tile(spectrogram, (1, -(-length // num_frames), 1))[:, :length]
        num_frames = length
    evenly = SegmentConfig(count=-(-num_frames // length))
    starts = place_segments([num_frames], length, evenly, seed=0).start
    batch = spectrogram[:, starts[:, None] + np.arange(length)].reshape(-1, length, num_bins)
    _, found = classifier.apply(eye.structure, eye.variables, batch)
    return {
        layer: found[layer].reshape(num_channels, -1, found[layer].shape[-1])
        for layer in eye.layers
    }
