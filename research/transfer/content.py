"""What of a content must stay: terms of its notes and rhythm, or of all that is seen of it.

"harmonic", "chroma" and "onset" bind pitch and rhythm and leave timbre free; "features" and
"spectrogram" are the squared errors of the published systems, which hold timbre too.

A term compares what it observes of an output with what it observed of the content, and knows how
far apart the two would be if they had nothing to do with each other, from a profile of the style
that has no time in it: a style may be of any length, and need not be there as audio.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.transfer.views import BINS_PER_OCTAVE, FLOOR, NUM_OCTAVES, Views, smoother

Observation = Any  # A pytree of arrays.


class ContentTerm(NamedTuple):
    """One thing that is asked of an output for the content's sake.

    Distances are scalars, or one a layer of features.

    Attributes:
      observe: what is compared, from what is seen.
      distance: of two observations; zero for equal ones.
      profile: what of a style's observation `unrelated` needs; no time in it.
      unrelated: distance to expect between a content and a piece of that profile.
      count: squared errors that a distance adds up; 1 where it is a mean.
    """

    observe: Callable[[Views], Observation]
    distance: Callable[[Observation, Observation], Observation]
    profile: Callable[[Observation], Observation]
    unrelated: Callable[[Observation, Observation], Observation]
    count: Callable[[Observation], Observation] = lambda observed: 1.0


def by_layer(function: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """A function of arrays as one of dicts of arrays by layer."""

    def over_layers(*layers: dict[str, Any]) -> dict[str, Any]:
        return {name: function(*(layer[name] for layer in layers)) for name in layers[0]}

    return over_layers


def squared_error(observed: jax.Array, target: jax.Array) -> jax.Array:
    """Sum of squares of a difference."""
    return jnp.sum(jnp.square(observed - target))


class Moments(NamedTuple):
    """Mean and variance over time, each `[dims]`."""

    mean: jax.Array
    variance: jax.Array


def moments(observed: jax.Array) -> Moments:
    """Moments over channels and frames of `[channels, frames, dims]`."""
    return Moments(observed.mean(axis=(0, 1)), observed.var(axis=(0, 1)))


def unrelated_squared_error(target: jax.Array, profile: Moments) -> jax.Array:
    """Squared error between frames that have nothing to do with each other in time.

    `E sum ||c - s||^2` over all pairs of a content and a style frame, which for channels of mean
    `m` and variance `v` is `frames sum (v_c + v_s + (m_c - m_s)^2)`; at least a millionth of the
    content's energy, for pieces that are equal.
    """
    means = jnp.square(target.mean(axis=1) - profile.mean)
    distance = target.shape[1] * jnp.sum(target.var(axis=1) + profile.variance + means)
    return jnp.maximum(distance, 1e-6 * jnp.sum(jnp.square(target)))


class Directions(NamedTuple):
    """Unit vectors `[channels, frames, dims]` and what each counts, `[channels, frames]`, sum 1."""

    vectors: jax.Array
    weights: jax.Array


def _directions(vectors: jax.Array, views: Views) -> Directions:
    squared = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    energy = views.tone.sum(axis=-1)
    weights = energy / jnp.maximum(energy.sum(), 1e-9)
    return Directions(vectors * jax.lax.rsqrt(squared + FLOOR), weights)


def cosine_distance(observed: Directions, target: Directions) -> jax.Array:
    """`1 - cos` frame by frame, weighted by the energy of the target's frames."""
    cosine = jnp.sum(observed.vectors * target.vectors, axis=-1)
    return jnp.sum(target.weights * (1 - cosine))


def mean_direction(observed: Directions) -> jax.Array:
    """Mean of the unit vectors by weight, `[dims]`."""
    return jnp.einsum("ct,ctd->d", observed.weights, observed.vectors)


def unrelated_cosine(target: Directions, profile: jax.Array) -> jax.Array:
    """`cosine_distance` to expect from frames drawn at random: `1 - mean . mean`."""
    return jnp.maximum(1 - mean_direction(target) @ profile, 1e-3)


def harmonics(views: Views) -> Directions:
    """Partials without their envelope: log tone minus its Gaussian mean over 8 bins, above -1."""
    log_tone = jnp.log(views.tone + FLOOR)
    fine = log_tone - log_tone @ smoother(views.tone.shape[-1], 8.0)
    return _directions(jnp.maximum(fine, -1.0) + 1.0, views)


# The highest octaves hold overtones, whose pitch class is not that of the note.
_OCTAVE_WEIGHTS = np.array([1.0, 1.0, 1.0, 0.8, 0.5, 0.3, 0.2], np.float32)


def pitch_classes(views: Views) -> Directions:
    """Amplitude of tones folded to twelve pitch classes, of low octaves mostly."""
    amplitude = jnp.sqrt(views.tone + 1e-9)
    *shape, _ = amplitude.shape
    octaves = amplitude.reshape(*shape, NUM_OCTAVES, BINS_PER_OCTAVE)
    folded = jnp.einsum("ctok,o->ctk", octaves, _OCTAVE_WEIGHTS)
    # Each semitone with the thirds of a semitone on either side of it.
    classes = jnp.roll(folded, 1, axis=-1).reshape(*shape, 12, BINS_PER_OCTAVE // 12).sum(axis=-1)
    return _directions(classes, views)


_RISE = 4  # Fast frames, 23 ms.
_SMOOTHING = np.hanning(15)[1:-1].astype(np.float32) / np.hanning(15).sum().astype(np.float32)


def onsets(views: Views) -> jax.Array:
    """Onset envelope: rise of log bands over 23 ms, mean over bands, smoothed by 75 ms.

    Standardised, `[channels, fast_frames - 4]`.
    """
    bands = views.fast_mel
    rise = jnp.maximum(bands[:, _RISE:] - bands[:, :-_RISE], 0.0).mean(axis=-1)
    smooth = jax.vmap(lambda envelope: jnp.convolve(envelope, _SMOOTHING, mode="same"))(rise)
    centred = smooth - smooth.mean(axis=-1, keepdims=True)
    # Not `std() + 1e-4`: a root has no gradient at the zero that silence gives.
    return centred / jnp.sqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + 1e-8)


def mean_squared(observed: jax.Array, target: jax.Array) -> jax.Array:
    """Mean squared error."""
    return jnp.mean(jnp.square(observed - target))


def _spectrogram(views: Views) -> dict[str, jax.Array]:
    return {"spectrogram": views.log_magnitude}


_SQUARED = (
    by_layer(squared_error),
    by_layer(moments),
    by_layer(unrelated_squared_error),
    by_layer(lambda observed: float(observed.size)),
)
_COSINE = (cosine_distance, mean_direction, unrelated_cosine)

CONTENT_TERMS = {
    "features": ContentTerm(lambda views: views.features, *_SQUARED),
    "spectrogram": ContentTerm(_spectrogram, *_SQUARED),
    "harmonic": ContentTerm(harmonics, *_COSINE),
    "chroma": ContentTerm(pitch_classes, *_COSINE),
    # Two standardised envelopes that are not correlated differ by 2 in the mean square.
    "onset": ContentTerm(
        onsets, mean_squared, lambda observed: (), lambda target, profile: jnp.float32(2.0)
    ),
}
