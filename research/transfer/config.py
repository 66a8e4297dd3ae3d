"""Every choice of a transfer; what it can hold is checked as it is made."""

import dataclasses
from typing import Self

from research.audio.phase import PhaseConfig
from research.audio.stft import StftConfig
from research.settings import above, at_least, one_of
from research.transfer.objective import (
    FEATURE_TERMS,
    HEARD_CONTENT,
    HEARD_STYLE,
    SCALES,
    Objective,
)
from research.transfer.optimise import OptimiserConfig
from research.transfer.random_filters import FilterConfig
from research.transfer.style import GRAM_DIVISORS
from research.transfer.variable import STARTS, VARIABLES


class _Weights:
    @classmethod
    def only(cls, **weights: float) -> Self:
        """These weights, and 0 for every other term."""
        names = (field.name for field in dataclasses.fields(cls))  # pyright: ignore
        return cls(**{**dict.fromkeys(names, 0.0), **weights})


@dataclasses.dataclass(frozen=True)
class ContentWeights(_Weights):
    """Weights of what must stay of the content; what weighs nothing is not computed.

    Attributes:
      features: outputs of random filters and classifier layers.
      spectrogram: `log(1 + |STFT|)`.
      harmonic: partials, whatever their envelope.
      chroma: pitch classes.
      onset: the onset envelope.
    """

    features: float = at_least(0.0, 0)
    spectrogram: float = at_least(0.0, 0)
    harmonic: float = at_least(2.0, 0)
    chroma: float = at_least(2.0, 0)
    onset: float = at_least(1.0, 0)


@dataclasses.dataclass(frozen=True)
class StyleWeights(_Weights):
    """Weights of what is taken from the style; what weighs nothing is not computed.

    Attributes:
      gram: Gram matrices of random filters and classifier layers.
      activations: outputs of the same, against their mean over the style.
      feature_levels: their distribution.
      bands: distribution of levels, band by band.
      spectrum: long-term spectrum.
      patches: distribution of 0.2 s of mel bands.
      fast_patches: distribution of 75 ms of mel bands, at four times the rate.
      correlation: which bands come and go together.
    """

    gram: float = at_least(0.0, 0)
    activations: float = at_least(0.0, 0)
    feature_levels: float = at_least(0.0, 0)
    bands: float = at_least(1.0, 0)
    spectrum: float = at_least(1.0, 0)
    patches: float = at_least(1.0, 0)
    fast_patches: float = at_least(1.0, 0)
    correlation: float = at_least(0.5, 0)


def _sweep_of(weights: type, name: str) -> type:
    """A dataclass with a list of values, or None, for each field of another."""
    fields = [
        (field.name, tuple[float, ...] | None, at_least(None, 0))
        for field in dataclasses.fields(weights)
    ]
    return dataclasses.make_dataclass(name, fields, frozen=True)


ContentSweep = _sweep_of(ContentWeights, "ContentSweep")
StyleSweep = _sweep_of(StyleWeights, "StyleSweep")


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Values to try, a list each, and every combination of them; None leaves the config's own.

    Attributes:
      style_amount: see `TransferConfig`, as for all of these.
      content_weight: of all content terms together.
      style_weight: of all style terms together.
      content: of single content terms.
      style: of single style terms.
      seed: of noise and random phase.
      memory_gb: that the takes optimised at the same time may use, about, all devices together.
    """

    style_amount: tuple[float, ...] | None = at_least(None, 0)
    content_weight: tuple[float, ...] | None = at_least(None, 0)
    style_weight: tuple[float, ...] | None = at_least(None, 0)
    content: ContentSweep = ContentSweep()
    style: StyleSweep = StyleSweep()
    seed: tuple[int, ...] | None = at_least(None, 0)
    memory_gb: float = above(4.0, 0, binds=False)


@dataclasses.dataclass(frozen=True)
class TransferConfig:
    """Every scientific choice of a transfer.

    Attributes:
      seed: of noise and random phase; filters and projections have their own, `features.seed`.
      sample_rate: at which the transfer works, Hz.
      mono: whether channels are mixed down first, as the published systems have it; the output
        then repeats in every channel of the content. A style is always mixed down.
      rms: to which both inputs are scaled before; None leaves them as they are.
      keep_rests: whether rests of the content stay quiet, and those of the style are left out.
      rest_db: how far rests stay under the loud parts, and the range of the slow dynamics.
      dynamics: share of the content's slow dynamics that the output gets back, 0 to 1.
      dynamics_seconds: what is slow.
      style_amount: how far the style goes, from 0, coloured, to 1, taken over.
      content_weight: of all content terms together.
      style_weight: of all style terms together.
      content: weights of single content terms.
      style: weights of single style terms.
      num_iterations: of the optimiser, at most.
      variable: what is optimised.
      init: where it starts; "matched" is the content at the style's levels.
      noise_scale: standard deviation of the start from noise.
      stft: the spectrogram of the features and of spectrogram variables.
      features: the random filters.
      checkpoint: workdir of a training, whose classifier gives its verdict and may lend its layers;
        `shipped` for the weights that are shipped, empty for no verdict.
      layers: activations of that classifier that are features too.
      pca: file of the components of a pca variable.
      scale: what terms are divided by.
      gram_divisor: what Gram matrices are divided by.
      optimiser: how the loss is minimised.
      phase: how a spectrogram variable gets its phase.
      sweep: values to try instead of some of these.

    Raises:
      ValueError: choices that do not go together.
    """

    seed: int = at_least(0, 0)
    sample_rate: int = at_least(22050, 1000)
    mono: bool = False
    rms: float | None = above(0.1, 0)
    keep_rests: bool = True
    rest_db: float = above(24.0, 0)
    dynamics: float = at_least(1.0, 0)
    dynamics_seconds: float = above(1.5, 0)
    style_amount: float = at_least(1.0, 0)
    content_weight: float = at_least(1.0, 0)
    style_weight: float = at_least(1.5, 0)
    content: ContentWeights = ContentWeights()
    style: StyleWeights = StyleWeights()
    num_iterations: int = at_least(120, 0)
    variable: str = one_of("waveform", VARIABLES)
    init: str = one_of("matched", ("matched", *STARTS))
    noise_scale: float = at_least(1e-3, 0)
    stft: StftConfig = StftConfig()
    features: FilterConfig = FilterConfig()
    checkpoint: str = "shipped"
    layers: tuple[str, ...] = ()
    pca: str = ""
    scale: str = one_of("root", SCALES)
    gram_divisor: str = one_of("frames", GRAM_DIVISORS)
    optimiser: OptimiserConfig = OptimiserConfig()
    phase: PhaseConfig = PhaseConfig()
    sweep: SweepConfig = SweepConfig()

    def __post_init__(self):
        for name in ("dynamics", "style_amount"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number from 0 to 1")
        objective = self.objective
        if not objective.content + objective.style:
            raise ValueError("no term of content or style has a weight; give one to some")
        heard = [
            *(f"content.{name}" for name in objective.content if name in HEARD_CONTENT),
            *(f"style.{name}" for name in objective.style if name in HEARD_STYLE),
        ]
        if heard and self.variable != "waveform":
            raise ValueError(f"{heard[0]} needs variable=waveform, not {self.variable}")
        if self.looks_at_features and not (self.features.num_filters or self.layers):
            raise ValueError("terms of features need features.num_filters or layers")
        if self.variable == "pca" and not self.pca:
            raise ValueError("variable=pca needs pca, a file of run_train.py --mode=pca")

    @property
    def looks_at_features(self) -> bool:
        """Whether any term does."""
        return bool({*FEATURE_TERMS} & {*self.objective.content, *self.objective.style})

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each term of the objective."""
        content, style = dataclasses.asdict(self.content), dataclasses.asdict(self.style)
        return {
            **{name: self.content_weight * content[name] for name in self.objective.content},
            **{name: self.style_weight * style[name] for name in self.objective.style},
        }

    @property
    def objective(self) -> Objective:
        """The loss, without its weights."""
        return Objective(
            variable=self.variable,
            sample_rate=self.sample_rate,
            stft=self.stft,
            nonlinearity=self.features.nonlinearity,
            content=_weighing(self.content),
            style=_weighing(self.style),
            scale=self.scale,
            gram_divisor=self.gram_divisor,
        )


def _weighing(weights: ContentWeights | StyleWeights) -> tuple[str, ...]:
    return tuple(name for name, weight in dataclasses.asdict(weights).items() if weight > 0)
