"""The contracts of a content term and of a style term.

A new term is one file with a subclass of `ContentTerm` or `StyleTerm`, and one line in `registry`.
From that line follow its key among the weights of the config (`config.content.NAME` or
`config.style.NAME`), its key in a sweep, the checks of the config, and its tests in
`tests/test_terms.py`.
"""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from research.transfer.representations import OF_WAVEFORM, Representations

Tree = Any
"""A pytree of arrays."""

Values = Any
"""A scalar, or a dict of scalars by layer of features."""


class Context(NamedTuple):
    """What `Term.observe` may need besides representations.

    Attributes:
      constants: what `Term.make_constants` gave.
      gram_divisor: a key of `gram.DIVISORS`.
    """

    constants: Tree = None
    gram_divisor: str = "frames"


class Term(abc.ABC):
    """One term of the loss: a distance between an observation of the output and a target.

    Methods are pure and traced by jax. The docstring of a subclass says what its weight does.

    Attributes:
      name: key of its weight in the config.
      weight: default of that key; 0 leaves the term out.
      reads: fields of `Representations` that `observe` reads, all of them.
    """

    name: ClassVar[str]
    weight: ClassVar[float] = 0.0
    reads: ClassVar[tuple[str, ...]]

    @property
    def needs_waveform(self) -> bool:
        """Whether the term reads a representation that only a waveform has."""
        return bool({*OF_WAVEFORM} & {*self.reads})

    @property
    def needs_features(self) -> bool:
        """Whether the term reads outputs of random filters and classifier layers."""
        return "features" in self.reads

    def make_constants(self, seed: int, feature_dims: Mapping[str, int]) -> Tree:
        """Random arrays that `observe` needs and that stay fixed, such as projections.

        Args:
          seed: the key `config.features.seed`.
          feature_dims: dims of each layer of features; empty if the term does not read them.
        """
        return None

    @abc.abstractmethod
    def observe(self, representations: Representations, context: Context) -> Tree:
        """What the distance compares, `[channels, ...]` each, or one channel for all of them."""

    @abc.abstractmethod
    def distance(self, observed: Tree, target: Tree) -> Values:
        """Distance of an observation of the output from the target, zero if they are equal."""

    def count(self, observed: Tree) -> Values:
        """Number of squared errors that `distance` sums up; 1 if it is a mean."""
        return 1.0


class ContentTerm(Term):
    """A term that keeps something of the content; the target is an observation of the content.

    Its unit is the distance between the content and an unrelated recording with the style's sound.
    It follows from a profile of the style that has no time axis, since a style may be of any length
    and may come without its audio.
    """

    @abc.abstractmethod
    def profile(self, observed: Tree) -> Tree:
        """What `unrelated` needs of an observation of the style; no time axis."""

    @abc.abstractmethod
    def unrelated(self, target: Tree, profile: Tree) -> Values:
        """Expected distance of the content from unrelated frames of a profile, above zero."""


class StyleTerm(Term):
    """A term that transfers something of the style; the target is a description of the style.

    A description has no time axis: it can be saved, and compared with an output of any length. The
    mean of several descriptions is a description, and so is a point between those of the content
    and the style (`config.style_amount`).
    """

    @abc.abstractmethod
    def describe(self, observed: Tree) -> Tree:
        """The description of an observation of the style."""

    def describe_for_length(self, observed: Tree, num_frames: int) -> Tree:
        """A target that is cheaper to compare with a content of `num_frames` STFT frames.

        It is used once and never saved, so it may have a time axis. By default the description.
        """
        return self.describe(observed)

    @abc.abstractmethod
    def energy(self, target: Tree) -> Values:
        """Distance of a target from an observation of zeros."""
