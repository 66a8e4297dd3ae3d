"""Arrays that the loss is computed with and that stay fixed during a transfer."""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from research.audio.stft import log_magnitude
from research.errors import InputError
from research.transfer.config import TransferConfig
from research.transfer.frames import Frames
from research.transfer.random_filters import (
    Filters,
    make_filters,
    random_features,
    transform_filters,
)
from research.transfer.variables.base import Basis
from research.transfer.variables.registry import VARIABLES

if TYPE_CHECKING:
    from research.data.front_ends.base import FrontEnd
    from research.transfer.classifier_layers import ClassifierLayers


class Constants(NamedTuple):
    """The arrays; arguments of a compiled program, not constants in it.

    Attributes:
      filters: random filters, of `transform_filters`; empty if there are none.
      terms: arrays of `Term.make_constants`, by name of the term.
      classifier: layers of a trained classifier, or None.
      basis: principal components of a pca variable, or None.
    """

    filters: dict[str, Filters]
    terms: dict[str, Any]
    classifier: "ClassifierLayers | None" = None
    basis: Basis | None = None

    def features(
        self,
        spectrogram: Frames,
        waveform: jax.Array | None,
        num_samples: jax.Array | int,
        nonlinearity: str,
    ) -> dict[str, Frames]:
        """Outputs of random filters and classifier layers, by name, `[channels, positions, dims]`.

        Args:
          spectrogram: `log(1 + |STFT|)`, `[channels, frames, bins]`.
          waveform: `[channels, samples]`, of which the classifier gets the spectrogram that it was
            trained on; None if the spectrogram is that one.
          num_samples: of the recording, the first ones of the waveform.
          nonlinearity: of the random filters.
        """
        features = {}
        for name, output in random_features(self.filters, spectrogram.values, nonlinearity).items():
            lost = spectrogram.values.shape[1] - output.shape[1]
            features[name] = Frames.of(output, spectrogram.count - lost)
        if self.classifier is not None:
            if waveform is not None:
                stft = self.classifier.spectrogram.stft
                values = log_magnitude(waveform, stft)
                spectrogram = Frames.of(values, stft.num_frames(num_samples))
            features |= self.classifier.activations(spectrogram)
        return features


def make_constants(config: TransferConfig, output_rate: int) -> Constants:
    """The constants of a transfer whose output has a sample rate of `output_rate` Hz.

    Raises:
      InputError: a checkpoint or principal components that do not fit the config.
    """
    filters, classifier, basis, feature_dims = {}, None, None, {}
    if config.needs_features:
        filters = transform_filters(make_filters(config.features, _num_bins(config, output_rate)))
        feature_dims |= dict.fromkeys(filters, config.features.num_filters)
    if config.needs_features and config.layers:
        # Restoring a checkpoint needs imports that a transfer without one does not wait for.
        from research.transfer.classifier_layers import load_classifier_layers

        classifier = load_classifier_layers(config.checkpoint, config.layers)
        _check_spectrogram(config, classifier.spectrogram, f"config.checkpoint {config.checkpoint}")
        feature_dims |= classifier.feature_dims
    if VARIABLES[config.variable].needs_basis:
        from research.data.pca import load_pca

        pca = load_pca(config.pca)
        _check_spectrogram(config, pca.spectrogram, f"config.pca {config.pca}")
        basis = Basis(jnp.asarray(pca.mean), jnp.asarray(pca.components))
    terms = {
        term.name: term.make_constants(config.features.seed, feature_dims)
        for term in config.terms.values()
    }
    return Constants(filters, terms, classifier, basis)


def check_described(config: TransferConfig, output_rate: int) -> None:
    """Check that the random filters of the output have as many bins as those of the description.

    A style is described with filters for the sample rate of the config. Filters of fewer bins have
    other weights, so their outputs cannot be compared.

    Raises:
      InputError: they are not.
    """
    if not (config.needs_features and config.features.num_filters):
        return
    if _num_bins(config, output_rate) < _num_bins(config, config.sample_rate):
        highest = int(_highest_hz(config, output_rate))
        raise InputError(
            f"a content of {output_rate} Hz has no sound above {highest} Hz, and the style was "
            f"described up to {config.features.max_hz:g} Hz; give config.features.max_hz={highest} "
            "to both, or one audio file as the style"
        )


def _num_bins(config: TransferConfig, output_rate: int) -> int:
    """Number of bins that the filters get: up to `max_hz`, and to what the output file can hold."""
    max_hz = _highest_hz(config, output_rate)
    return min(config.stft.num_bins, 1 + int(max_hz * config.stft.n_fft / config.sample_rate))


def _highest_hz(config: TransferConfig, output_rate: int) -> float:
    max_hz = config.features.max_hz
    return min(max_hz, 0.45 * output_rate) if output_rate < config.sample_rate else max_hz


def _check_spectrogram(config: TransferConfig, trained: "FrontEnd", name: str) -> None:
    """Check that a classifier or PCA was trained on the spectrogram that a transfer computes."""
    if trained.sample_rate != config.sample_rate:
        raise InputError(
            f"{name} was trained at {trained.sample_rate} Hz; give config.sample_rate="
            f"{trained.sample_rate}"
        )
    if not VARIABLES[config.variable].is_waveform and trained.stft != config.stft:
        theirs, ours = dataclasses.asdict(trained.stft), dataclasses.asdict(config.stft)
        needed = [f"config.stft.{key}={theirs[key]}" for key in ours if theirs[key] != ours[key]]
        raise InputError(f"{name} was trained on another spectrogram; give {' and '.join(needed)}")
