"""The config of a transfer: frozen dataclasses that check their values."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from research.audio.phase import LEAST_COVERAGE, PhaseConfig, window_coverage
from research.audio.stft import StftConfig
from research.errors import InputError
from research.settings import above, at_least, between, one_of
from research.transfer.optimisers import OptimiserConfig
from research.transfer.random_filters import FilterConfig
from research.transfer.scales import SCALES
from research.transfer.start import STARTS
from research.transfer.terms.base import Term
from research.transfer.terms.gram import DIVISORS
from research.transfer.terms.registry import CONTENT_TERMS, STYLE_TERMS
from research.transfer.variables.registry import VARIABLES

T = TypeVar("T")


def _fields_of(
    terms: Mapping[str, Term], annotation: Any, make_field: Callable[[Term], Any]
) -> Callable[[type[T]], type[T]]:
    """A decorator that makes a frozen dataclass with one field for each term."""

    def decorate(cls: type[T]) -> type[T]:
        cls.__annotations__ = dict.fromkeys(terms, annotation)
        for name, term in terms.items():
            setattr(cls, name, make_field(term))
        return dataclasses.dataclass(frozen=True)(cls)

    return decorate


@dataclasses.dataclass(frozen=True)
class _PerTerm:
    """One value for each term; the fields come from a registry."""

    if TYPE_CHECKING:

        def __init__(self, **values: Any): ...

        def __getattr__(self, name: str) -> Any: ...


class _Weights(_PerTerm):
    @classmethod
    def only(cls, **weights: float) -> Self:
        """The weights that are given, and 0 for every other term."""
        names = (field.name for field in dataclasses.fields(cls))
        return cls(**{**dict.fromkeys(names, 0.0), **weights})

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the terms with a weight above 0; the others are not computed."""
        return tuple(name for name, weight in dataclasses.asdict(self).items() if weight > 0)


_weight = (float, lambda term: at_least(term.weight, 0))
_values = (tuple[float, ...] | None, lambda term: at_least(None, 0))


@_fields_of(CONTENT_TERMS, *_weight)
class ContentWeights(_Weights):
    """Weight of each content term; their docstrings in `research/transfer/terms` say what for."""


@_fields_of(STYLE_TERMS, *_weight)
class StyleWeights(_Weights):
    """Weight of each style term; their docstrings in `research/transfer/terms` say what for."""


@_fields_of(CONTENT_TERMS, *_values)
class ContentSweep(_PerTerm):
    """Weights to try for each content term, or None."""


@_fields_of(STYLE_TERMS, *_values)
class StyleSweep(_PerTerm):
    """Weights to try for each style term, or None."""


def _check_invertible(stft: StftConfig) -> None:
    """Check that a waveform can be rendered from a spectrogram.

    Raises:
      ValueError: the windows leave gaps.
    """
    length = stft.win_length or stft.n_fft
    hop = stft.hop_length
    while window_coverage(dataclasses.replace(stft, hop_length=hop)) < LEAST_COVERAGE:
        hop = length // 2 if hop > length // 2 else hop // 2
    if hop < stft.hop_length:
        raise ValueError(
            f"stft.hop_length is {stft.hop_length}, so windows of {length} samples leave gaps in "
            f"the waveform of a spectrogram; give at most {hop}, or variable=waveform"
        )


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Lists of values to try, in every combination; None keeps the value of `TransferConfig`.

    Attributes:
      style_amount: values of this key.
      content_weight: values of this key.
      style_weight: values of this key.
      content: weights of single content terms.
      style: weights of single style terms.
      seed: values of this key.
      memory_gb: approximate memory for the takes that are optimised at the same time, of all
        devices together, GB; None for 4 on CPU, and on other devices for four fifths of what jax
        may use. What other programs use there is not known.
    """

    style_amount: tuple[float, ...] | None = at_least(None, 0)
    content_weight: tuple[float, ...] | None = at_least(None, 0)
    style_weight: tuple[float, ...] | None = at_least(None, 0)
    content: ContentSweep = ContentSweep()
    style: StyleSweep = StyleSweep()
    seed: tuple[int, ...] | None = at_least(None, 0)
    memory_gb: float | None = above(None, 0, binds=False)


@dataclasses.dataclass(frozen=True)
class TransferConfig:
    """The config of a transfer.

    The default plays the content's notes on the style's instruments, by the start alone
    (`research/transfer/reorchestration`). Nothing is optimised and no loss is computed;
    `num_iterations=30` goes on from there, with two terms.

    Attributes:
      seed: seed of noise and random phase; filters and projections have `features.seed`.
      sample_rate: Hz of the computation; inputs are resampled to it.
      mono: mix the content down, as the published systems do; the output is then the same in all
        channels. A style is always mixed down.
      rms: root mean square to which both inputs are scaled; None leaves them as they are.
      keep_rests: keep rests of the content quiet, and cut out those of the style.
      rest_db: level of rests below the loud parts, and range of the slow dynamics, dB.
      full_band: give the output what the content has above half of `sample_rate`, at the levels
        that the style has there.
      dynamics: how much of the content's slow dynamics the output gets back, 0 to 1.
      dynamics_seconds: length of the window that smooths slow dynamics, seconds.
      style_amount: how far the output moves from the content (0) to the style (1).
      content_weight: factor of all content weights.
      style_weight: factor of all style weights.
      content: weights of the content terms.
      style: weights of the style terms.
      num_iterations: largest number of iterations of the optimiser.
      variable: what is optimised, see `research/transfer/variables`.
      init: start of the variable; "matched" is the content with the band levels of the style.
      content_target: target of the content terms: "content", or "start", which keeps the notes and
        instruments of a start by "reorchestrated" and needs variable=waveform.
      noise_scale: standard deviation of the start from noise.
      stft: STFT of features and of spectrogram variables.
      features: the random filters.
      checkpoint: workdir of a training: its classifier predicts the genres of inputs and output,
        and `layers` are taken from it; `shipped` for the shipped weights, empty for none.
      layers: names of activations of that classifier to use as features.
      pca: file of the principal components of a pca variable.
      scale: divisor of each term, see `research/transfer/scales.py`.
      gram_divisor: divisor of Gram matrices, see `research/transfer/terms/gram.py`.
      optimiser: settings of the optimiser.
      phase: phase recovery of spectrogram variables.
      sweep: values to try in place of those above.

    Raises:
      ValueError: values that do not go together.
    """

    seed: int = at_least(0, 0)
    sample_rate: int = between(22050, 1000, 384000)
    mono: bool = False
    rms: float | None = above(0.1, 0)
    keep_rests: bool = True
    rest_db: float = above(24.0, 0)
    full_band: bool = True
    dynamics: float = at_least(1.0, 0)
    dynamics_seconds: float = above(1.5, 0)
    style_amount: float = at_least(1.0, 0)
    content_weight: float = at_least(1.0, 0)
    style_weight: float = at_least(1.5, 0)
    content: ContentWeights = ContentWeights.only(chroma=1.0)
    style: StyleWeights = StyleWeights.only(spectrum=1.0)
    num_iterations: int = at_least(0, 0)
    variable: str = one_of("waveform", VARIABLES)
    init: str = one_of("reorchestrated", STARTS)
    content_target: str = one_of("content", ("content", "start"))
    noise_scale: float = at_least(1e-3, 0)
    stft: StftConfig = StftConfig()
    features: FilterConfig = FilterConfig()
    checkpoint: str = "shipped"
    layers: tuple[str, ...] = ()
    pca: str = ""
    scale: str = one_of("root", SCALES)
    gram_divisor: str = one_of("frames", DIVISORS)
    optimiser: OptimiserConfig = OptimiserConfig()
    phase: PhaseConfig = PhaseConfig()
    sweep: SweepConfig = SweepConfig()

    def __post_init__(self):
        for name in ("dynamics", "style_amount"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number from 0 to 1")
        if not self.terms:
            raise ValueError("no term of content or style has a weight; give one to some")
        for key, term in self.terms.items():
            if term.needs_waveform and not VARIABLES[self.variable].is_waveform:
                raise ValueError(f"{key} needs variable=waveform, not {self.variable}")
        if self.content_target == "start" and not VARIABLES[self.variable].is_waveform:
            raise ValueError(f"content_target=start needs variable=waveform, not {self.variable}")
        if self.needs_features and not (self.features.num_filters or self.layers):
            raise ValueError("terms of features need features.num_filters or layers")
        if not VARIABLES[self.variable].is_waveform:
            _check_invertible(self.stft)
        if VARIABLES[self.variable].needs_basis and not self.pca:
            raise ValueError(
                f"variable={self.variable} needs pca, a file of run_train.py --mode=pca"
            )

    @property
    def terms(self) -> dict[str, Term]:
        """Terms with a weight, by key of the weight, such as `content.chroma`."""
        return {
            **{f"content.{name}": CONTENT_TERMS[name] for name in self.content.used},
            **{f"style.{name}": STYLE_TERMS[name] for name in self.style.used},
        }

    @property
    def needs_features(self) -> bool:
        """Whether a term reads outputs of random filters and classifier layers."""
        return any(term.needs_features for term in self.terms.values())

    @property
    def needs_waveform(self) -> bool:
        """Whether a term reads a representation that only a waveform has."""
        return any(term.needs_waveform for term in self.terms.values())

    @property
    def optimises_waveform(self) -> bool:
        """Whether a waveform is optimised, so that its start can be heard."""
        return bool(self.num_iterations) and VARIABLES[self.variable].is_waveform

    @property
    def is_random(self) -> bool:
        """Whether the output depends on `seed`: by its start, or by phases that are recovered."""
        return STARTS[self.init].is_random or not VARIABLES[self.variable].is_waveform

    @property
    def weights(self) -> dict[str, float]:
        """Product of both weights of each term, by name of the term."""
        content, style = dataclasses.asdict(self.content), dataclasses.asdict(self.style)
        return {
            **{name: self.content_weight * content[name] for name in self.content.used},
            **{name: self.style_weight * style[name] for name in self.style.used},
        }


_OF_LOSS = frozenset(
    {
        "content_weight",
        "style_weight",
        "content",
        "style",
        "content_target",
        "scale",
        "optimiser",
    }
)


def check_applies(config: TransferConfig, keys: Iterable[str]) -> None:
    """Check that keys that were given change the output.

    Args:
      config: of the transfer.
      keys: dotted, such as `style.patches` or `sweep.style_weight`.

    Raises:
      InputError: one is of a loss, and nothing is optimised; or seeds are swept, and nothing is
        random.
    """
    for key in keys:
        name = key.removeprefix("sweep.").split(".")[0]
        if name in _OF_LOSS and not config.num_iterations:
            raise InputError(
                f"config.{key} is for a loss, and nothing is optimised where config.num_iterations "
                "is 0; give --config=configs/transfer.py:combined or another preset that optimises"
            )
        if key == "sweep.seed" and not config.is_random:
            raise InputError(
                f"config.sweep.seed changes nothing: config.init={config.init} draws nothing at "
                "random; leave it out"
            )
