"""Phase recovery against librosa, against a tree grown by scipy, and by what it gains."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
from compiling import compilations
from scipy import optimize, signal, sparse
from scipy.sparse import csgraph

from research.audio import phase
from research.audio.phase import (
    PhaseConfig,
    griffin_lim,
    random_phase,
    recover_phase,
    spectral_convergence,
    window_coverage,
)
from research.audio.phase_gradient import gradient_phase, phase_gradient, window_gamma
from research.audio.stft import StftConfig, istft, magnitude, stft
from research.audio.waveform import Waveform, load_waveform, match_channels, resample

STFT = StftConfig(1024, 256)
SMALL = StftConfig(64, 16)
gradient_phase_jit = jax.jit(gradient_phase, static_argnums=1)
# What librosa calls its source of random numbers, before and since version 1.
SEED = "random_state" if librosa.__version__.startswith("0.") else "rng"


@pytest.fixture(scope="module")
def target(chord):
    """The chord's magnitude, `[frames, bins]`."""
    return np.asarray(magnitude(stft(chord, STFT)))


def recover(target, seed=0, config=STFT, content=None, length=22050, **phase):
    """`recover_phase` of a second at 22050 Hz, as numpy."""
    waveform = recover_phase(
        target,
        jax.random.key(seed),
        stft_config=config,
        config=PhaseConfig(**phase),
        length=length,
        content=content,
    )
    return np.asarray(waveform)


def random_magnitudes(*shape):
    return np.random.default_rng(63).uniform(0.01, 1.0, shape).astype(np.float32)


def turned(angle):
    """An angle in (-pi, pi]."""
    return np.angle(np.exp(1j * np.asarray(angle, np.float64)))


def from_the_same_phase(target, num_iterations, momentum):
    """Waveforms by librosa, in float64, and by `griffin_lim`, from librosa's own random start."""
    by_librosa = librosa.griffinlim(
        target.T.astype(np.float64),
        n_iter=num_iterations,
        hop_length=STFT.hop_length,
        momentum=momentum,
        length=22050,
        dtype=np.float64,
        **{SEED: np.random.default_rng(7)},
    )
    start = np.exp(2j * np.pi * np.random.default_rng(7).random(target.T.shape)).T
    result = griffin_lim(
        target,
        start.astype(np.complex64),
        STFT,
        length=22050,
        num_iterations=num_iterations,
        momentum=momentum,
    )
    return by_librosa, result


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_griffin_lim_equals_librosa_from_the_same_phase(target, momentum):
    expected, result = from_the_same_phase(target, 3, momentum)
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("num_iterations", [0, 1, 20])
@pytest.mark.parametrize("num_samples", [None, 3000])
def test_accelerators_iterate_in_one_program(monkeypatch, num_iterations, num_samples):
    length, config = 4000, StftConfig(n_fft=256, hop_length=64)
    target = random_magnitudes(2, config.num_frames(length), config.num_bins)
    if num_samples:
        target[:, config.num_frames(num_samples) :] = 0
    start = np.exp(1j * np.pi * random_magnitudes(*target.shape))
    chosen = {"length": length, "num_iterations": num_iterations, "momentum": 0.9}
    arguments = target, start.astype(np.complex64), config
    wanted = griffin_lim(*arguments, **chosen, num_samples=num_samples)
    monkeypatch.setattr(phase.jax, "default_backend", lambda: "gpu")
    with compilations() as programs:
        found = griffin_lim(*arguments, **chosen, num_samples=num_samples)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    assert programs == ["jit(_in_one_program)"]


def test_plain_griffin_lim_converges_as_far_as_librosa(target):
    expected, result = (
        spectral_convergence(waveform.astype(np.float32), target, STFT)
        for waveform in from_the_same_phase(target, 100, 0.0)
    )
    assert abs(result - expected) < 0.5, (result, expected)


def test_fast_griffin_lim_beats_plain(target):
    fast, plain = (
        recover(target, start="random", num_iterations=100, momentum=momentum)
        for momentum in (0.99, 0.0)
    )
    gained = spectral_convergence(plain, target, STFT) - spectral_convergence(fast, target, STFT)
    assert gained > 1.0, gained


def test_random_phase_takes_every_direction_alike():
    phase = np.asarray(random_phase(jax.random.key(0), (100, 100)))
    np.testing.assert_allclose(np.abs(phase), 1.0, atol=1e-5)
    counts, _ = np.histogram(np.angle(phase), bins=8, range=(-np.pi, np.pi))
    assert 1100 < counts.min() <= counts.max() < 1400  # 1250 each, give or take 33.


def test_random_start_depends_on_nothing_but_the_key(target):
    first, again, other = (
        recover(target, seed, start="random", num_iterations=2) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.linalg.norm(first - other) > 0.5 * np.linalg.norm(first)


@pytest.mark.parametrize("num_iterations", [0, 5])
def test_content_start_of_the_true_signal_is_the_signal(target, chord, num_iterations):
    result = recover(target, start="content", content=chord, num_iterations=num_iterations)
    np.testing.assert_allclose(result, chord, atol=1e-4)


def test_content_start_lends_phase_and_not_magnitude(target, chord):
    result = recover(target, start="content", content=0.25 * chord, num_iterations=0)
    np.testing.assert_allclose(result, chord, atol=1e-4)


def test_content_start_without_content_is_an_error(target):
    with pytest.raises(ValueError, match="content"):
        recover(target, start="content")


def test_no_iterations_keep_the_gradient_phase_which_is_the_default():
    config, length = SMALL, 176
    target = random_magnitudes(2, 12, 33)
    expected = istft(target * gradient_phase_jit(target, config), config, length)
    result = recover(target, config=config, length=length, num_iterations=0)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_spectral_convergence_by_hand(chord, target):
    # |STFT| is linear in scale: 1.1 times the target misses it by a tenth, -20 dB.
    both = jnp.stack([1.1 * chord, 0.0 * chord])
    result = spectral_convergence(both, jnp.stack([target, target]), STFT)
    np.testing.assert_allclose(result, [-20.0, 0.0], atol=1e-3)


@pytest.mark.parametrize("offset", [0.0, 0.2, 0.5, -0.4])
def test_phase_gradient_of_a_sinusoid_is_its_advance_a_hop(offset):
    frequency = (60 + offset) / STFT.n_fft  # Turns a sample, near bin 60.
    x = np.cos(2 * np.pi * frequency * np.arange(16384) + 0.7).astype(np.float32)
    along_time, _ = phase_gradient(magnitude(stft(x, STFT)), STFT)
    peak = round(60 + offset)
    advance = 2 * np.pi * frequency * STFT.hop_length
    # Hann is not quite Gaussian: 0.02 rad; taking no account of the offset costs up to 0.8 rad.
    assert np.abs(turned(np.asarray(along_time)[8:-8, peak] - advance)).max() < 0.03


@pytest.mark.parametrize("offset", [0, 40, -64])
def test_phase_gradient_of_a_click_is_its_place_in_the_frame(offset):
    x = np.zeros(8192, np.float32)
    x[16 * STFT.hop_length + offset] = 1.0  # Frame 16 is centred on sample 16 hops.
    _, along_bins = phase_gradient(magnitude(stft(x, STFT)), STFT)
    place = STFT.n_fft / 2 + offset
    expected = -2 * np.pi * place / STFT.n_fft
    assert np.abs(turned(np.asarray(along_bins)[16] - expected)).max() < 0.03


def grid_edges(target, config):
    """Neighbours in time and in frequency: where from, where to, and the change of phase."""
    along_time, along_bins = (np.asarray(x, np.float64) for x in phase_gradient(target, config))
    nodes = np.arange(target.size).reshape(target.shape)
    start = np.concatenate([nodes[:-1].ravel(), nodes[:, :-1].ravel()])
    end = np.concatenate([nodes[1:].ravel(), nodes[:, 1:].ravel()])
    in_time = (along_time[:-1] + along_time[1:]) / 2
    in_frequency = (along_bins[:, :-1] + along_bins[:, 1:]) / 2
    return start, end, np.concatenate([in_time.ravel(), in_frequency.ravel()])


def graph(start, end, weight, size):
    return sparse.coo_array((weight, (start, end)), shape=(size, size)).tocsr()


def tree_phase(target, config):
    """Phase along the maximum spanning tree, in float64 by scipy, from bin 0 of frame 0."""
    start, end, change = grid_edges(target, config)
    log = np.log(target.astype(np.float64)).ravel()
    loudness = 3 * np.minimum(log[start], log[end]) + np.maximum(log[start], log[end])
    assert np.diff(np.sort(loudness)).min() > 2e-6  # Distinct in float32 too: one tree only.
    cost = 1.0 + loudness.max() - loudness  # Positive: zero is no edge for scipy.
    tree = csgraph.minimum_spanning_tree(graph(start, end, cost, target.size))
    order, before = csgraph.breadth_first_order(tree, 0, directed=False)
    known = dict(zip(zip(start, end, strict=True), change, strict=True))
    known |= {(b, a): -change for (a, b), change in known.items()}
    phase = np.zeros(target.size)
    for node in order[1:]:
        phase[node] = phase[before[node]] + known[before[node], node]
    return phase.reshape(target.shape)


def test_gradient_phase_follows_the_maximum_spanning_tree():
    target = random_magnitudes(2, 12, 33)
    phase = np.asarray(gradient_phase_jit(target, SMALL))
    np.testing.assert_allclose(np.abs(phase), 1.0, atol=1e-5)
    for item, magnitudes in zip(phase, target, strict=True):
        apart = turned(np.angle(item) - tree_phase(magnitudes, SMALL))
        assert np.abs(turned(apart - apart[0, 0])).max() < 1e-3


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_gradient_phase_reaches_every_bin_among_equally_loud_ones(levels):
    target = np.random.default_rng(5).integers(1, levels, (12, 33), endpoint=True)
    target = target.astype(np.float32)
    phase = np.angle(gradient_phase_jit(target, SMALL)).ravel()
    start, end, change = grid_edges(target, SMALL)
    followed = np.abs(turned(phase[end] - phase[start] - change)) < 1e-4
    trees, _ = csgraph.connected_components(graph(start, end, followed, target.size))
    assert trees == 1


def test_gradient_phase_of_a_batch_is_that_of_its_items():
    target = random_magnitudes(2, 2, 12, 33)
    batched = np.asarray(gradient_phase_jit(target, SMALL))
    for items, magnitudes in zip(batched, target, strict=True):
        apart = np.angle(items / np.asarray(gradient_phase_jit(magnitudes, SMALL)))
        assert np.abs(turned(apart - apart[:, :1, :1])).max() < 1e-3


def test_silence_has_a_finite_phase_and_no_sound():
    silence = np.zeros((2, 12, 33), np.float32)
    assert np.isfinite(gradient_phase_jit(silence, SMALL)).all()
    # Its phase is that of zero.
    content = np.zeros((2, 176), np.float32)
    result = recover(
        silence, config=SMALL, start="content", num_iterations=3, content=content, length=176
    )
    np.testing.assert_array_equal(result, content)


def test_gradient_start_ends_better_than_random_start_on_music(recording):
    loaded = load_waveform(recording)
    start = Waveform(loaded.samples[:, : 2 * loaded.sample_rate], loaded.sample_rate)
    waveform = match_channels(resample(start, 22050).samples, 1)[0]
    config = StftConfig()
    target = magnitude(stft(waveform, config))
    ends = {}
    for name in ("random", "phase_gradient"):
        result = recover(target, config=config, start=name, num_iterations=32, length=44100)
        ends[name] = float(spectral_convergence(result, target, config))
    assert ends["random"] - ends["phase_gradient"] >= 4.0, ends


@pytest.mark.parametrize(
    "window", ["hann", "hamming", "blackman", "nuttall", "blackmanharris", "cosine", "triang"]
)
@pytest.mark.parametrize("win_length", [0, 300])
def test_gamma_is_that_of_the_gaussian_nearest_to_the_window(window, win_length):
    length = win_length or 1024
    values = np.pad(signal.get_window(window, length), 4 * length)
    time = np.arange(values.size) - values.size // 2

    def miss(ratio: float) -> float:
        gaussian = np.exp(-np.pi * np.square(time) / (ratio * length**2))
        return np.square(values / values.max() - gaussian).sum()

    fitted = optimize.minimize_scalar(miss, bounds=(0.01, 3.0), method="bounded")
    config = StftConfig(1024, 128, window, win_length)
    assert window_gamma(config) == pytest.approx(fitted.x * length**2, rel=0.01)


def test_gamma_of_known_windows():
    """As LTFAT's `pghi_findgamma` has them."""
    for window, ratio in (("hann", 0.25645), ("hamming", 0.29794), ("blackman", 0.17954)):
        assert window_gamma(StftConfig(2048, 512, window)) == ratio * 2048**2


@pytest.mark.parametrize(
    ("window", "win_length"), [("hann", 1024), ("blackman", 2048), ("hamming", 1024)]
)
def test_gradient_phase_of_music_with_other_windows(clips, window, win_length):
    loaded = load_waveform(clips["piano"])
    start = Waveform(loaded.samples[:, : 3 * loaded.sample_rate], loaded.sample_rate)
    waveform = match_channels(resample(start, 22050).samples, 1)[0]
    config = StftConfig(2048, 256, window, win_length)
    target = magnitude(stft(waveform, config))
    result = recover(target, config=config, num_iterations=0, length=waveform.size)
    assert spectral_convergence(result, target, config) < -15.0


def test_coverage_of_windows_by_hand():
    assert window_coverage(StftConfig(1024, 256)) == pytest.approx(1.0)
    assert window_coverage(StftConfig(1024, 512)) == pytest.approx(0.5)  # 2 (1/2)^2 of 1.
    assert window_coverage(StftConfig(1024, 512, win_length=512)) == pytest.approx(0.0, abs=1e-9)
    assert window_coverage(StftConfig(512, 430)) < 0.01 < window_coverage(StftConfig(512, 258))
