"""Memory that transfers need, against what they took on a machine of two cores."""

import dataclasses

import numpy as np
import pytest

from configs.transfer import PRESETS
from research.audio.waveform import Waveform
from research.errors import InputError
from research.transfer import commands, memory
from research.transfer.memory import check_memory, needed_memory

STYLE = Waveform(np.zeros((1, 10 * 44100), np.float32), 44100)
# MB that are taken before the estimate is asked for.
BEFORE = 400
MEASURED = {
    ("default", 10, 1, 22050): 595,
    ("default", 60, 1, 22050): 795,
    ("default", 240, 1, 22050): 1019,
    ("default", 120, 2, 48000): 1150,
    ("default", 60, 2, 44100): 997,
    ("default", 300, 2, 44100): 1402,
    ("default", 1200, 2, 44100): 3242,
    ("texture", 30, 1, 22050): 1189,
    ("texture", 120, 1, 22050): 1950,
}


def silence(seconds: float, channels: int = 1, rate: int = 22050) -> Waveform:
    """A recording; the estimate does not hear it, and no memory is taken for it."""
    samples = np.broadcast_to(np.float32(0), (channels, round(seconds * rate)))
    return Waveform(samples, rate)


def total(preset: str, content: Waveform, **changes) -> float:
    """Estimated MB of a preset with changes."""
    config = dataclasses.replace(PRESETS[preset], **changes)
    return sum(needed_memory(config, content, STYLE).values()) / 1e6


@pytest.mark.parametrize(("run", "peak"), MEASURED.items(), ids=map(str, MEASURED))
def test_the_estimate_is_close_to_what_was_measured_and_not_below(run, peak):
    preset, seconds, channels, rate = run
    estimated = total(preset, silence(seconds, channels, rate)) + BEFORE
    assert 1 <= estimated / peak < 1.5


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sample_rate": 384000}, "config.sample_rate"),
        ({"optimiser": {"memory_size": 5000}}, "config.optimiser.memory_size"),
        ({"features": {"num_filters": 65536}, "style": "gram"}, "config.features.num_filters"),
    ],
)
def test_what_takes_most_is_named(changes, key, monkeypatch):
    config = PRESETS["texture"]
    for name, value in changes.items():
        if name == "style":
            value = type(config.style).only(**{value: 1.0})
        elif isinstance(value, dict):
            value = dataclasses.replace(getattr(config, name), **value)
        config = dataclasses.replace(config, **{name: value})
    monkeypatch.setattr(memory, "available_memory", lambda: 8 * 10**9)
    content = silence(600)
    check_memory(PRESETS["texture"], silence(60), STYLE)
    with pytest.raises(InputError, match=f"and 8 GB are free; lower {key}, or give a shorter"):
        check_memory(config, content, STYLE)


def test_a_content_that_is_too_long_is_refused(monkeypatch):
    config = PRESETS["default"]
    monkeypatch.setattr(memory, "available_memory", lambda: 4 * 10**9)
    check_memory(config, silence(1200), STYLE)
    with pytest.raises(InputError, match=r"of 3600 s needs about .* and 4 GB are free; .*shorter"):
        check_memory(config, silence(3600), STYLE)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    check_memory(config, silence(3600), STYLE)


def test_a_limit_under_the_least_need_is_told_of_a_style_file_too(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    with pytest.raises(InputError, match=r"0\.1 GB are free"):
        check_memory(PRESETS["default"], silence(1), None)


def test_channels_length_and_iterations_need_more():
    least = total("texture", silence(60))
    assert total("texture", silence(120)) > 1.3 * least
    assert total("texture", silence(60, channels=2)) > 1.3 * least
    assert total("texture", silence(60), mono=True) == least
    assert total("default", silence(60), num_iterations=500) >= total("default", silence(60))


def test_a_run_is_refused_before_anything_is_written(monkeypatch, tmp_path, clips):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    config = dataclasses.replace(PRESETS["default"], checkpoint="")
    with pytest.raises(InputError, match=r"piano\.ogg x .*band\.ogg: a transfer of 10 s needs"):
        commands.transfer(config, [(str(clips["piano"]), str(clips["band"]))], tmp_path)
    assert list(tmp_path.iterdir()) == []
