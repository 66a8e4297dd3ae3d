"""Takes side by side: each is what it is alone, and as many at once as memory allows."""

import os
import types

import jax
import numpy as np
import pytest
from sweeps import CONTENT, STYLE, config_of, noise

from research.errors import InputError
from research.transfer import side_by_side
from research.transfer.config import SweepConfig
from research.transfer.optimise import _run_chunk
from research.transfer.side_by_side import transfer_each
from research.transfer.style_transfer import transfer
from research.transfer.sweep import combinations, prepare_each, with_settings


@pytest.mark.parametrize(("preset", "on_each"), [("texture", 2), ("ulyanov", 3), ("ulyanov", 1)])
def test_a_take_is_what_it_is_alone(preset, on_each, monkeypatch):
    swept = SweepConfig(style_weight=(0.5, 4.0), seed=(0, 1))
    config, takes = config_of(preset, swept), combinations(swept)
    find_room = side_by_side._find_room
    monkeypatch.setattr(
        side_by_side, "_find_room", lambda *given: find_room(*given)._replace(on_each=on_each)
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
        ("gpu", 1, 152, None, (1, 152)),  # 0.8 of 190 GB.
        ("gpu", 2, 400, None, (2, 40)),  # Of the least, 0.8 of 50 GB on each.
        ("cpu", 8, 16, None, (4, 1)),
        ("tpu", 8, 16, None, (4, 1)),  # Does not tell its limit.
    ],
)
def test_as_many_at_once_as_devices_and_memory_allow(
    monkeypatch, platform, num_devices, num_takes, memory_gb, expected
):
    told = {
        "gpu": [
            {"bytes_limit": limit, "bytes_in_use": used}
            for limit, used in ((200e9, 10e9), (110e9, 60e9), (300e9, 0), (300e9, 0))
        ],
        "tpu": [{"num_allocs": 3}] * num_devices,
        "cpu": [None] * num_devices,
    }
    devices = [
        types.SimpleNamespace(platform=platform, memory_stats=lambda one=one: one)
        for one in told[platform][:num_devices]
    ]
    monkeypatch.setattr(side_by_side.jax, "local_devices", lambda: devices)
    monkeypatch.setattr(side_by_side, "bytes_of_take", lambda *_: 1e9)
    problem = next(prepare_each(CONTENT, STYLE, config_of(), [{}]))
    room = side_by_side._find_room(problem, num_takes, memory_gb)
    assert (len(room.devices), room.on_each) == expected


def test_memory_that_does_not_do_for_one_take_is_told():
    problem = next(prepare_each(CONTENT, STYLE, config_of(), [{}]))
    with pytest.raises(InputError, match=r"^config.sweep.memory_gb is 0.0001, and one take of 0.5"):
        side_by_side._find_room(problem, 2, 1e-4)


def test_a_device_that_does_not_do_for_one_take_is_told(monkeypatch):
    used = {"bytes_limit": 2e9, "bytes_in_use": 1.5e9}
    device = types.SimpleNamespace(platform="gpu", memory_stats=lambda: used)
    monkeypatch.setattr(side_by_side.jax, "local_devices", lambda: [device] * 4)
    monkeypatch.setattr(side_by_side, "bytes_of_take", lambda *_: 1e9)
    problem = next(prepare_each(CONTENT, STYLE, config_of(), [{}]))
    with pytest.raises(InputError, match=r"^0.4 GB of the device are free, and one take of 0.5"):
        side_by_side._find_room(problem, 2, None)


@pytest.mark.parametrize(
    ("cores", "takes", "devices"), [({5}, 4, 1), ({1, 2, 3}, 8, 3), ({0}, 0, 1)]
)
def test_only_cores_that_the_process_may_use_are_devices(monkeypatch, cores, takes, devices):
    updated = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(jax.config, "update", lambda *changed: updated.append(changed))
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    side_by_side.use_every_core(takes)
    assert updated == [("jax_num_cpu_devices", devices)]
