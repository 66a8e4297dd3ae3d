"""The loss of a transfer: which terms it has, what they are divided by, and what they see with.

Terms come unweighted; weights enter once, in the sum.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from research.audio.stft import StftConfig, log_magnitude
from research.transfer.content import CONTENT_TERMS
from research.transfer.random_filters import Kernel, random_features
from research.transfer.statistics import Projections
from research.transfer.style import cheapest_gram, style_terms
from research.transfer.variable import Basis, to_log_magnitude
from research.transfer.views import Views, hear

SCALES = ("root", "relative", "sum", "mean")
# Under the root: near its minimum a term is quadratic, far from it a distance.
_ROUNDING = 1e-3
# Of its energy: the least that a term between equal pieces is divided by.
_LEAST = 1e-6

# Terms that look at a waveform, through `hear`, and those that look at features.
HEARD_CONTENT = ("harmonic", "chroma", "onset")
HEARD_STYLE = ("bands", "spectrum", "patches", "fast_patches", "correlation")
FEATURE_TERMS = ("features", "gram", "activations", "feature_levels")


class Senses(NamedTuple):
    """Arrays that a piece is looked at through; traced, never compiled in.

    Attributes:
      kernels: random filters, of `transform_filters`; none if empty.
      projections: of `make_projections`, or None where no term has any.
      eye: a classifier, or None.
      basis: of a pca variable, or None.
    """

    kernels: dict[str, Kernel]
    projections: Projections | None
    eye: Any = None
    basis: Basis | None = None


class Style(NamedTuple):
    """All that is known of a style.

    Attributes:
      descriptions: by style term.
      profiles: by content term: how far a piece unrelated to the content would be.
      levels: of `start.level_quantiles`, or None where no start needs them.
    """

    descriptions: dict[str, Any]
    profiles: dict[str, Any]
    levels: jax.Array | None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Targets:
    """Everything an objective compares with.

    Attributes:
      senses: what it looks through.
      content: observations of the content, by term.
      style: descriptions of the style, by term.
      scales: what each term is divided by; of the structure of its distance.
      num_frames: of the content's spectrogram.
    """

    senses: Senses
    content: dict[str, Any]
    style: dict[str, Any]
    scales: dict[str, Any]
    num_frames: int = dataclasses.field(metadata={"static": True})


@dataclasses.dataclass(frozen=True)
class Objective:
    """The loss of a variable; hashable, so that it can be a static argument of a jitted function.

    Attributes:
      variable: a name in `variable.VARIABLES`.
      sample_rate: Hz.
      stft: the STFT of `log(1 + |STFT|)`.
      nonlinearity: of the random filters.
      content: names of content terms, keys of `CONTENT_TERMS`.
      style: names of style terms, keys of `style_terms`.
      scale: "relative" divides a style term by its value between the untouched content and style,
        a content term by that to expect of a piece unrelated to the content, so that 0 is "the
        same" and 1 "as far as another piece", whatever the length and the number of filters; "root"
        takes the root of that, `sqrt(t + 0.001) - sqrt(0.001)`, so that no term is given up for
        another; "sum" divides by nothing; "mean" by the number of squared errors.
      gram_divisor: a name in `style.GRAM_DIVISORS`.
    """

    variable: str = "waveform"
    sample_rate: int = 22050
    stft: StftConfig = StftConfig()
    nonlinearity: str = "relu"
    content: tuple[str, ...] = ("features",)
    style: tuple[str, ...] = ("gram",)
    scale: str = "relative"
    gram_divisor: str = "frames"

    @property
    def hears(self) -> bool:
        """Whether any term looks at a waveform."""
        return bool({*HEARD_CONTENT, *HEARD_STYLE} & {*self.content, *self.style})

    def listen(self, senses: Senses, waveform: jax.Array) -> Views:
        """All that the terms see of a waveform `[channels, samples]`."""
        return self._views(senses, log_magnitude(waveform, self.stft), waveform)

    def look(self, targets: Targets, variable: jax.Array) -> Views:
        """All that the terms see of a variable."""
        if self.variable == "waveform":
            return self.listen(targets.senses, variable)
        seen = to_log_magnitude(
            self.variable,
            variable,
            self.stft,
            basis=targets.senses.basis,
            num_frames=targets.num_frames,
        )
        return self._views(targets.senses, seen, None)

    def _views(self, senses: Senses, seen: jax.Array, waveform: jax.Array | None) -> Views:
        views = Views()
        if self.hears:
            views = hear(waveform, self.sample_rate)
        features = {}
        if senses.kernels:
            features |= random_features(senses.kernels, seen, self.nonlinearity)
        if senses.eye is not None:
            # Restoring a checkpoint needs what a transfer without one does not wait for.
            from research.transfer.classifier_layers import activations

            if waveform is not None:
                seen_by_eye = log_magnitude(waveform, senses.eye.spectrogram.stft)
            else:
                seen_by_eye = seen
            features |= activations(senses.eye, seen_by_eye)
        return views._replace(log_magnitude=seen, features=features)

    @property
    def _style_terms(self) -> dict[str, Any]:
        return {name: style_terms(self.gram_divisor)[name] for name in self.style}

    def describe(self, senses: Senses, waveform: jax.Array, num_frames: int | None = None) -> Style:
        """What is known of a style once it was heard, `[1, samples]`; its start levels aside.

        For a content of `num_frames` frames, Gram matrices may be the frames they come from.
        """
        views = self.listen(senses, waveform)
        descriptions = {}
        for name, term in self._style_terms.items():
            observed = term.observe(views, senses.projections)
            descriptions[name] = term.describe(observed)
            if name == "gram" and num_frames is not None:
                cheapest = functools.partial(cheapest_gram, num_frames=num_frames)
                descriptions[name] = jax.tree.map(cheapest, observed)
        profiles = {
            name: CONTENT_TERMS[name].profile(CONTENT_TERMS[name].observe(views))
            for name in self.content
        }
        return Style(descriptions, profiles, None)

    def targets(
        self, senses: Senses, content: jax.Array, style: Style, amount: jax.Array | None = None
    ) -> Targets:
        """Targets of a content `[channels, samples]` and a style.

        With an `amount` below 1, the style asked for is that share of the way from the content's
        own statistics to the style's.
        """
        views = self.listen(senses, content)
        observed, descriptions, scales = {}, {}, {}
        for name in self.content:
            term = CONTENT_TERMS[name]
            observed[name] = term.observe(views)
            far = term.unrelated(observed[name], style.profiles[name])
            scales[name] = self._scale(far, term.count(observed[name]))
        for name, term in self._style_terms.items():
            own = term.observe(views, senses.projections)
            wanted = style.descriptions[name]
            far = jax.tree.map(
                lambda distance, energy: jnp.maximum(distance, _LEAST * energy),
                term.distance(own, wanted),
                term.energy(wanted),
            )
            scales[name] = self._scale(far, term.count(own))
            if amount is not None:
                wanted = jax.tree.map(
                    lambda ours, theirs: (1 - amount) * ours + amount * theirs,
                    term.describe(own),
                    wanted,
                )
            descriptions[name] = wanted
        return Targets(senses, observed, descriptions, scales, views.log_magnitude.shape[1])

    def _scale(self, far: Any, count: Any) -> Any:
        if self.scale in ("relative", "root"):
            return far
        value = count if self.scale == "mean" else jax.tree.map(lambda _: 1.0, count)
        return jax.tree.map(jnp.float32, value)

    def terms(self, variable: jax.Array, targets: Targets) -> dict[str, jax.Array]:
        """Unweighted terms by name, a mean over layers where there are several."""
        views = self.look(targets, variable)
        distances = {
            name: CONTENT_TERMS[name].distance(
                CONTENT_TERMS[name].observe(views), targets.content[name]
            )
            for name in self.content
        }
        for name, term in self._style_terms.items():
            observed = term.observe(views, targets.senses.projections)
            distances[name] = term.distance(observed, targets.style[name])
        return {
            name: self._term(distance, targets.scales[name]) for name, distance in distances.items()
        }

    def _term(self, distance: Any, scale: Any) -> jax.Array:
        parts = jax.tree.leaves(jax.tree.map(jnp.divide, distance, scale))
        if self.scale == "root":
            parts = [
                jnp.sqrt(jnp.maximum(part, 0.0) + _ROUNDING) - _ROUNDING**0.5 for part in parts
            ]
        total = functools.reduce(jnp.add, parts)
        return total if self.scale == "sum" else total / len(parts)
