"""Re-orchestration as a start of a transfer: amounts, channels, style files and mixes."""

import dataclasses
import functools

import numpy as np
import pytest

from research.audio.waveform import Waveform
from research.errors import InputError
from research.transfer.config import TransferConfig
from research.transfer.reorchestration.orchestra import Orchestra
from research.transfer.reorchestration.reorchestrate import reorchestrate
from research.transfer.style_description import describe_style, style_settings, style_template
from research.transfer.style_file import load_style, save_style
from research.transfer.style_source import mix_styles
from research.transfer.style_transfer import transfer

RATE = 22050
PIPE, REED = (1.0, 0.1), (1.0, 0.7, 0.8, 0.6, 0.5, 0.4)


def config_of(style_amount: float = 1.0, init: str = "reorchestrated") -> TransferConfig:
    """The start alone, without genres."""
    return TransferConfig(init=init, checkpoint="", style_amount=style_amount)


def tune(pitches: tuple[int, ...], partials: tuple[float, ...], seconds: float = 1.4) -> np.ndarray:
    """Notes of equal length one after the other, `[1, samples]` at a root mean square of 0.1."""
    samples = np.zeros(round(seconds * RATE))
    step = samples.size // len(pitches)
    time = np.arange(step) / RATE
    for note, pitch in enumerate(pitches):
        phase = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time
        wave = sum(a * np.sin(n * phase + n) for n, a in enumerate(partials, 1))
        edges = np.minimum(np.minimum(time, time[-1] - time) / 0.02, 1)
        samples[note * step : (note + 1) * step] = wave * edges * np.exp(-2 * time)
    return (0.1 * samples / np.sqrt(np.mean(samples**2))).astype(np.float32)[None]


CONTENT = tune((60, 67, 64), PIPE)
LOW, HIGH = (tune(pitches, REED) for pitches in ((48, 53, 50), (72, 77, 74)))


@functools.cache
def described(name: str):
    return describe_style(Waveform({"low": LOW, "high": HIGH}[name], RATE), config_of())


def orchestra(name: str = "high") -> Orchestra:
    found = described(name).orchestra
    assert found is not None
    return Orchestra(*map(np.asarray, found))


def test_the_amount_of_style_goes_from_the_content_to_the_whole_start():
    content = Waveform(CONTENT, RATE)
    none, whole = (transfer(content, described("high"), config_of(a)).output for a in (0.0, 1.0))
    np.testing.assert_allclose(none.samples, CONTENT, atol=2e-3)
    played = reorchestrate(CONTENT, RATE, orchestra())
    # The transfer also gives the content's slow dynamics back.
    assert np.corrcoef(whole.samples[0], played[0])[0, 1] > 0.9
    assert abs(np.corrcoef(whole.samples[0], CONTENT[0])[0, 1]) < 0.8


def test_a_crescendo_stays_one():
    """Eight notes that rise by 20 dB; the first one alone is off by more than 2 dB."""
    notes = tune((60, 64, 67, 65, 62, 72, 69, 60), PIPE, seconds=4.0)
    content = notes * 10 ** np.linspace(-1, 0, notes.size, dtype=np.float32)
    output = transfer(Waveform(content, RATE), described("high"), config_of()).output.samples
    levels = [
        10 * np.log10(np.square(each).reshape(8, -1).mean(axis=1)) for each in (output, content)
    ]
    change = np.subtract(*levels) - np.mean(np.subtract(*levels))
    assert np.abs(change).max() < 5 and np.abs(change[1:]).max() < 2.5
    assert np.corrcoef(*levels)[0, 1] > 0.97


def test_content_terms_keep_the_start_where_they_are_told_to():
    """At the start, terms of the start are zero, and style terms as far as they can be."""
    content = Waveform(CONTENT, RATE)
    terms = {}
    for target in ("content", "start"):
        config = dataclasses.replace(
            config_of(),
            content_target=target,
            keep_rests=False,
            dynamics=0.0,
            num_iterations=1,
        )
        style = Waveform(HIGH, RATE)
        terms[target] = transfer(content, style, config).minimum.history[0].terms
    assert terms["start"]["chroma"] == pytest.approx(0, abs=1e-4)
    assert terms["content"]["chroma"] > 10 * terms["start"]["chroma"] + 1e-3
    farthest = np.sqrt(1.001) - np.sqrt(0.001)  # A relative term of 1, by the scale `root`.
    assert terms["start"]["spectrum"] == pytest.approx(farthest, abs=1e-3)
    assert terms["content"]["spectrum"] < 0.9 * farthest


def test_channels_that_cancel_each_other_are_played_like_one():
    alone = reorchestrate(CONTENT, RATE, orchestra())
    left, right = reorchestrate(np.concatenate([CONTENT, -CONTENT]), RATE, orchestra())
    np.testing.assert_allclose(left, -right, atol=1e-6)
    assert np.corrcoef(left, alone[0])[0, 1] > 0.999


def test_a_panned_content_is_panned_alike():
    """Also where noise of each channel's own is all that lies under new partials."""
    noise = 1e-4 * np.random.default_rng(0).standard_normal((2, CONTENT.size))
    content = np.concatenate([CONTENT, 0.3 * CONTENT]) + noise.astype(np.float32)
    left, right = reorchestrate(content, RATE, orchestra())
    assert np.corrcoef(left, right)[0, 1] > 0.94
    assert np.std(right) == pytest.approx(0.3 * np.std(left), rel=0.1)


def test_two_channels_without_style_are_those_of_the_content():
    content = np.concatenate([CONTENT, LOW])
    output = reorchestrate(content, RATE, orchestra(), amount=0.0)
    np.testing.assert_allclose(output, content, atol=2e-3)


def test_a_style_file_gives_what_its_recording_gives(tmp_path):
    config, path = config_of(), tmp_path / "high.npz"
    save_style(path, described("high"), style_settings(config), ["high.wav"])
    loaded = load_style(path, style_template(config), style_settings(config))
    content = Waveform(CONTENT, RATE)
    first, second = (transfer(content, one, config) for one in (described("high"), loaded))
    assert first.output.samples.tobytes() == second.output.samples.tobytes()
    direct = transfer(content, Waveform(HIGH, RATE), config)
    np.testing.assert_allclose(direct.output.samples, first.output.samples, atol=1e-4)


def test_a_style_file_for_another_start_says_what_to_do(tmp_path):
    matched, config, path = config_of(init="matched"), config_of(), tmp_path / "old.npz"
    style = describe_style(Waveform(HIGH, RATE), matched)
    save_style(path, style, style_settings(matched), ["high.wav"])
    with pytest.raises(InputError, match=r"old\.npz has no orchestra.*--mode=style.*texture"):
        load_style(path, style_template(config), style_settings(config))


def test_a_mix_is_between_its_styles_whatever_their_length():
    long = np.tile(LOW, (1, 3))
    styles = [describe_style(Waveform(long, RATE), config_of()), described("high")]
    mixed = mix_styles(styles, [0.5, 0.5]).orchestra
    assert mixed is not None
    for name, each in mixed._asdict().items():
        assert each.shape == getattr(orchestra(), name).shape
    alone = [orchestra(name).register for name in ("low", "high")]
    np.testing.assert_allclose(mixed.register, np.mean(alone, axis=0), rtol=0.2, atol=1e-3)
    assert np.sum(mixed.register) == pytest.approx(1, abs=1e-4)
    assert 0 < mixed.percussion < 1
    output = reorchestrate(CONTENT, RATE, Orchestra(*map(np.asarray, mixed)))
    assert np.isfinite(output).all() and np.abs(output).max() > 0.1
