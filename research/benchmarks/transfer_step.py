"""One step of Ulyanov's transfer: 430 frames, 4096 filters of width 11, loss and gradient.

    python -m research.benchmarks.transfer_step

The floor is the matrix products alone, in full precision: those of the filters as a plain
convolution, forward and backward, and those of the Gram distance. The project goes below it, since
it convolves by temporal frequency. Before the race its loss and gradient are compared with
PyTorch's.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from research import signals
from research.audio.stft import log_magnitude
from research.benchmarks.race import race
from research.products import full_precision
from research.transfer.constants import Constants
from research.transfer.evaluation import weighted_sum
from research.transfer.objective import Objective, Targets
from research.transfer.random_filters import FilterConfig, Filters, make_filters, transform_filters

NUM_FRAMES, NUM_BINS, STEPS = 430, 1025, 3
FILTERS = FilterConfig(widths=(11,), num_filters=4096)
OBJECTIVE = Objective(variable="raw_spectrogram", scale="sum", gram_divisor="input_frames")
WEIGHTS = {"features": 1e-2, "gram": 1.0}


def main() -> None:
    """Check that they agree, and race them."""
    keys = jax.random.split(jax.random.key(0), 3)
    length = (NUM_FRAMES - 1) * OBJECTIVE.stft.hop_length
    waveforms = [jax.random.normal(key, (1, length)) for key in keys]
    variable, content, style = (log_magnitude(waveform, OBJECTIVE.stft) for waveform in waveforms)
    kernels = make_filters(FILTERS, NUM_BINS)
    kernel = kernels["width_11"]
    assert isinstance(kernel, jax.Array)
    targets = jax.jit(_targets)(kernels, *waveforms[1:])
    entrants = {
        "project": _project(variable, targets),
        "librosa": None,
        "pytorch": _pytorch(variable, content, style, kernel),
        "floor": _floor(kernel, targets),
    }
    if entrants["pytorch"] is not None:
        _compare(variable, targets, entrants["pytorch"]())
    title = f"{STEPS} steps of {NUM_FRAMES} frames through {FILTERS.num_filters} filters"
    race(title, entrants, num_rounds=7)


def _targets(kernels: dict[str, Filters], content: jax.Array, style: jax.Array) -> Targets:
    constants = Constants(transform_filters(kernels), {})
    described = OBJECTIVE.describe_style(constants, style, NUM_FRAMES)
    return OBJECTIVE.make_targets(constants, content, described)


def _loss(variable: jax.Array, targets: Targets) -> jax.Array:
    return weighted_sum(OBJECTIVE.terms(variable, targets), WEIGHTS)


def _project(variable: jax.Array, targets: Targets) -> Callable:
    @jax.jit
    def steps(variable: jax.Array, targets: Targets) -> tuple[jax.Array, jax.Array]:
        def step(variable, _):
            loss, gradient = jax.value_and_grad(_loss)(variable, targets)
            return variable - 1e-9 * gradient, loss

        return jax.lax.scan(step, variable, length=STEPS)

    return lambda: jax.block_until_ready(steps(variable, targets))


def _compare(variable: jax.Array, targets: Targets, peer: tuple[float, np.ndarray]) -> None:
    loss, gradient = jax.jit(jax.value_and_grad(_loss))(variable, targets)
    np.testing.assert_allclose(loss, peer[0], rtol=1e-3)
    error = np.linalg.norm(np.asarray(gradient[0]) - peer[1]) / np.linalg.norm(peer[1])
    np.testing.assert_array_less(error, 1e-2)


def _pytorch(
    variable: jax.Array, content: jax.Array, style: jax.Array, kernel: jax.Array
) -> Callable | None:
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    weight = np.asarray(kernel).transpose(2, 1, 0).copy()
    weight = torch.tensor(weight, device=device)

    def features(spectrogram: "torch.Tensor") -> "torch.Tensor":
        return torch.relu(torch.conv1d(spectrogram, weight))[0]

    def gram(features: "torch.Tensor") -> "torch.Tensor":
        return features @ features.T / NUM_FRAMES

    arrays = [np.asarray(array).transpose(0, 2, 1).copy() for array in (variable, content, style)]
    start, content_map, style_map = (torch.tensor(array, device=device) for array in arrays)
    with torch.no_grad():
        content_features, style_gram = features(content_map), gram(features(style_map))

    def run() -> tuple[float, np.ndarray]:
        for _ in range(STEPS):
            spectrogram = start.clone().requires_grad_()
            found = features(spectrogram)
            loss = WEIGHTS["features"] * (found - content_features).square().sum()
            loss = loss + WEIGHTS["gram"] * (gram(found) - style_gram).square().sum()
            loss.backward()
        return loss.item(), spectrogram.grad[0].T.cpu().numpy()

    return run


def _floor(kernel: jax.Array, targets: Targets) -> Callable:
    style = targets.style["gram"]["width_11"].frames[0]
    kernel = kernel.reshape(-1, FILTERS.num_filters)
    patches = jnp.ones((style.shape[0], kernel.shape[0]))

    @jax.jit
    @full_precision
    def products(patches: jax.Array, kernel: jax.Array, style: jax.Array) -> jax.Array:
        def step(patches, _):
            found = patches @ kernel
            own, shared = found @ found.T, found @ style.T
            back = (own @ found + shared @ style) @ kernel.T
            return 1e-9 * back, None

        return jax.lax.scan(step, patches, length=STEPS)[0]

    return lambda: products(patches, kernel, style).block_until_ready()


if __name__ == "__main__":
    with signals.unwinding():
        main()
