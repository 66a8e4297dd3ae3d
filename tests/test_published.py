"""The presets of published systems, at full size, against their definitions in float64."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from configs import single_channel
from configs.transfer import PRESETS
from research.audio.waveform import Waveform
from research.models.network import Network
from research.training.config import TrainConfig
from research.transfer import classifier_layers, constants
from research.transfer.classifier_layers import ClassifierLayers
from research.transfer.optimise import Minimum, minimise
from research.transfer.random_filters import FilterConfig, PaddedFilters, make_filters
from research.transfer.style_transfer import finish, prepare

RATE = 22050
FACTS = {
    "ulyanov": {
        "content_weight": 1e-2,
        "style_weight": 1.0,
        "init": "noise",
        "noise_scale": 1e-3,
        "stft.n_fft": 2048,
        "stft.hop_length": 512,
        "features.widths": (11,),
        "features.num_filters": 4096,
        "features.nonlinearity": "relu",
        "features.layer": "ulyanov",
        "optimiser.name": "lbfgs",
        "num_iterations": 250,
        "optimiser.memory_size": 30,
        "optimiser.patience": 20,
        "optimiser.tolerance": 1e-3,
    },
    "palaia": {
        "content_weight": 1.0,
        "style_weight": 1e7,
        "init": "content",
        "stft.n_fft": 2048,
        "stft.hop_length": 512,
        "features.widths": (11,),
        "features.num_filters": 2048,
        "features.nonlinearity": "relu",
        "features.layer": "ulyanov",
        "optimiser.name": "lbfgs",
        "num_iterations": 250,
        "optimiser.memory_size": 30,
        "optimiser.patience": 50,
        "optimiser.tolerance": 1e-3,
    },
    "alishdipani": {
        "content_weight": 0.0,
        "style_weight": 6.25e6,
        "init": "content",
        "stft.n_fft": 2048,
        "stft.hop_length": 512,
        "features.widths": (3,),
        "features.num_filters": 4096,
        "features.nonlinearity": "none",
        "features.layer": "conv1d",
        "optimiser.name": "adam",
        "optimiser.learning_rate": 0.03,
        "num_iterations": 2500,
        "optimiser.patience": 0,
    },
    "multicomp": {
        "content_weight": 1.0,
        "style_weight": 100.0,
        "init": "zeros",
        "stft.n_fft": 512,
        "stft.hop_length": 258,
        "features.num_filters": 0,
        "layers": ("features",),
        "optimiser.name": "adam",
        "optimiser.learning_rate": 0.02,
        "num_iterations": 400,
        "optimiser.patience": 0,
    },
}
SHARED = {
    "mono": True,
    "rms": None,
    "keep_rests": False,
    "dynamics": 0.0,
    "style_amount": 1.0,
    "sample_rate": 22050,
    "stft.window": "hann",
    "stft.win_length": 0,
    "stft.center": True,
    "features.max_hz": 11025.0,
    "phase.start": "random",
    "phase.num_iterations": 500,
    "phase.momentum": 0.0,
}


@pytest.mark.parametrize("preset", FACTS)
def test_constants_of_the_published_systems(preset):
    for key, wanted in {**SHARED, **FACTS[preset]}.items():
        found = PRESETS[preset]
        for name in key.split("."):
            found = getattr(found, name)
        assert found == wanted, key


def test_every_preset_but_the_default_is_pinned():
    assert set(FACTS) == set(PRESETS) - {"default", "combined", "texture"}


@pytest.fixture(scope="module")
def pair(chord) -> tuple[np.ndarray, np.ndarray]:
    """Half a second of chord, and more of bursts of noise, of another length."""
    time = np.arange(13500) / RATE
    hiss = np.random.default_rng(3).standard_normal(time.size)
    style = 0.2 * hiss * np.exp(-9 * (5 * time % 1)) + 0.1 * np.sin(2 * np.pi * 110 * time)
    return chord[:11025], style.astype(np.float32)


def run(preset: str, content: np.ndarray, style: np.ndarray, num_iterations: int) -> Minimum:
    """A few steps of a preset, with short line searches, and no phase recovery."""
    config = dataclasses.replace(PRESETS[preset], checkpoint="")
    config = dataclasses.replace(config, phase=dataclasses.replace(config.phase, num_iterations=0))
    optimiser = dataclasses.replace(
        config.optimiser, log_every=max(num_iterations, 1), max_linesearch_steps=2, unrolled=False
    )
    problem = prepare(Waveform(content[None], RATE), Waveform(style[None], RATE), config)
    minimum = minimise(
        problem.objective,
        problem.start,
        problem.targets,
        problem.weights,
        config=optimiser,
        num_iterations=num_iterations,
    )
    return finish(problem, minimum, {}).minimum


def spectrogram(samples: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """`log1p(|STFT|)` as librosa's, `[frames, bins]` float64."""
    padded = np.pad(samples.astype(np.float64), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    return np.log1p(np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", n_fft))))


def frames_of(padded: np.ndarray, width: int) -> np.ndarray:
    """Each frame with the `width - 1` after it, `[frames, width bins]`."""
    count = len(padded) - width + 1
    return np.concatenate([padded[i : i + count] for i in range(width)], axis=1)


@pytest.fixture
def draw(monkeypatch) -> Callable[..., np.ndarray]:
    """Draws the filters of a preset, `[width bins, filters]`, which transfers then use."""

    def drawn(preset: str) -> np.ndarray:
        config = PRESETS[preset].features
        [width], count = config.widths, config.num_filters
        kernel = np.random.default_rng(0).standard_normal((width, 1025, count), np.float32)
        kernel *= np.float32(np.sqrt(2) * np.sqrt(2 / ((1025 + count) * width)))

        def make_filters(given: FilterConfig, num_bins: int) -> dict[str, jax.Array]:
            assert (given, num_bins) == (config, 1025)
            return {f"width_{width}": jnp.asarray(kernel)}

        monkeypatch.setattr(constants, "make_filters", make_filters)
        # Without their spectra, which would be half a gigabyte.
        monkeypatch.setattr(constants, "transform_filters", lambda filters: filters)
        return kernel.reshape(-1, count)

    return drawn


def features_and_gram(seen: np.ndarray, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`relu(S * K)` without padding, and `F^T F`, of `[frames, bins]`."""
    features = np.maximum(frames_of(seen.astype(np.float32), 11) @ kernel, 0).astype(np.float64)
    return features, features.T @ features


def test_ulyanov_minimises_the_published_loss(pair, draw):
    content, style = pair
    kernel = draw("ulyanov")
    (wanted, _), (_, gram) = (
        features_and_gram(spectrogram(samples, 2048, 512), kernel) for samples in pair
    )
    num_frames, num_style_frames = 1 + len(content) // 512, 1 + len(style) // 512

    def loss(seen: np.ndarray) -> float:
        found, found_gram = features_and_gram(seen, kernel)
        errors = found - wanted, found_gram / num_frames - gram / num_style_frames
        return 1e-2 * np.square(errors[0]).sum() + np.square(errors[1]).sum()

    result = run("ulyanov", content, style, num_iterations=1)
    noise = 1e-3 * jax.random.normal(jax.random.key(0), (num_frames, 1025))
    assert result.losses[0] == pytest.approx(loss(np.asarray(noise)), rel=1e-4)
    assert result.loss == pytest.approx(loss(np.asarray(result.variable[0])), 1e-4)
    assert result.loss < result.losses[0]


def test_palaia_minimises_mean_squared_errors(pair, draw):
    content, style = pair
    kernel = draw("palaia")
    (wanted, _), (of_style, gram) = (
        features_and_gram(spectrogram(samples, 2048, 512), kernel) for samples in pair
    )

    def loss(seen: np.ndarray) -> float:
        found, found_gram = features_and_gram(seen, kernel)
        error = found_gram / found.size - gram / of_style.size
        return np.square(found - wanted).mean() + 1e7 * np.square(error).mean()

    result = run("palaia", content, style, num_iterations=1)
    start = spectrogram(content, 2048, 512)
    assert result.losses[0] == pytest.approx(loss(start), rel=1e-4)
    assert result.loss == pytest.approx(loss(np.asarray(result.variable[0])), 1e-4)
    assert result.loss < result.losses[0]


class Adam:
    """As PyTorch's, with its defaults."""

    def __init__(self, rate: float):
        self.rate, self.step, self.mean, self.square = rate, 0, 0.0, 0.0

    def __call__(self, value: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """The value after a step."""
        self.step += 1
        self.mean = 0.9 * self.mean + 0.1 * slope
        self.square = 0.999 * self.square + 0.001 * slope**2
        mean = self.mean / (1 - 0.9**self.step)
        square = self.square / (1 - 0.999**self.step)
        return value - self.rate * mean / (np.sqrt(square) + 1e-8)


def test_alishdipani_takes_the_steps_of_the_published_program(pair):
    content, style = pair
    [layer] = make_filters(PRESETS["alishdipani"].features, 1025).values()
    assert isinstance(layer, PaddedFilters)
    kernel = np.asarray(layer.kernel, np.float64).reshape(3 * 1025, 4096)
    bias = np.asarray(layer.bias, np.float64)
    limit = 1 / np.sqrt(1025 * 3)  # How torch.nn.Conv1d draws its weights and biases.
    for values in (kernel[::7], bias):
        assert 0.99 * limit < np.abs(values).max() <= 1.000001 * limit
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.03)

    def convolve(seen: np.ndarray) -> np.ndarray:
        return frames_of(np.pad(seen, ((1, 1), (0, 0))), 3) @ kernel + bias

    def gram(features: np.ndarray) -> np.ndarray:
        return features.T @ features / features.size

    target = gram(convolve(spectrogram(style, 2048, 512)))

    def loss_and_slope(seen: np.ndarray) -> tuple[float, np.ndarray]:
        features = convolve(seen)
        error = 2500 * gram(features) - 2500 * target
        to_features = 2500 * 4 / error.size / features.size * features @ error
        to_frames = (to_features @ kernel.T).reshape(-1, 3, 1025)
        padded = np.zeros((len(seen) + 2, 1025))
        for place in range(3):
            padded[place : place + len(seen)] += to_frames[:, place]
        return np.square(error).mean(), padded[1:-1]

    start = np.maximum(spectrogram(content, 2048, 512), 1e-3)
    variable, adam, losses = np.log(np.expm1(20 * start)) / 20, Adam(0.03), []
    for _ in range(3):
        loss, slope = loss_and_slope(np.logaddexp(0, 20 * variable) / 20)
        losses.append(loss)
        variable = adam(variable, slope / (1 + np.exp(-20 * variable)))

    result = run("alishdipani", content, style, num_iterations=3)
    np.testing.assert_allclose(result.losses, losses, rtol=1e-3)
    assert result.terms["gram"] == pytest.approx(result.loss / 6.25e6, rel=1e-4)
    # The first steps have the full length, so no gradient lies under the epsilon of Adam.
    assert result.loss < 0.9 * losses[0]


@pytest.fixture
def network(monkeypatch) -> Network:
    """An untrained network as the published code has it, which transfers then use."""
    config: TrainConfig = single_channel.PRESETS["code"]
    made = Network.init(config.model, (257, 257), 10, seed=0)
    assert made.num_parameters == 6_561_542

    def load(checkpoint: str, layers: tuple[str, ...]) -> ClassifierLayers:
        return ClassifierLayers(made, config.spectrogram, config.segment_frames, layers)

    monkeypatch.setattr(classifier_layers, "load_classifier_layers", load)
    return made


def final_features(network: Network, seen: np.ndarray) -> np.ndarray:
    """The 100 features of a segment of 257 frames by 257 bins."""
    _, found = network(jnp.asarray(seen, jnp.float32)[None])
    return np.asarray(found["features"][0], np.float64)


def test_multicomp_sees_three_seconds_as_257_by_257(network, pair):
    content, style = (np.resize(samples, 66150) for samples in pair)
    config = PRESETS["multicomp"]
    wanted, of_style = (spectrogram(samples, 512, 258) for samples in (content, style))
    assert wanted.shape == of_style.shape == (257, 257)
    features = final_features(network, of_style)

    def loss(seen: np.ndarray) -> float:
        error = final_features(network, seen) - features
        return np.square(seen - wanted).sum() + config.style_weight * np.square(error).sum()

    result = run("multicomp", content, style, num_iterations=2)
    assert result.variable.shape == (1, 257, 257)
    assert result.losses[0] == pytest.approx(loss(np.zeros((257, 257))), rel=1e-3)
    assert result.loss == pytest.approx(loss(np.asarray(result.variable[0])), 1e-3)
    assert result.loss < result.losses[0]
