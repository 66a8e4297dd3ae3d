"""Sweeps: which takes there are, what they share, and that each is what it is alone."""

import dataclasses
import types

import numpy as np
import pytest

from configs import ablation_loss_weights
from configs.transfer import get_config
from research.audio.waveform import Waveform
from research.errors import InputError
from research.settings import freeze
from research.transfer import sweep
from research.transfer.config import ContentSweep, StyleSweep, SweepConfig, TransferConfig
from research.transfer.optimise import _run_chunk
from research.transfer.style_transfer import transfer
from research.transfer.sweep import combinations, prepare_each, transfer_each, with_settings

RATE = 22050

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def config_of(preset: str = "default", swept: SweepConfig | None = None) -> TransferConfig:
    """A preset of few steps and filters, with a sweep."""
    config = get_config(preset)
    config.num_iterations = 4
    config.optimiser.log_every = 2
    config.features.num_filters = 16
    config.phase.num_iterations = 3
    return dataclasses.replace(freeze(TransferConfig, config), sweep=swept or SweepConfig())


def noise(seconds: float, seed: int) -> Waveform:
    """Noise that comes and goes over a tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    hiss = np.random.default_rng(seed).standard_normal(time.size) * np.exp(-9 * (5 * time % 1))
    tone = np.sin(2 * np.pi * 110 * 2 ** (seed / 12) * time)
    return Waveform((0.1 * hiss + 0.1 * tone)[None].astype(np.float32), RATE)


CONTENT, STYLE = noise(0.5, 1), noise(0.6, 2)


def test_takes_are_all_combinations_the_last_key_the_fastest():
    swept = SweepConfig(
        style_weight=(1, 2.5),
        content=ContentSweep(chroma=(0.0, 3.0)),
        style=StyleSweep(bands=(1.0,)),
        seed=(0, 7),
    )
    found = combinations(swept)
    assert len(found) == 8
    assert [tuple(one.values()) for one in found[:3]] == [
        (1, 0.0, 1.0, 0),
        (1, 0.0, 1.0, 7),
        (1, 3.0, 1.0, 0),
    ]
    assert list(found[0]) == ["style_weight", "content.chroma", "style.bands", "seed"]
    assert combinations(SweepConfig()) == [{}]
    assert sweep.in_words(found[1]) == "style_weight=1, content.chroma=0, style.bands=1, seed=7"


def test_settings_take_the_place_of_the_values_of_a_config():
    config = config_of()
    changed = with_settings(config, {"style_weight": 9, "content.chroma": 0.5, "seed": 3})
    assert (changed.style_weight, changed.content.chroma, changed.seed) == (9, 0.5, 3)
    assert changed.content.harmonic == config.content.harmonic
    assert with_settings(config, {}) == config
    with pytest.raises(InputError, match=r"^config.sweep: style_amount is 3; give a number from 0"):
        with_settings(config, {"style_amount": 3})


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("seed", (0, 1.5), r"config\.sweep\.seed is 1\.5; give a whole number"),
        ("style_weight", ("1,x",), r"config\.sweep\.style_weight is '1,x'; give a number"),
        ("style_weight", (1.0, -1.0), r"config\.sweep\.style_weight is -1\.0; give a number"),
        ("style.bands", (), r"config\.sweep\.style\.bands is empty; give at least one number"),
        ("memory_gb", 0.0, r"config\.sweep\.memory_gb is 0\.0; give a number above 0"),
    ],
)
def test_values_that_are_none_are_told_with_their_key(key, values, message):
    config = get_config()
    config.sweep.update_from_flattened_dict({key: values})
    with pytest.raises(InputError, match=f"^{message}"):
        freeze(TransferConfig, config)


def test_the_ready_example_is_sixteen_takes_around_the_preset():
    for preset in ("default", "ulyanov"):
        chosen = freeze(TransferConfig, ablation_loss_weights.get_config(preset))
        assert len(combinations(chosen.sweep)) == 16
        assert chosen.style_weight in chosen.sweep.style_weight


def test_takes_have_the_terms_of_all_and_share_what_does_not_differ():
    swept = SweepConfig(content=ContentSweep(chroma=(0.0, 2.0)), seed=(0, 1))
    takes = combinations(swept)
    problems = list(prepare_each(CONTENT, STYLE, config_of(swept=swept), takes))
    assert [problem.weights["chroma"] for problem in problems] == [0.0, 0.0, 2.0, 2.0]
    assert all("chroma" in problem.objective.content for problem in problems)
    assert problems[0].targets is problems[2].targets and problems[0].start is problems[2].start
    assert np.abs(np.asarray(problems[0].start) - np.asarray(problems[1].start)).max() > 0
    # Those of a part are the same as among all: a sweep that was killed goes on with them.
    [last] = prepare_each(CONTENT, STYLE, config_of(swept=swept), takes[-1:])
    assert last.weights == problems[-1].weights
    assert last.objective == problems[-1].objective


@pytest.mark.parametrize(("preset", "on_each"), [("default", 3), ("ulyanov", 3), ("ulyanov", 1)])
def test_a_take_is_what_it_is_alone(preset, on_each, monkeypatch):
    swept = SweepConfig(style_weight=(0.5, 4.0), seed=(0, 1))
    config, takes = config_of(preset, swept), combinations(swept)
    find_room = sweep._find_room
    monkeypatch.setattr(
        sweep, "_find_room", lambda *given: find_room(*given)._replace(on_each=on_each)
    )
    problems = prepare_each(CONTENT, STYLE, config, takes)
    told = []
    results = list(transfer_each(problems, 4, 4.0, lambda done, steps: told.append((done, steps))))
    assert len(results) == 4
    for settings, result in zip(takes, results, strict=True):
        alone = transfer(CONTENT, STYLE, with_settings(config, settings))
        np.testing.assert_allclose(result.minimum.losses, alone.minimum.losses, rtol=2e-3)
        error = result.output.samples - alone.output.samples
        assert np.square(error).mean() < 1e-3 * np.square(alone.output.samples).mean()
        assert result.rendered_loss(result.output) == pytest.approx(
            alone.rendered_loss(alone.output), rel=1e-2
        )
    at_work = [min(on_each, 4 - done) for done in range(0, 4, on_each) for _ in range(2)]
    assert [len(steps) for _, steps in told] == at_work
    assert [done for done, _ in told] == [d for d in range(0, 4, on_each) for _ in range(2)]


def test_other_and_more_weights_compile_nothing():
    def run(weights: tuple[float, ...]) -> None:
        swept = SweepConfig(style_weight=weights)
        takes = combinations(swept)
        problems = prepare_each(CONTENT, STYLE, config_of(swept=swept), takes)
        assert len(list(transfer_each(problems, len(takes), 4.0))) == len(weights)

    run((0.3, 3.0))
    compiled = _run_chunk._cache_size()
    run((0.1, 0.2, 0.4, 0.8, 1.6, 3.2))
    assert _run_chunk._cache_size() == compiled


def test_pieces_of_other_lengths_come_in_order():
    swept = SweepConfig(style_weight=(0.5, 2.0))
    config, takes = config_of("ulyanov", swept), combinations(swept)
    contents = [CONTENT, noise(0.7, 3), noise(0.5, 4)]
    problems = (one for content in contents for one in prepare_each(content, STYLE, config, takes))
    results = list(transfer_each(problems, 6, 4.0))
    lengths = [result.output.samples.shape[1] for result in results]
    assert lengths == [content.samples.shape[1] for content in contents for _ in takes]
    assert results[0].output.samples.tobytes() != results[4].output.samples.tobytes()


def test_a_loss_that_is_never_finite_leaves_the_other_takes_alone():
    swept = SweepConfig(style_weight=(1.0, 1e39, 2.0))
    takes = combinations(swept)
    problems = prepare_each(CONTENT, STYLE, config_of(swept=swept), takes)
    first, second, third = transfer_each(problems, 3, 4.0)
    assert isinstance(second, InputError) and "the loss is inf at the start" in str(second)
    assert np.isfinite(first.output.samples).all() and np.isfinite(third.output.samples).all()


@pytest.mark.parametrize(
    ("platform", "num_devices", "num_takes", "memory_gb", "expected"),
    [
        ("gpu", 1, 16, 100.0, (1, 16)),
        ("gpu", 1, 16, 10.0, (1, 8)),  # Two rounds of eight, not one of ten and one of six.
        ("gpu", 4, 16, 100.0, (4, 4)),
        ("gpu", 4, 18, 100.0, (4, 5)),
        ("gpu", 4, 16, 2.5, (2, 1)),
        ("gpu", 4, 2, 100.0, (2, 1)),
        ("cpu", 1, 16, 100.0, (1, 1)),
        ("cpu", 4, 16, 3.0, (3, 1)),
        ("gpu", 4, 1, 1e-9, (1, 1)),  # A single take is not asked.
    ],
)
def test_as_many_at_once_as_devices_and_memory_allow(
    monkeypatch, platform, num_devices, num_takes, memory_gb, expected
):
    devices = [types.SimpleNamespace(platform=platform) for _ in range(num_devices)]
    monkeypatch.setattr(sweep.jax, "local_devices", lambda: devices)
    monkeypatch.setattr(sweep, "bytes_of_take", lambda *_: 1e9)
    problem = next(prepare_each(CONTENT, STYLE, config_of(), [{}]))
    room = sweep._find_room(problem, num_takes, memory_gb)
    assert (len(room.devices), room.on_each) == expected


def test_memory_that_does_not_do_for_one_take_is_told():
    problem = next(prepare_each(CONTENT, STYLE, config_of(), [{}]))
    with pytest.raises(InputError, match=r"^config.sweep.memory_gb is 0.0001, and one take of 0.5"):
        sweep._find_room(problem, 2, 1e-4)
