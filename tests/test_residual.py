"""The residual network and its statistics: values against PyTorch, SciPy and numpy, and limits."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dct

from research.data.front_ends.mel import MelConfig
from research.errors import InputError
from research.models.network import Network, Variables
from research.models.residual import ResidualConfig
from research.models.texture import texture
from research.training.loop import StepConfig, start_state, train_step
from research.training.optimiser import LearningRate

pytestmark = pytest.mark.usefixtures("full_products")

SMALL = ResidualConfig(stem=2, widths=(3,), hidden=4)
SHAPE, CLASSES = (16, 32), 3

apply = jax.jit(Network.__call__)
apply_training = jax.jit(Network.apply_training)


def wave(*shape: int, rate: float) -> np.ndarray:
    """Numbers without a pattern, the same in PyTorch."""
    return np.sin(rate * np.arange(1, math.prod(shape) + 1)).reshape(shape).astype(np.float32)


def segments() -> np.ndarray:
    """A steady segment and one that gets louder."""
    x = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    x[1] *= np.linspace(0, 1, SHAPE[0])[:, None]
    return x


def small() -> Network:
    """A small network that was not trained."""
    return Network.init(SMALL, SHAPE, CLASSES, 0)


def test_it_has_as_many_parameters_as_described():
    stem = 5 * 5 * 16 + 2 * 16
    blocks = [
        9 * a * b + 9 * b * b + a * b + 4 * b for a, b in itertools.pairwise((16, 32, 64, 128))
    ]
    head = 2 * 256 + 256 * 10 + 10
    statistics = 5 * 128 - 1 + 2 * 30 + 210 + 9 * 16
    statistics_branch = 2 * statistics + statistics * 192 + 2 * 192 + 192 * 10 + 10
    counted = stem + sum(blocks) + head + statistics_branch
    network = Network.shapes(ResidualConfig(), (128, 128), 10)
    assert network.num_parameters == counted == 512_062


def test_it_equals_pytorch():
    # In float64: conv2d after XLA's "SAME" padding, batch_norm of running statistics, relu,
    # avg_pool2d of 2, mean over bins, mean and amax over frames, linear; log_softmax.
    params, stats = small().variables
    params = jax.tree.map(lambda leaf: 2 * wave(*leaf.shape, rate=0.9 + 0.1 * leaf.ndim), params)
    stats = jax.tree.map(lambda leaf: 1 + 0.5 * wave(*leaf.shape, rate=0.7), stats)
    logits, found = apply(small().with_variables(Variables(params, stats)), segments())
    picture = [[-50.611825, -15.454666, 36.906835], [-14.92765, 7.616031, 22.15222]]
    np.testing.assert_allclose(found["picture_logits"], picture, rtol=1e-5)
    of_texture = [[-2.43076, -1.895787, 1.026284], [3.693528, 5.920131, 1.992536]]
    np.testing.assert_allclose(found["texture_logits"], of_texture, rtol=1e-4)
    wanted = [[-45.528801, -27.682735, -0.040949], [-19.713276, -7.328134, -2.023837]]
    np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(logits, found["logits"])
    assert found["features"].shape == (2, 2 * 3 + 4)


def by_numpy(x: np.ndarray) -> np.ndarray:
    """Statistics of one segment in double precision, `[frames, bins]`."""
    num_frames = len(x)
    cepstrum = dct(x, axis=1, norm="ortho")[:, :30]
    covariance = np.cov(cepstrum[:, :20].T, bias=True)
    wide = np.stack([band.mean(1) for band in np.array_split(x, 16, axis=1)], axis=1)
    wide = (wide - wide.mean(0)) * np.hanning(num_frames)[:, None]
    spectrum = 160 / num_frames * np.abs(np.fft.fft(wide, axis=0))
    edges = sorted({round(edge) for edge in np.geomspace(1, num_frames // 2 + 1, 11)})
    rates = [spectrum[a:b].mean(0) for a, b in itertools.pairwise(edges)]
    change = np.diff(x, axis=0)

    def deviation(values):
        return np.sqrt(values.var(0) + 1e-6)

    return np.concatenate(
        [
            x.mean(0),
            deviation(x),
            cepstrum.mean(0),
            [covariance[i, j] for i in range(20) for j in range(i, 20)],
            deviation(np.diff(cepstrum, axis=0)),
            np.log(np.concatenate(rates) + 0.05),
            np.abs(change).mean(0),
            np.abs(np.diff(x, axis=1)).mean(0),
            deviation(np.maximum(change, 0)),
        ]
    )


@pytest.mark.parametrize("shape", [(128, 128), (16, 32), (8, 48)], ids=str)
def test_statistics_equal_numpys(shape):
    x = np.random.default_rng(1).random((2, *shape), np.float32) ** 2
    found = jax.jit(texture)(x)
    wanted = np.stack([by_numpy(np.float64(segment)) for segment in x])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_statistics_of_silence_are_finite():
    assert np.isfinite(jax.jit(texture)(np.zeros((1, 16, 32), np.float32))).all()


def test_both_branches_are_trained_apart():
    network, x, key = small(), segments(), jax.random.key(0)
    variables = network.variables

    def head(number):
        def loss(params):
            changed = network.with_variables(variables._replace(params=params))
            _, heads, _ = changed.apply_training(x, key)
            assert heads.shape == (2, 2, CLASSES)
            return jax.nn.log_softmax(heads[number])[:, 0].sum()

        gradient = jax.jit(jax.grad(loss))(variables.params)
        return {name for name in gradient if any(map(np.any, jax.tree.leaves(gradient[name])))}

    of_texture = {"hidden", "hidden_norm", "texture_head"}
    assert head(0) == variables.params.keys() - of_texture - {"texture_norm"}
    assert head(1) - {"texture_norm"} == of_texture


def test_the_loss_of_a_step_is_the_mean_over_the_branches():
    network = small()
    x, label, key = jnp.asarray(segments()), jnp.asarray([0, 2]), jax.random.key(0)
    wanted = []
    _, dropout_key = jax.random.split(jax.random.fold_in(key, 0))
    _, heads, _ = apply_training(network, x, dropout_key)
    for head in np.asarray(heads, np.float64):
        log_probs = head - np.log(np.exp(head).sum(1, keepdims=True))
        wanted.append(-log_probs[[0, 1], [0, 2]].mean())
    config = StepConfig(spectrogram=MelConfig())
    state = train_step(
        start_state(network, config),
        x,
        label,
        key,
        LearningRate.of(0.0, num_steps=1),
        num_classes=CLASSES,
        config=config,
    )
    assert float(state.totals["loss"]) / 2 == pytest.approx(np.mean(wanted), rel=1e-5)
    assert abs(wanted[0] - wanted[1]) > 1e-3


def test_training_changes_running_statistics_and_not_the_standardisation():
    _, _, stats = apply_training(small(), segments(), jax.random.key(0))
    for name, before in small().variables.stats.items():
        same = jax.tree.map(np.array_equal, before, stats[name])
        assert all(jax.tree.leaves(same)) == (name == "standardise")


@pytest.mark.parametrize("shape", [(15, 128), (128, 29), (3, 32)], ids=str)
def test_segments_that_are_too_small_are_refused(shape):
    with pytest.raises(InputError, match=r"too small; it takes 16 by 30") as error:
        Network.init(ResidualConfig(), shape, CLASSES, 0)
    assert "config.segments.seconds" in str(error.value)
