"""The training loop: what it learns and compiles, that it is reproducible, and its errors."""

import dataclasses
import functools
import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data.batches import Batch
from research.errors import InputError
from research.models.multi_channel import MultiChannelConfig
from research.models.network import Network, Variables
from research.models.single_channel import SingleChannelConfig
from research.training.augment import AugmentConfig
from research.training.checkpoints import Checkpoints
from research.training.config import TrainConfig
from research.training.evaluation import log_probabilities
from research.training.loop import (
    StepConfig,
    fit,
    from_saved,
    no_totals,
    start_state,
    to_saved,
    train_step,
    widen,
)
from research.training.optimiser import LearningRate
from research.training.sharding import make_mesh, replicate

SHAPE, CLASSES = (16, 9), 3
MULTI = MultiChannelConfig(num_filters=(4, 4), width=3)
SINGLE = SingleChannelConfig(num_filters=(4, 4), width=3, num_features=12, dropout=0.0)


@dataclasses.dataclass(frozen=True)
class Batches:
    """Random segments with random labels, in memory, repeated in one order."""

    seed: int = 0
    count: int = 16
    batch_size: int = 8
    rounds: int = 1  # As many make an epoch.

    @functools.cached_property
    def all(self) -> Batch:
        """Every segment."""
        rng = np.random.default_rng(5)
        spectrogram = rng.gamma(0.5, 2.0, size=(self.count, *SHAPE)).astype(np.float16)
        return Batch(spectrogram, rng.integers(0, CLASSES, self.count, np.int32))

    def epoch_end(self, epoch: int) -> int:
        """Steps after which each segment was used often enough."""
        return -(-epoch * self.rounds * self.count // self.batch_size)

    def __call__(self, step: int) -> Batch:
        """Batch number `step`, from 0."""
        chosen = (step * self.batch_size + np.arange(self.batch_size)) % self.count
        return Batch(self.all.spectrogram[chosen], self.all.label[chosen])


def run(
    folder, model=MULTI, batches=Batches(), num_epochs=3, learning_rate=0.01, recipe=None, **options
):
    """A fit into a folder: its latest state, the history there, and the steps latest and best."""
    config = TrainConfig(num_epochs=num_epochs, learning_rate=learning_rate, **recipe or {})
    network = Network.init(model, SHAPE, CLASSES, batches.seed)
    mesh = make_mesh(batches.batch_size)
    # A fit may give away the arrays that it starts from.
    like = replicate(start_state(jax.tree.map(jnp.copy, network), StepConfig.of(config)), mesh)
    with Checkpoints(folder) as checkpoints:
        fit(
            network,
            batches,
            num_classes=CLASSES,
            config=config,
            mesh=mesh,
            checkpoints=checkpoints,
            **options,
        )
        saved, history = checkpoints.load(checkpoints.latest, to_saved(like))
        return from_saved(saved, like), history, checkpoints.latest, checkpoints.best


def untimed(history):
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]


def assert_same_bits(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize("model", [MULTI, SINGLE], ids=lambda model: model.name)
def test_a_network_fits_sixteen_segments(tmp_path, model):
    batches = Batches(rounds=30)
    state, history, *_ = run(tmp_path, model, batches, num_epochs=2, learning_rate=0.02)
    found = log_probabilities(state.network, batches.all.spectrogram)
    np.testing.assert_array_equal(np.argmax(found, axis=1), batches.all.label)
    assert history[-1]["loss"] < 0.1 < history[0]["loss"]
    assert history[-1]["accuracy"] == 1.0


def wave(*shape: int, rate: float) -> np.ndarray:
    """Numbers without a pattern, the same in PyTorch."""
    return np.sin(rate * np.arange(1, math.prod(shape) + 1)).reshape(shape).astype(np.float32)


def step_once(state, spectrogram, label, seed=0, learning_rate=0.01, **recipe):
    """The state after a step of a constant learning rate."""
    return train_step(
        state,
        jnp.asarray(spectrogram),
        jnp.asarray(label),
        jax.random.key(seed),
        LearningRate.of(learning_rate, num_steps=1),
        num_classes=CLASSES,
        config=StepConfig(**recipe),
    )


def known_start(**recipe):
    """A state and a batch, the same in PyTorch."""
    config = MultiChannelConfig(num_filters=(3, 4), width=4)
    network = Network.init(config, (10, 5), CLASSES, 0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.5 * wave(*leaf.shape, rate=0.9 + 0.1 * leaf.ndim)),
        network.variables.params,
    )
    state = start_state(network.with_variables(Variables(params, {})), StepConfig(**recipe))
    return state, wave(2, 10, 5, rate=1.3), np.int32([2, 0])


@pytest.mark.usefixtures("full_products")
def test_three_steps_are_those_of_adam_in_pytorch():
    # cross_entropy of the network as in test_models.py, torch.optim.Adam(lr=0.01), in float64.
    state, x, label = known_start()
    total = 0.0
    for loss in (1.1561378348, 1.0066011251, 0.8833614748):
        state = step_once(state, x, label)
        total += 2 * loss
        assert float(state.totals["loss"]) == pytest.approx(total, rel=1e-5)
    assert (int(state.step), float(state.totals["seen"])) == (3, 6.0)
    head = [
        [0.475602, 0.374528, -0.052136],
        [-0.445779, -0.382765, 0.185745],
        [0.465435, 0.263405, -0.199901],
        [-0.499995, -0.224824, 0.296037],
        [0.522895, 0.12173, -0.327837],
        [-0.504264, -0.104516, 0.436842],
        [0.414887, -0.032109, -0.418596],
        [-0.401628, 0.08324, 0.477143],
    ]
    np.testing.assert_allclose(state.network.variables.params["head"]["kernel"], head, atol=2e-5)
    logits, _ = state.network(x)
    wanted = [[-0.257627, 0.034113, 0.633771], [0.625501, 0.43053, 0.098376]]
    np.testing.assert_allclose(logits, wanted, atol=1e-4)


LOSSES = (1.1464800176, 1.0384711085, 0.8970442081)
# First two rows of the last kernel, and the last bias.
WEIGHTS = [
    [0.472694, 0.362708, -0.045342],
    [-0.433235, -0.381417, 0.187698],
    [0.455507, 0.41978, 0.104745],
]
AVERAGES = [
    [0.470276, 0.366376, -0.047984],
    [-0.436966, -0.378867, 0.184877],
    [0.452406, 0.422889, 0.101783],
]


@pytest.mark.usefixtures("full_products")
def test_three_steps_of_the_whole_recipe_are_those_of_adamw_in_pytorch():
    # As above: torch.optim.AdamW(betas=(0.9, 0.999), weight_decay=0.5) on kernels and 0 on biases,
    # cross_entropy(label_smoothing=0.3), lr of 0.01, 0.02 and 0.005; AveragedModel whose avg_fn is
    # old + (1 - k) (new - old), k = 2/11, 3/12 and then 0.3.
    recipe = {"weight_decay": 0.5, "label_smoothing": 0.3, "averaging": 0.3}
    state, x, label = known_start(**recipe)
    total = 0.0
    for rate, loss in zip((0.01, 0.02, 0.005), LOSSES, strict=True):
        state = step_once(state, x, label, learning_rate=rate, **recipe)
        total += 2 * loss
        assert float(state.totals["loss"]) == pytest.approx(total, rel=1e-5)
    for kept, wanted in ((state.network.variables, WEIGHTS), (state.average, AVERAGES)):
        np.testing.assert_allclose(kept.params["head"]["kernel"][:2], wanted[:2], atol=2e-5)
        np.testing.assert_allclose(kept.params["head"]["bias"], wanted[2], atol=2e-5)
    assert_same_bits(state.kept.variables, state.average)


def test_the_average_is_what_is_validated(tmp_path):
    seen = []

    def validate(network):
        seen.append(jax.tree.map(np.array, network.variables))
        return {"validation_accuracy": 0.5}

    state, *_ = run(tmp_path, recipe={"averaging": 0.5}, validate=validate)
    assert_same_bits(seen[-1], state.average)
    assert np.any(
        seen[-1].params["head"]["kernel"] != state.network.variables.params["head"]["kernel"]
    )


def losses_at_rest(model, num_steps=3, seed=0, **recipe):
    """The loss of each step on one batch at a learning rate of 0."""
    state = start_state(Network.init(model, SHAPE, CLASSES, 0), StepConfig(**recipe))
    totals = [0.0]
    spectrogram, label = Batches()(0)
    for _ in range(num_steps):
        state = step_once(state, np.float32(spectrogram), label, seed, 0.0, **recipe)
        totals.append(float(state.totals["loss"]))
    return np.diff(totals)


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        (dataclasses.replace(MULTI, dropout=0.5), {}),
        (dataclasses.replace(SINGLE, dropout=0.5), {}),
        (MULTI, {"augment": AugmentConfig(gain_db=6.0)}),
    ],
    ids=["dropout", "dropout of single_channel", "augmentation"],
)
def test_random_numbers_depend_on_the_step_and_the_seed(model, recipe):
    first = losses_at_rest(model, **recipe)
    assert len(set(np.round(first, 4))) == len(first)
    np.testing.assert_array_equal(first, losses_at_rest(model, **recipe))
    assert np.all(np.abs(first - losses_at_rest(model, seed=1, **recipe)) > 1e-4)


def test_nothing_is_random_without_dropout_and_augmentation():
    np.testing.assert_allclose(losses_at_rest(MULTI), losses_at_rest(MULTI)[0], rtol=1e-5)


def test_metrics_of_an_epoch_are_means_over_its_segments(tmp_path):
    batches, entries = Batches(count=20), []
    state, history, *_ = run(
        tmp_path, batches=batches, num_epochs=2, learning_rate=1e-30, on_epoch=entries.append
    )
    assert entries == history
    log_probs = log_probabilities(state.network, batches.all.spectrogram)
    log_probs, label = np.float64(log_probs), batches.all.label
    loss, right = -log_probs[np.arange(20), label], log_probs.argmax(1) == label
    # The first epoch ends within the second round: 24 segments, and then 16 that complete it.
    for entry, seen in zip(history, (np.arange(24) % 20, np.arange(24, 40) % 20), strict=True):
        assert entry["loss"] == pytest.approx(loss[seen].mean(), rel=1e-4)
        assert entry["accuracy"] == pytest.approx(right[seen].mean())
    assert [(entry["epoch"], entry["step"]) for entry in history] == [(1, 3), (2, 5)]
    assert 0.0 < history[0]["seconds"] < history[1]["seconds"]


def test_the_step_compiles_once_for_epochs_seeds_rates_and_restarts(tmp_path):
    model = dataclasses.replace(MULTI, num_filters=(3, 5))  # Of no other test.
    before = train_step._cache_size()
    run(tmp_path / "one", model, num_epochs=3)
    run(tmp_path / "two", model, Batches(seed=1, count=20), num_epochs=2, learning_rate=0.02)
    run(tmp_path / "two", model, Batches(seed=1, count=20), num_epochs=4, learning_rate=0.02)
    assert train_step._cache_size() == before + 1


EVERYTHING = {
    "model": dataclasses.replace(MULTI, dropout=0.5, batch_norm=True),
    "batches": Batches(seed=3, count=20),  # Epochs of 3, 2 and 3 steps.
    "recipe": {
        "augment": AugmentConfig(gain_db=3.0, time_mask=4, frequency_mask=3, mixup=0.4),
        "schedule": "cosine",
        "warmup_epochs": 1,
        "weight_decay": 0.1,
        "label_smoothing": 0.1,
        "averaging": 0.9,
    },
}


class Stop(Exception):
    """Stops a fit as a kill does."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A whole fit with everything that is random."""
    return run(tmp_path_factory.mktemp("unbroken"), **EVERYTHING)


@pytest.mark.parametrize("stops", [[1], [3], [4], [8], [2, 4, 7]], ids=str)
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(tmp_path, unbroken, stops):
    for stop in stops:

        def on_step(step, stop=stop):
            if step == stop:
                raise Stop

        with pytest.raises(Stop):
            run(tmp_path, **EVERYTHING, on_step=on_step)
    resumed, steps, epochs = [], [], []
    state, history, latest, best = run(
        tmp_path,
        **EVERYTHING,
        on_resume=lambda history: resumed.append(list(history)),
        on_step=steps.append,
        on_epoch=epochs.append,
    )
    assert_same_bits(state, unbroken[0])
    assert untimed(history) == untimed(unbroken[1])
    assert (latest, best) == unbroken[2:] == (8, 8)
    done = max(step for step in (0, 3, 5) if step < stops[-1])  # Epochs that were kept.
    assert steps == list(range(done + 1, 9))
    assert len(resumed) == 1
    assert [entry["step"] for entry in resumed[0]] == [end for end in (3, 5) if end <= done]
    assert untimed(resumed[0] + epochs) == untimed(history)


def test_a_kill_between_the_log_and_the_checkpoint_repeats_the_epoch(tmp_path, unbroken):
    def on_epoch(entry):
        if entry["epoch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        run(tmp_path, **EVERYTHING, on_epoch=on_epoch)
    state, history, *_ = run(tmp_path, **EVERYTHING)
    assert_same_bits(state, unbroken[0])
    assert untimed(history) == untimed(unbroken[1])


def test_without_its_latest_checkpoint_a_fit_goes_on_from_the_best(tmp_path, unbroken):
    def validate():
        scores = iter([0.9, 0.5, 0.1])
        return lambda variables: {"validation_accuracy": next(scores)}

    wanted = run(tmp_path, **EVERYTHING, validate=validate())
    assert wanted[2:] == (8, 3)
    assert_same_bits(wanted[0], unbroken[0])  # Validation changes nothing,
    for step in ("8", "5"):
        shutil.rmtree(tmp_path / step, ignore_errors=True)
    again = run(tmp_path, **EVERYTHING, validate=lambda variables: {"validation_accuracy": 0.2})
    assert_same_bits(again[0], unbroken[0])  # nor does damage that was deleted.
    assert [entry["validation_accuracy"] for entry in again[1]] == [0.9, 0.2, 0.2]


def test_a_fit_that_is_done_does_nothing_more(tmp_path):
    wanted = run(tmp_path, num_epochs=2)
    steps = []
    again = run(tmp_path, num_epochs=2, on_step=steps.append, on_epoch=steps.append)
    assert steps == []
    assert_same_bits(again[0], wanted[0])
    assert again[1:] == wanted[1:]


@pytest.mark.parametrize(
    ("scores", "best"), [([0.2, 0.9, 0.5], 4), ([0.9, 0.9, 0.5], 4), ([0.0, 0.0, 0.0], 6)]
)
def test_validation_says_which_checkpoint_is_the_best(tmp_path, scores, best):
    given = iter(scores)
    seen = []

    def validate(network):
        seen.append(jax.tree.map(np.array, network.variables))
        return {"validation_loss": 2.5, "validation_accuracy": next(given)}

    state, history, latest, found = run(tmp_path, validate=validate)
    assert (latest, found) == (6, best)
    assert [entry["validation_accuracy"] for entry in history] == scores
    assert {entry["validation_loss"] for entry in history} == {2.5}
    assert_same_bits(seen[-1], state.network.variables)
    assert np.any(seen[0].params["head"]["kernel"] != seen[1].params["head"]["kernel"])


def test_without_validation_the_last_is_the_best(tmp_path):
    *_, latest, best = run(tmp_path)
    assert latest == best == 6


@pytest.mark.parametrize("learning_rate", [np.nan, 1e30], ids=["nan", "huge"])
def test_weights_that_are_not_finite_are_refused(tmp_path, learning_rate):
    with pytest.raises(InputError, match=r"config\.learning_rate$") as error:
        run(tmp_path, learning_rate=learning_rate)
    assert "after epoch 1 (loss nan)" in str(error.value)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest is None


def test_widening_half_precision_keeps_the_numbers():
    spectrogram = Batches().all.spectrogram
    wide = widen(spectrogram)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, spectrogram)


def test_the_state_before_the_first_step_is_adams():
    network = Network.init(MULTI, SHAPE, CLASSES, 0)
    state = start_state(network, StepConfig())
    assert_same_bits(
        state.optimiser["direction"], optax.scale_by_adam().init(network.variables.params)
    )
    assert (int(state.step), set(map(float, state.totals.values()))) == (0, {0.0})


def test_an_average_is_saved_only_where_there_is_one(tmp_path):
    network = Network.init(MULTI, SHAPE, CLASSES, 0)
    states = [start_state(network, StepConfig(averaging=kept)) for kept in (0.0, 0.5)]
    saved = [to_saved(state) for state in states]
    assert saved[1].keys() - saved[0].keys() == {"average"}
    with Checkpoints(tmp_path) as checkpoints:
        for step, (state, arrays) in enumerate(zip(states, saved, strict=True)):
            checkpoints.save(step, arrays, 0.0, [])
            found, _ = checkpoints.load(step, arrays)
            assert_same_bits(from_saved(found, state), state)
        for step in (0, 1):
            with pytest.raises(InputError):
                checkpoints.load(step, saved[1 - step])


def test_a_checkpoint_of_adams_own_state_is_resumed_and_used(tmp_path, unbroken):
    """Checkpoints that were written before the optimiser was an optax chain."""

    class Kill(Exception):
        pass

    def on_epoch(entry):
        raise Kill

    with pytest.raises(Kill):
        run(tmp_path / "new", **EVERYTHING, on_epoch=on_epoch)
    config = StepConfig.of(TrainConfig(**EVERYTHING["recipe"]))
    network = Network.init(EVERYTHING["model"], SHAPE, CLASSES, 0)
    like = to_saved(replicate(start_state(network, config), make_mesh(8)))
    with Checkpoints(tmp_path / "new") as checkpoints:
        saved, history = checkpoints.load(3, like)
    adam = saved["optimiser"]
    old = {
        "variables": {"params": saved["variables"].params, "stats": saved["variables"].stats},
        "optimiser": optax.ScaleByAdamState(jnp.int32(3), adam.mu, adam.nu),
        "step": jnp.int32(3),
        "totals": no_totals(),
        "average": saved["average"],
    }
    with Checkpoints(tmp_path / "old") as checkpoints:
        checkpoints.save(3, old, 0.5, history)
    state, *_ = run(tmp_path / "old", **EVERYTHING)
    assert_same_bits(state, unbroken[0])


def test_weights_that_are_not_finite_after_the_last_step_are_not_saved(tmp_path):
    one_step = Batches(count=8)
    with pytest.raises(InputError, match=r"config\.learning_rate$"):
        run(tmp_path, batches=one_step, num_epochs=1, learning_rate=np.nan)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest is None
