"""Checkpoints: what comes back, which are kept, and damage."""

import gc
import json
import pathlib
import resource
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.errors import InputError
from research.training.checkpoints import Checkpoints

# Orbax leaves coroutines behind where it could not read; they complain when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

HISTORY = [
    {"epoch": 1, "step": 3, "loss": 0.1 + 0.2, "accuracy": 1 / 3, "seconds": 1e-9},
    {"epoch": 2, "step": 5, "loss": 5e-324, "accuracy": 1.0, "seconds": 1e300},
]


def make_state(seed: int = 0, rows: int = 300):
    """Parameters large enough for files of their own, Adam's moments and a number of steps."""
    rng = np.random.default_rng(seed)
    params = {
        "convs": {0: {"kernel": jnp.asarray(rng.normal(size=(rows, 40)), jnp.float32)}},
        "bias": jnp.asarray(rng.normal(size=7), jnp.float32),
    }
    _, optimiser = optax.scale_by_adam().update(params, optax.scale_by_adam().init(params))
    return {"params": params, "stats": {}, "optimiser": optimiser, "step": jnp.int32(seed)}


def assert_same_bits(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.fixture(scope="module", autouse=True)
def frozen():
    """What other modules left behind, which may be a lot, is not looked through after each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def collected():
    """What a test left behind is collected before the next one."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with the checkpoints 3, the best, and 5, the latest; only for reading."""
    folder = tmp_path_factory.mktemp("kept") / "checkpoints"
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(3, make_state(3), 0.9, HISTORY[:1])
        checkpoints.save(5, make_state(5), 0.5, HISTORY)
    return folder


def test_state_and_history_come_back_to_the_bit(kept):
    with Checkpoints(kept) as checkpoints:
        assert (checkpoints.latest, checkpoints.best) == (5, 3)
        for step, history in ((3, HISTORY[:1]), (5, HISTORY)):
            state, history_found = checkpoints.load(step, make_state())
            assert_same_bits(state, make_state(step))
            assert history_found == history


def test_what_was_just_saved_can_be_loaded_and_odd_numbers_too(tmp_path):
    odd = {"numbers": jnp.array([np.nan, -0.0, np.inf, 1e-45], jnp.float32)}
    with Checkpoints(tmp_path / "made") as checkpoints:
        checkpoints.save(1, odd, 0.0, [])
        state, history = checkpoints.load(1, odd)
    assert_same_bits(state, odd)
    assert history == []


def test_an_empty_folder_has_neither_latest_nor_best(tmp_path):
    with Checkpoints(tmp_path / "made") as checkpoints:
        assert (checkpoints.latest, checkpoints.best) == (None, None)
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([0.5, 0.9, 0.7, 0.1], [1, 2, 2, 2]),
        ([0.1, 0.2, 0.3], [1, 2, 3]),
        ([0.5, 0.5, 0.4, 0.5], [1, 2, 2, 4]),  # Of equals, the latest.
        ([0.0, 0.0], [1, 2]),
        ([-1.0, -2.0], [1, 1]),
    ],
)
def test_the_latest_two_and_the_best_are_kept_and_no_others(tmp_path, scores, wanted):
    state = {"number": jnp.zeros(2)}
    with Checkpoints(tmp_path) as checkpoints:
        for step, (score, best) in enumerate(zip(scores, wanted, strict=True), 1):
            checkpoints.save(step, state, score, [])
            assert (checkpoints.latest, checkpoints.best) == (step, best)
            folders = {int(path.name) for path in tmp_path.iterdir() if path.is_dir()}
            assert folders == {step, max(step - 1, 1), best}
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.latest, checkpoints.best) == (len(scores), wanted[-1])


def damage(path: pathlib.Path, how: str) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    if how == "gone":
        path.unlink()
    elif how == "flipped":
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    else:
        path.write_bytes(data[: {"emptied": 0, "halved": middle, "short by one": -1}[how]])


def outcome(folder: pathlib.Path, step: int, wanted) -> str:
    """What becomes of opening and loading."""
    try:
        with Checkpoints(folder) as checkpoints:
            assert checkpoints.latest is not None
            assert checkpoints.best is not None
            state, _ = checkpoints.load(step, make_state())
    except InputError as error:
        line = str(error)
        return "reported" if str(folder) in line and "\n" not in line else f"reported badly: {line}"
    except Exception as error:  # Whatever is no message to a user.
        return f"raised {type(error).__name__}: {error}"
    assert_same_bits(state, wanted)
    return "equal"


@pytest.mark.parametrize("how", ["emptied", "halved", "short by one", "flipped", "gone"])
@pytest.mark.parametrize("part", ["state", "metrics", "the rest"])
def test_damage_to_any_file_is_reported_or_harmless(kept, tmp_path, part, how):
    parts = {"state": [], "metrics": [], "the rest": []}
    for path in sorted(path for path in (kept / "5").rglob("*") if path.is_file()):
        name = path.relative_to(kept / "5")
        parts[name.parts[0] if name.parts[0] in parts else "the rest"].append(name)
    outcomes = {}
    for number, name in enumerate(parts[part]):
        folder = tmp_path / str(number)
        shutil.copytree(kept, folder)
        damage(folder / "5" / name, how)
        outcomes[str(name)] = outcome(folder, 5, make_state(5))
    assert outcomes
    assert set(outcomes.values()) <= {"reported", "equal"}, json.dumps(outcomes, indent=1)
    if part == "state" and how != "short by one":
        assert "reported" in outcomes.values()


def test_a_damaged_latest_leaves_the_best_to_be_loaded(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "copy")
    largest = max((tmp_path / "copy" / "5").rglob("*"), key=lambda path: path.stat().st_size)
    damage(largest, "halved")
    with Checkpoints(tmp_path / "copy") as checkpoints:
        with pytest.raises(InputError, match="is damaged") as error:
            checkpoints.load(checkpoints.latest, make_state())
        assert str(tmp_path / "copy" / "5") in str(error.value)
        state, _ = checkpoints.load(checkpoints.best, make_state())
    assert_same_bits(state, make_state(3))
    shutil.rmtree(tmp_path / "copy" / "5")  # As the message says.
    with Checkpoints(tmp_path / "copy") as checkpoints:
        assert (checkpoints.latest, checkpoints.best) == (3, 3)


def test_whole_files_of_another_checkpoint_are_not_taken_for_its_own(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "5" / "state")
    shutil.copytree(kept / "3" / "state", tmp_path / "copy" / "5" / "state")
    assert outcome(tmp_path / "copy", 5, make_state(5)) == "reported"


def other_key(state):
    return state | {"params": {"convs": state["params"]["convs"], "shift": state["params"]["bias"]}}


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state | {"more": jnp.zeros(3)},
        lambda state: {key: value for key, value in state.items() if key != "step"},
        other_key,
        lambda state: state | {"step": jnp.zeros(2, jnp.int32)},
        lambda state: make_state(rows=299),
        lambda state: make_state(rows=301),
    ],
    ids=["more", "less", "renamed", "axes", "smaller", "larger"],
)
def test_another_structure_is_refused(kept, change):
    with Checkpoints(kept) as checkpoints, pytest.raises(InputError) as error:
        checkpoints.load(5, change(make_state()))
    assert str(kept / "5") in str(error.value)


def test_a_step_that_is_not_there_is_refused(kept):
    with Checkpoints(kept) as checkpoints, pytest.raises(InputError) as error:
        checkpoints.load(4, make_state())
    assert str(kept / "4") in str(error.value)


def test_a_half_written_checkpoint_of_a_killed_run_is_passed_over(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "copy")
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    shutil.copytree(kept / "5", tmp_path / "copy" / "7.orbax-checkpoint-tmp")
    with Checkpoints(tmp_path / "copy") as checkpoints:
        assert (checkpoints.latest, checkpoints.best) == (5, 3)
        checkpoints.save(7, make_state(7), 1.0, HISTORY)
        assert (checkpoints.latest, checkpoints.best) == (7, 7)
        assert_same_bits(checkpoints.load(7, make_state())[0], make_state(7))
    assert {path.name for path in (tmp_path / "copy").iterdir()} == names - {"3", ".3.json"} | {
        "7",
        ".7.json",
    }


def test_a_disk_that_is_full_is_told_once(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    words = r"a checkpoint cannot be written to .*/checkpoints \(.*\)$"
    try:
        with (
            pytest.raises(InputError, match=words) as error,
            Checkpoints(tmp_path / "checkpoints") as checkpoints,
        ):
            checkpoints.save(3, make_state(3), 0.5, HISTORY)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # Longer files fail.
            checkpoints.save(5, make_state(5), 0.5, HISTORY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.latest == 3
        assert_same_bits(checkpoints.load(3, make_state())[0], make_state(3))
