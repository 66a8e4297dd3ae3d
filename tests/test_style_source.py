"""What --style may name: audio, folders, saved styles, and mixes of them."""

import json
import pathlib

import jax
import numpy as np
import pytest
import soundfile

from configs.transfer import get_config
from research.audio.waveform import Waveform
from research.errors import InputError
from research.settings import freeze
from research.transfer.config import TransferConfig
from research.transfer.objective import Style
from research.transfer.style_description import describe_style
from research.transfer.style_source import load_mix, make_bank

RATE = 22050


def make_config(**changes: object) -> TransferConfig:
    """One cheap statistic and one content term of the default."""
    config = get_config()
    for weights in (config.content, config.style):
        weights.update({name: 0.0 for name in weights})
    config.content.onset = config.style.spectrum = 1.0
    config.update(changes)
    return freeze(TransferConfig, config)


CONFIG = make_config()


def noise(seconds: float, darkness: int, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).normal(size=int(seconds * RATE))
    return (0.1 * np.convolve(samples, np.ones(darkness) / darkness, "same")).astype(np.float32)


@pytest.fixture
def records(tmp_path) -> pathlib.Path:
    """Two pieces of two seconds and of one, and what is no music."""
    folder = tmp_path / "records"
    (folder / "side_b").mkdir(parents=True)
    soundfile.write(folder / "bright.wav", noise(2, 1), RATE)
    soundfile.write(folder / "side_b" / "dark.wav", noise(1, 20), RATE)
    (folder / "notes.txt").write_text("not music")
    return folder


def describe(path: pathlib.Path) -> Style:
    return describe_style(Waveform(soundfile.read(path, dtype="float32")[0][None], RATE), CONFIG)


def assert_close(ours: Style, theirs: Style) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def weighted(styles: list[Style], weights: list[float]) -> Style:
    return jax.tree.map(
        lambda *leaves: sum(w * leaf for w, leaf in zip(weights, leaves, strict=True)), *styles
    )


def test_one_file_is_its_audio(records):
    style = load_mix(str(records / "bright.wav"), CONFIG)
    assert isinstance(style, Waveform)
    np.testing.assert_allclose(style.samples[0], noise(2, 1), atol=1e-4)


def test_a_folder_counts_each_piece_by_its_length(records):
    parts = [describe(records / "bright.wav"), describe(records / "side_b" / "dark.wav")]
    assert_close(load_mix(str(records), CONFIG), weighted(parts, [2 / 3, 1 / 3]))


def test_a_mix_counts_each_part_by_its_weight(records, tmp_path):
    bright, dark = records / "bright.wav", records / "side_b" / "dark.wav"
    bank = tmp_path / "dark.npz"
    assert make_bank(bank, str(dark), CONFIG) == 1
    expected = weighted([describe(bright), describe(dark)], [0.7, 0.3])
    assert_close(load_mix(f"{bright}:0.7,{dark}:0.3", CONFIG), expected)
    assert_close(load_mix(f"{bright}:0.7,{bank}:0.3", CONFIG), expected)


def test_a_saved_style_is_what_was_heard(records, tmp_path):
    bank = tmp_path / "records.npz"
    assert make_bank(bank, str(records), CONFIG) == 2
    assert_close(load_mix(str(bank), CONFIG), load_mix(str(records), CONFIG))
    with np.load(bank) as saved:
        assert json.loads(saved["origin"].item()) == ["bright.wav", "dark.wav"]


def test_of_a_folder_what_cannot_be_read_is_left_out_by_name(records):
    (records / "broken.wav").write_bytes(b"RIFF nonsense")
    with pytest.warns(UserWarning, match=r"skipped .*broken\.wav"):
        style = load_mix(str(records), CONFIG)
    (records / "broken.wav").unlink()
    assert_close(style, load_mix(str(records), CONFIG))


def test_a_folder_of_nothing_readable_is_refused(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(InputError, match=f"{tmp_path.name} holds no audio that can be read"),
    ):
        load_mix(str(tmp_path), CONFIG)


def test_an_unreadable_part_is_named_before_others_are_heard(records, monkeypatch):
    broken = records / "broken.wav"
    broken.write_bytes(b"RIFF nonsense")
    heard = []
    monkeypatch.setattr(
        "research.transfer.style_source.describe_style", lambda *args: heard.append(args)
    )
    with pytest.raises(InputError, match=r"broken\.wav"):
        load_mix(f"{records / 'bright.wav'}:0.5,{broken}:0.5", CONFIG)
    assert not heard


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"rms": 0.2}, "rms"),
        ({"keep_rests": False}, "keep_rests"),
        ({"sample_rate": 16000}, "sample_rate"),
    ],
)
def test_a_style_of_another_front_end_is_refused_by_the_key(records, tmp_path, changes, key):
    bank = tmp_path / "records.npz"
    make_bank(bank, str(records / "bright.wav"), CONFIG)
    with pytest.raises(InputError, match=rf"records\.npz was made with {key}="):
        load_mix(str(bank), make_config(**changes))


def test_a_style_saved_for_fewer_terms_says_what_it_lacks(records, tmp_path):
    bank = tmp_path / "records.npz"
    make_bank(bank, str(records / "bright.wav"), CONFIG)
    with pytest.raises(InputError, match=r"records\.npz lacks the array descriptions/"):
        load_mix(str(bank), freeze(TransferConfig, get_config()))


def test_weights_alone_do_not_make_another_style(records, tmp_path):
    bank = tmp_path / "records.npz"
    make_bank(bank, str(records / "bright.wav"), CONFIG)
    heavier = make_config(style_weight=3.0, seed=4, num_iterations=7)
    assert_close(load_mix(str(bank), heavier), load_mix(str(bank), CONFIG))
