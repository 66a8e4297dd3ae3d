"""A transfer from end to end: what comes out, what is repeatable, what is refused."""

import contextlib

import jax
import numpy as np
import pytest

from configs.transfer import PRESETS, get_config
from research.audio.waveform import Waveform
from research.errors import InputError
from research.settings import freeze
from research.transfer.style_transfer import Transfer, TransferConfig, transfer
from research.transfer.variable import VARIABLES

RATE = 4000


def piece(seconds: float, rate: int, channels: int, seed: int) -> Waveform:
    """Decaying notes of two pitches and a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    samples = 0.01 * rng.normal(size=(channels, time.size))
    for beats, pitch in ((2, rng.uniform(150, 400)), (3, rng.uniform(300, 900))):
        phase = rng.uniform(0, 2 * np.pi, (channels, 1))
        samples += 0.1 * np.sin(2 * np.pi * pitch * time + phase) * np.exp(-3 * (beats * time % 1))
    return Waveform(samples.astype(np.float32), rate)


CONTENT, STYLE = piece(1.0, RATE, 2, seed=0), piece(0.5, 6000, 1, seed=1)


def small(preset: str = "default", **changes) -> TransferConfig:
    """A preset with few filters and iterations, and `changes` whose dots are double underscores."""
    config = get_config(preset)
    config.sample_rate = RATE
    config.num_iterations = config.optimiser.log_every = 10
    config.stft.update(n_fft=128, hop_length=64)
    config.features.update(num_filters=16, widths=(3,))
    config.phase.num_iterations = 5
    config.update_from_flattened_dict({k.replace("__", "."): v for k, v in changes.items()})
    return freeze(TransferConfig, config)


def decibels(waveform: Waveform) -> float:
    return 10 * np.log10(np.mean(np.square(waveform.samples, dtype=np.float64)))


def check_output(result: Transfer, content: Waveform) -> None:
    output = result.output
    assert output.samples.shape == content.samples.shape
    assert output.sample_rate == content.sample_rate
    assert output.samples.dtype == np.float32
    assert np.isfinite(output.samples).all()
    assert np.abs(output.samples).max() <= 0.95
    assert decibels(output) == pytest.approx(decibels(content), abs=0.1)
    assert set(result.seconds) == {"compile", "optimise", "phase"}


@contextlib.contextmanager
def compilations():
    """The names of programs that are compiled meanwhile."""
    names = []

    def listen(event: str, duration: float, **details):
        if event.endswith("backend_compile_duration"):
            names.append(details.get("fun_name", "a program"))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_in_every_variable_moves_to_the_style_and_keeps_the_format(preset, kind):
    result = transfer(CONTENT, STYLE, small(preset, variable=kind))
    check_output(result, CONTENT)
    assert result.minimum.stopped == "finished"
    assert result.minimum.loss < result.minimum.history[0].loss
    assert result.minimum.terms["style"] < result.minimum.history[0].terms["style"]
    if kind == "waveform":  # What is optimised is what is heard.
        heard = result.rendered_loss(result.output)
        assert heard == pytest.approx(result.minimum.loss, rel=1e-3)


def test_other_rates_and_channels_come_back_in_the_contents_format():
    content, style = piece(0.5, 11025, 1, seed=2), piece(0.5, 3000, 2, seed=3)
    config = small(rms=0.1, content_weight=1.0, style_weight=1.0, num_iterations=20)
    result = transfer(content, style, config)
    check_output(result, content)
    assert result.minimum.loss < 0.8 * result.minimum.history[0].loss
    # Resampling takes the highest tenth of the band away.
    assert result.rendered_loss(result.output) < 1.2 * result.minimum.loss


def test_a_loud_content_is_limited_and_keeps_its_loudness():
    content = Waveform(np.float32(7) * CONTENT.samples, RATE)
    result = transfer(content, STYLE, small())
    check_output(result, content)
    assert np.abs(result.output.samples).max() > 0.9


def test_the_same_seed_gives_the_same_bytes_and_another_others():
    first, again, other = (
        transfer(CONTENT, STYLE, small("ulyanov", seed=seed)).output.samples for seed in (3, 3, 4)
    )
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize("preset", ["default", "ulyanov"])
def test_another_weight_or_seed_compiles_nothing(preset):
    transfer(CONTENT, STYLE, small(preset, content_weight=1.0, style_weight=1.0))
    with compilations() as compiled:
        transfer(CONTENT, STYLE, small(preset, content_weight=0.3, style_weight=7.0, seed=9))
    assert compiled == []


def test_content_that_is_its_own_style_comes_back():
    result = transfer(CONTENT, CONTENT, small())
    assert result.minimum.loss == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(result.output.samples, CONTENT.samples, atol=1e-3)


@pytest.mark.parametrize(("content_seconds", "style_seconds"), [(1.0, 0.2), (0.2, 1.0)])
def test_a_filter_wider_than_a_piece_is_refused_by_the_name_of_its_key(
    content_seconds, style_seconds
):
    content, style = piece(content_seconds, RATE, 1, seed=0), piece(style_seconds, RATE, 1, seed=1)
    short = "style" if style_seconds < content_seconds else "content"
    with pytest.raises(InputError, match=rf"^{short} .*config\.features\.widths") as caught:
        transfer(content, style, small(features__widths=(3, 20)))
    assert "\n" not in str(caught.value)


# Over the largest float32: the weight itself, and its product with a term.
@pytest.mark.parametrize("weight", [1e39, 1e38])
def test_weights_that_make_the_loss_infinite_are_refused(weight):
    config = small("ulyanov", content_weight=weight, style_weight=weight)
    with pytest.raises(InputError, match="weight") as caught:
        transfer(CONTENT, STYLE, config)
    assert "\n" not in str(caught.value)
