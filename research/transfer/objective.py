"""The loss of a transfer: unweighted terms, and the targets that they are compared with.

Terms are unweighted here. Each weight enters once, in the sum that is minimised.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.audio.padding import first
from research.audio.stft import StftConfig, log_magnitude
from research.transfer.config import TransferConfig
from research.transfer.constants import Constants
from research.transfer.frames import Frames
from research.transfer.reorchestration.orchestra import Orchestra
from research.transfer.representations import Representations, waveform_representations
from research.transfer.scales import SCALES
from research.transfer.terms.base import ContentTerm, Context, StyleTerm, Term, Tree, Values
from research.transfer.terms.registry import CONTENT_TERMS, STYLE_TERMS
from research.transfer.variables.registry import VARIABLES

# Smallest divisor of a style term, as a fraction of its energy, for equal content and style.
_SMALLEST_DISTANCE = 1e-6


class Style(NamedTuple):
    """All that a transfer needs of a style, without time axis.

    The names of the fields and of the terms are those of the arrays in a style file.

    Attributes:
      descriptions: of `StyleTerm.describe`, by style term.
      profiles: of `ContentTerm.profile`, by content term.
      levels: of `level_matching.level_quantiles`, or None if the start does not need them.
      orchestra: of `reorchestration.describe`, or None if the start does not need it.
    """

    descriptions: dict[str, Tree]
    profiles: dict[str, Tree]
    levels: jax.Array | None
    orchestra: Orchestra | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Targets:
    """What a variable is compared with.

    Attributes:
      constants: of the computation.
      content: observations of the content, by content term.
      style: targets of the style terms, by name.
      scales: divisors of the distances, by term, each of the structure of its distance.
      num_samples: of the content, without padding.
      num_frames: number of STFT frames of the padded content.
    """

    constants: Constants
    content: dict[str, Tree]
    style: dict[str, Tree]
    scales: dict[str, Values]
    num_samples: jax.Array | int
    num_frames: int = dataclasses.field(metadata={"static": True})


@dataclasses.dataclass(frozen=True)
class Objective:
    """The loss of a variable; hashable, so that it can be a static argument of a jitted function.

    Attributes:
      variable: a name in `variables.registry.VARIABLES`.
      sample_rate: Hz.
      stft: STFT of `Representations.log_magnitude`.
      nonlinearity: of the random filters.
      content: names in `CONTENT_TERMS`.
      style: names in `STYLE_TERMS`.
      scale: a name in `scales.SCALES`.
      gram_divisor: a name in `terms.gram.DIVISORS`.
    """

    variable: str = "waveform"
    sample_rate: int = 22050
    stft: StftConfig = StftConfig()
    nonlinearity: str = "relu"
    content: tuple[str, ...] = ("features",)
    style: tuple[str, ...] = ("gram",)
    scale: str = "relative"
    gram_divisor: str = "frames"

    def represent_waveform(
        self,
        constants: Constants,
        waveform: jax.Array,
        num_samples: jax.Array | int | None = None,
    ) -> Representations:
        """The representations of the first `num_samples`, by default all, of a waveform.

        `[channels, samples]`; the samples after them count as zeros, whatever they are.
        """
        num_samples = waveform.shape[-1] if num_samples is None else num_samples
        waveform = jnp.where(first(num_samples, waveform.shape[-1]), waveform, 0.0)
        spectrogram = log_magnitude(waveform, self.stft)
        return self._represent(constants, spectrogram, waveform, num_samples)

    def represent_variable(self, targets: Targets, variable: jax.Array) -> Representations:
        """The representations of a variable."""
        kind = VARIABLES[self.variable]
        if kind.is_waveform:
            return self.represent_waveform(targets.constants, variable, targets.num_samples)
        made = kind(self.stft, targets.constants.basis)
        spectrogram = made.to_log_magnitude(variable, targets.num_frames)
        return self._represent(targets.constants, spectrogram, None, targets.num_samples)

    def _represent(
        self,
        constants: Constants,
        spectrogram: jax.Array,
        waveform: jax.Array | None,
        num_samples: jax.Array | int,
    ) -> Representations:
        representations = Representations()
        terms = (*self._content_terms, *self._style_terms)
        if waveform is not None and any(term.needs_waveform for term in terms):
            representations = waveform_representations(waveform, self.sample_rate, num_samples)
        frames = Frames.of(spectrogram, self.stft.num_frames(num_samples))
        features = constants.features(frames, waveform, num_samples, self.nonlinearity)
        return representations._replace(log_magnitude=frames, features=features)

    @property
    def _content_terms(self) -> list[ContentTerm]:
        return [CONTENT_TERMS[name] for name in self.content]

    @property
    def _style_terms(self) -> list[StyleTerm]:
        return [STYLE_TERMS[name] for name in self.style]

    def _observe(self, term: Term, constants: Constants, representations: Representations) -> Tree:
        context = Context(constants.terms.get(term.name), self.gram_divisor)
        return term.observe(representations, context)

    def describe_style(
        self,
        constants: Constants,
        waveform: jax.Array,
        num_frames: int | None = None,
        num_samples: jax.Array | int | None = None,
    ) -> Style:
        """Describe a style, but for the levels of its start.

        Args:
          constants: for the terms.
          waveform: of the style, `[1, samples]`.
          num_frames: number of STFT frames of the padded content, if the style is for one content
            only: targets that are cheaper to compare with take the place of descriptions.
          num_samples: of the style without padding; by default all samples.
        """
        representations = self.represent_waveform(constants, waveform, num_samples)
        descriptions, profiles = {}, {}
        for term in self._style_terms:
            observed = self._observe(term, constants, representations)
            descriptions[term.name] = (
                term.describe(observed)
                if num_frames is None
                else term.describe_for_length(observed, num_frames)
            )
        for term in self._content_terms:
            observed = self._observe(term, constants, representations)
            profiles[term.name] = term.profile(observed)
        return Style(descriptions, profiles, None)

    def make_targets(
        self,
        constants: Constants,
        content: jax.Array,
        style: Style,
        amount: jax.Array | float | None = None,
        num_samples: jax.Array | int | None = None,
    ) -> Targets:
        """The targets of a content and a style.

        Args:
          constants: for the terms.
          content: waveform of the content, `[channels, samples]`.
          style: description of the style.
          amount: fraction of the way from the content's own descriptions to those of the style;
            None for the whole way.
          num_samples: of the content without padding; by default all samples.
        """
        num_samples = content.shape[-1] if num_samples is None else num_samples
        representations = self.represent_waveform(constants, content, num_samples)
        divisor = SCALES[self.scale].divisor
        content_targets, style_targets, scales = {}, {}, {}
        for term in self._content_terms:
            observed = self._observe(term, constants, representations)
            content_targets[term.name] = observed
            far = term.unrelated(observed, style.profiles[term.name])
            scales[term.name] = jax.tree.map(divisor, far, term.count(observed))
        for term in self._style_terms:
            observed = self._observe(term, constants, representations)
            target = style.descriptions[term.name]
            far = jax.tree.map(
                lambda distance, energy: jnp.maximum(distance, _SMALLEST_DISTANCE * energy),
                term.distance(observed, target),
                term.energy(target),
            )
            scales[term.name] = jax.tree.map(divisor, far, term.count(observed))
            if amount is not None:
                target = jax.tree.map(
                    lambda own, wanted: (1 - amount) * own + amount * wanted,
                    term.describe(observed),
                    target,
                )
            style_targets[term.name] = target
        num_frames = representations.log_magnitude.values.shape[1]
        return Targets(constants, content_targets, style_targets, scales, num_samples, num_frames)

    @functools.partial(jax.jit, static_argnums=0)  # Traced once for all programs that it is in.
    def terms(self, variable: jax.Array, targets: Targets) -> dict[str, jax.Array]:
        """Values of the unweighted terms, by name."""
        representations = self.represent_variable(targets, variable)
        wanted = {**targets.content, **targets.style}
        distances = {
            term.name: term.distance(
                self._observe(term, targets.constants, representations), wanted[term.name]
            )
            for term in (*self._content_terms, *self._style_terms)
        }
        return {
            name: self._value(distance, targets.scales[name])
            for name, distance in distances.items()
        }

    def _value(self, distance: Values, scale: Values) -> jax.Array:
        divided = jax.tree.leaves(jax.tree.map(jnp.divide, distance, scale))
        return SCALES[self.scale].combine(divided)


def make_objective(config: TransferConfig) -> Objective:
    """The loss that a config asks for, with the terms that have a weight."""
    return Objective(
        variable=config.variable,
        sample_rate=config.sample_rate,
        stft=config.stft,
        nonlinearity=config.features.nonlinearity,
        content=config.content.used,
        style=config.style.used,
        scale=config.scale,
        gram_divisor=config.gram_divisor,
    )
