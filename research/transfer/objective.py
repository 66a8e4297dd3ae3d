"""What is asked of the output: a content term and a style term, each unweighted and pure.

Features are `{layer: [channels, frames, filters]}`. A term adds over layers; its `scale` is what
makes it dimensionless, and weights enter once, in `Objective`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from research.audio.stft import StftConfig
from research.transfer.features import Kernel, random_features
from research.transfer.variable import to_log_magnitude

Features = dict[str, jax.Array]

SCALES = ("relative", "sum", "mean")
GRAM_DIVISORS = ("frames", "frames_filters", "input_frames")


def content_term(features: Features, target: Features, scale: Features) -> jax.Array:
    """Squared error of features, `sum_l ||F_l - C_l||^2 / scale_l`."""
    errors = {name: jnp.sum(jnp.square(features[name] - target[name])) for name in features}
    return sum(errors[name] / scale[name] for name in errors)


def style_term(features: Features, target: dict[str, "StyleTarget"], scale: Features) -> jax.Array:
    """Squared error of Gram matrices, `sum_l ||G(F_l) - G(S_l)||^2 / scale_l` (Gatys et al. 2016).

    `G(F) = F^T F / d`; both sides come with their frames already divided by `sqrt(d)`.
    """
    errors = {name: gram_distance(features[name], target[name]) for name in features}
    return sum(errors[name] / scale[name] for name in errors)


def gram(features: jax.Array) -> jax.Array:
    """`F^T F` of each channel, `[channels, frames, filters]` to `[channels, filters, filters]`."""
    return jnp.einsum("ctf,ctg->cfg", features, features)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StyleTarget:
    """A Gram matrix, or the frames it comes from: whichever makes `gram_distance` cheaper.

    Attributes:
      gram: `[channels, filters, filters]` or None.
      frames: `[channels, frames, filters]` or None.
      squared_norms: row sums of `(F F^T)^2` of `frames`, `[channels, frames]`, or None.
    """

    gram: jax.Array | None
    frames: jax.Array | None
    squared_norms: jax.Array | None


def style_target(features: jax.Array, num_frames: int) -> StyleTarget:
    """The target that features `[channels, num_frames, filters]` will be compared with."""
    if num_frames + features.shape[1] < features.shape[2]:
        return StyleTarget(None, features, jnp.square(_products(features, features)).sum(axis=2))
    return StyleTarget(gram(features), None, None)


def _products(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.einsum("ctf,csf->cts", left, right)


def gram_distance(features: jax.Array, target: StyleTarget) -> jax.Array:
    """`||X^T X - S^T S||^2`, over all channels.

    With fewer frames than filters it is cheaper as `||X X^T||^2 - 2 ||X S^T||^2 + ||S S^T||^2`.
    """
    if target.gram is not None:
        return jnp.sum(jnp.square(gram(features) - target.gram))
    own = jnp.square(_products(features, features)).sum(axis=2)
    shared = jnp.square(_products(features, target.frames))
    # The difference is small beside the norms: taken frame by frame, it keeps its digits.
    return jnp.sum(own - shared.sum(axis=2)) + jnp.sum(target.squared_norms - shared.sum(axis=1))


def gram_divisor(kind: str, features: jax.Array, num_frames: int) -> float:
    """`d` in `G(F) = F^T F / d`, for `[channels, feature_frames, filters]`.

    "frames" counts feature frames, "input_frames" those of the spectrogram, "frames_filters"
    multiplies feature frames by filters.
    """
    divisors = {
        "frames": features.shape[1],
        "input_frames": num_frames,
        "frames_filters": features.shape[1] * features.shape[2],
    }
    return float(divisors[kind])


def unrelated_distance(content: jax.Array, style: jax.Array) -> jax.Array:
    """Squared error between features that have nothing to do with each other in time.

    `T_c E ||c - s||^2` over all pairs of a content and a style frame, which for channels of mean
    `m` and variance `v` is `T_c sum (v_c + v_s + (m_c - m_s)^2)`.
    """
    means = jnp.square(content.mean(axis=1) - style.mean(axis=1))
    return content.shape[1] * jnp.sum(content.var(axis=1) + style.var(axis=1) + means)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Targets:
    """Everything an objective compares with; traced, never compiled in.

    Attributes:
      kernels: of `transform_filters`.
      content: features of the content.
      content_scale: divisor of the content term, a scalar a layer.
      style: targets of the style.
      style_scale: divisor of the style term, a scalar a layer.
    """

    kernels: dict[str, Kernel]
    content: Features
    content_scale: Features
    style: dict[str, StyleTarget]
    style_scale: Features


@dataclasses.dataclass(frozen=True)
class Objective:
    """The loss of a variable; hashable, so that it can be a static argument of a jitted function.

    Attributes:
      variable: a name in `variable.VARIABLES`.
      stft: the STFT of the spectrogram.
      nonlinearity: of the random filters.
      scale: "relative" divides each term by its value between the untouched content and style, so
        that 0 is "the same" and 1 "as far as the other piece", whatever the length and the number
        of filters; "sum" divides by nothing; "mean" by the number of squared errors.
      gram_divisor: a name in `GRAM_DIVISORS`.
    """

    variable: str = "waveform"
    stft: StftConfig = StftConfig()
    nonlinearity: str = "relu"
    scale: str = "relative"
    gram_divisor: str = "frames"

    def features(self, kernels: dict[str, Kernel], variable: jax.Array) -> Features:
        """Features of a variable."""
        spectrogram = to_log_magnitude(self.variable, variable, self.stft)
        return random_features(kernels, spectrogram, self.nonlinearity)

    def _for_gram(self, features: Features, variable: jax.Array) -> Features:
        """Features divided by the square root of their Gram matrix's divisor."""
        num_frames = variable.shape[1]
        if self.variable == "waveform":
            num_frames = self.stft.num_frames(num_frames)
        return {
            name: values / gram_divisor(self.gram_divisor, values, num_frames) ** 0.5
            for name, values in features.items()
        }

    def terms(self, variable: jax.Array, targets: Targets) -> dict[str, jax.Array]:
        """Unweighted `{"content": ..., "style": ...}`."""
        features = self.features(targets.kernels, variable)
        scaled = self._for_gram(features, variable)
        return {
            "content": content_term(features, targets.content, targets.content_scale),
            "style": style_term(scaled, targets.style, targets.style_scale),
        }

    def __call__(
        self, variable: jax.Array, targets: Targets, weights: dict[str, jax.Array]
    ) -> jax.Array:
        """`sum over terms of weight * term`."""
        terms = self.terms(variable, targets)
        return sum(weights[name] * terms[name] for name in terms)

    def targets(self, kernels: dict[str, Kernel], content: jax.Array, style: jax.Array) -> Targets:
        """Targets of a content and a style, both given as variables of this objective."""
        content_features = self.features(kernels, content)
        style_features = self.features(kernels, style)
        content_gram = self._for_gram(content_features, content)
        style_gram = self._for_gram(style_features, style)
        content_scale, style_scale, style_targets = {}, {}, {}
        for name, features in content_features.items():
            style_targets[name] = style_target(style_gram[name], features.shape[1])
            layers = len(content_features)
            if self.scale == "relative":
                # Equal pieces have no distance; a millionth of their energy stands in for it.
                distance = unrelated_distance(features, style_features[name])
                least = 1e-6 * jnp.sum(jnp.square(features))
                content_scale[name] = layers * jnp.maximum(distance, least)
                distance = gram_distance(content_gram[name], style_targets[name])
                own = _products(content_gram[name], content_gram[name])
                least = 1e-6 * jnp.sum(jnp.square(own))
                style_scale[name] = layers * jnp.maximum(distance, least)
            elif self.scale == "mean":
                channels, _, filters = features.shape
                content_scale[name] = jnp.float32(layers * features.size)
                style_scale[name] = jnp.float32(layers * channels * filters**2)
            else:
                content_scale[name] = style_scale[name] = jnp.float32(1.0)
        return Targets(kernels, content_features, content_scale, style_targets, style_scale)
