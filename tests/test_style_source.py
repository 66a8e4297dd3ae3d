"""What --style may name: audio, folders, saved styles, and mixes of them."""

import itertools
import json
import math
import pathlib
from collections.abc import Callable

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from scipy.stats import norm
from styles import assert_same, make_style, refusal

from configs.transfer import get_config
from research.audio.waveform import Waveform
from research.errors import InputError
from research.settings import freeze
from research.transfer import style_source
from research.transfer.config import TransferConfig
from research.transfer.frames import Frames
from research.transfer.objective import Style
from research.transfer.quantiles import quantiles
from research.transfer.style_description import describe_style
from research.transfer.style_source import (
    load_source,
    make_style_file,
    mix_styles,
    parse_source,
)
from research.transfer.terms.gram import gram
from research.transfer.terms.squared_error import Moments, moments

RATE = 22050


def make_config(**changes: object) -> TransferConfig:
    """One cheap statistic and one content term of the default."""
    config = get_config("texture")
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
    """Two pieces of four seconds and of two, and what is no music."""
    folder = tmp_path / "records"
    (folder / "side_b").mkdir(parents=True)
    soundfile.write(folder / "bright.wav", noise(4, 1), RATE)
    soundfile.write(folder / "side_b" / "dark.wav", noise(2, 20), RATE)
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
    style = load_source(str(records / "bright.wav"), CONFIG)
    assert isinstance(style, Waveform)
    np.testing.assert_allclose(style.samples[0], noise(4, 1), atol=1e-4)


def test_a_folder_counts_each_piece_by_its_length(records):
    parts = [describe(records / "bright.wav"), describe(records / "side_b" / "dark.wav")]
    assert_close(load_source(str(records), CONFIG), weighted(parts, [2 / 3, 1 / 3]))


def test_short_files_of_a_folder_are_described_as_one_recording(tmp_path, monkeypatch):
    whole, folder = noise(24, 1), tmp_path / "notes"
    folder.mkdir()
    lengths = np.linspace(0.5, 1.5, 24)
    ends = np.round(np.cumsum(lengths) * RATE).astype(int)
    for number, piece in enumerate(np.split(whole, ends[:-1])):
        soundfile.write(folder / f"{number:02d}.wav", piece[: round(1.5 * RATE)], RATE, "FLOAT")
    described = []
    monkeypatch.setattr(style_source, "describe_style", _remembering(described))
    assert make_style_file(tmp_path / "notes.npz", str(folder), CONFIG) == 24
    joined = np.concatenate([recording.samples for recording in described], axis=1)
    seconds = [recording.seconds for recording in described]
    assert 20.0 <= seconds[0] < 21.5 and len(seconds) == 2
    np.testing.assert_array_equal(joined[0], whole)


def _remembering(recordings: list[Waveform]) -> Callable[[Waveform, TransferConfig], Style]:
    def describe(recording: Waveform, config: TransferConfig) -> Style:
        recordings.append(recording)
        return describe_style(recording, config)

    return describe


def test_what_is_not_optimised_needs_no_description_of_terms(records, tmp_path):
    config, bank = make_config(init="reorchestrated", num_iterations=0), tmp_path / "records.npz"
    make_style_file(bank, str(records), config)
    style = load_source(str(bank), config)
    assert isinstance(style, Style) and style.orchestra is not None
    assert (style.descriptions, style.profiles) == ({}, {})
    with pytest.raises(InputError, match=r"lacks the array .*--mode=style"):
        load_source(str(bank), make_config(init="reorchestrated", num_iterations=5))


def test_a_mix_counts_each_part_by_its_weight(records, tmp_path):
    bright, dark = records / "bright.wav", records / "side_b" / "dark.wav"
    bank = tmp_path / "dark.npz"
    assert make_style_file(bank, str(dark), CONFIG) == 1
    expected = weighted([describe(bright), describe(dark)], [0.7, 0.3])
    assert_close(load_source(f"{bright}:0.7,{dark}:0.3", CONFIG), expected)
    assert_close(load_source(f"{bright}:0.7,{bank}:0.3", CONFIG), expected)


def test_a_saved_style_is_what_was_heard(records, tmp_path):
    bank = tmp_path / "records.npz"
    assert make_style_file(bank, str(records), CONFIG) == 2
    assert_close(load_source(str(bank), CONFIG), load_source(str(records), CONFIG))
    with np.load(bank) as saved:
        assert json.loads(saved["origin"].item()) == ["bright.wav", "dark.wav"]


def test_of_a_folder_what_cannot_be_read_is_left_out_by_name(records):
    (records / "broken.wav").write_bytes(b"RIFF nonsense")
    with pytest.warns(UserWarning, match=r"skipped .*broken\.wav"):
        style = load_source(str(records), CONFIG)
    (records / "broken.wav").unlink()
    assert_close(style, load_source(str(records), CONFIG))


def test_a_folder_of_nothing_readable_is_refused(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nonsense")
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(InputError, match=f"{tmp_path.name} holds no audio that can be read"),
    ):
        load_source(str(tmp_path), CONFIG)


def test_an_unreadable_part_is_named_before_others_are_heard(records, monkeypatch):
    broken = records / "broken.wav"
    broken.write_bytes(b"RIFF nonsense")
    heard = []
    monkeypatch.setattr(
        "research.transfer.style_source.describe_style", lambda *args: heard.append(args)
    )
    with pytest.raises(InputError, match=r"broken\.wav"):
        load_source(f"{records / 'bright.wav'}:0.5,{broken}:0.5", CONFIG)
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
    make_style_file(bank, str(records / "bright.wav"), CONFIG)
    with pytest.raises(InputError, match=rf"records\.npz was made with {key}="):
        load_source(str(bank), make_config(**changes))


def test_a_style_saved_for_fewer_terms_says_what_it_lacks(records, tmp_path):
    bank = tmp_path / "records.npz"
    make_style_file(bank, str(records / "bright.wav"), CONFIG)
    with pytest.raises(InputError, match=r"records\.npz lacks the array descriptions/"):
        load_source(str(bank), freeze(TransferConfig, get_config("texture")))


def test_weights_alone_do_not_make_another_style(records, tmp_path):
    bank = tmp_path / "records.npz"
    make_style_file(bank, str(records / "bright.wav"), CONFIG)
    heavier = make_config(style_weight=3.0, seed=4, num_iterations=7)
    assert_close(load_source(str(bank), heavier), load_source(str(bank), CONFIG))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of files, in which the tests with relative names run."""
    folder = tmp_path_factory.mktemp("sounds")
    names = ["a.wav", "b.npz", "c d.flac", "e,f:0.3.wav", "g:2.wav", "1", "jazz/x.mp3"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def inside(sounds, monkeypatch):
    """The working folder is that of the sounds, and so is the home folder."""
    monkeypatch.chdir(sounds)
    monkeypatch.setenv("HOME", str(sounds))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.wav", {"a.wav": 1}),
        ("a.wav:1", {"a.wav": 1}),
        ("jazz", {"jazz": 1}),
        ("a.wav:0.7,b.npz:0.3", {"a.wav": 0.7, "b.npz": 0.3}),
        ("a.wav : 0.7, b.npz: 3e-1 ", {"a.wav": 0.7, "b.npz": 0.3}),
        ("a.wav,b.npz", {"a.wav": 0.5, "b.npz": 0.5}),
        ("a.wav, jazz,1", {"a.wav": 1 / 3, "jazz": 1 / 3, "1": 1 / 3}),
        ("a.wav:0.333,jazz:0.333,1:0.333", {"a.wav": 1 / 3, "jazz": 1 / 3, "1": 1 / 3}),
        ("a.wav:0.501,b.npz:0.5", {"a.wav": 0.501 / 1.001, "b.npz": 0.5 / 1.001}),
        ("e,f:0.3.wav", {"e,f:0.3.wav": 1}),
        ("g:2.wav", {"g:2.wav": 1}),
        ("g:2.wav,a.wav", {"g:2.wav": 0.5, "a.wav": 0.5}),
        ("g:2.wav:0.25,a.wav:0.75", {"g:2.wav": 0.25, "a.wav": 0.75}),
        ("c d.flac:0.5,a.wav:0.5", {"c d.flac": 0.5, "a.wav": 0.5}),
    ],
)
@pytest.mark.usefixtures("inside")
def test_what_the_flag_says(text, expected):
    found = parse_source(text)
    assert [str(part.path) for part in found] == list(expected)
    assert [part.weight for part in found] == pytest.approx(list(expected.values()), abs=1e-12)


@pytest.mark.usefixtures("inside")
def test_the_home_folder_is_understood(sounds):
    assert parse_source("~/a.wav:0.5,~/jazz:0.5") == [
        (sounds / "a.wav", 0.5, "0.5"),
        (sounds / "jazz", 0.5, "0.5"),
    ]
    assert parse_source("~/e,f:0.3.wav") == [(sounds / "e,f:0.3.wav", 1.0, None)]


@pytest.mark.parametrize(
    ("text", "located"),
    [
        ("a.wav", "{}/a.wav"),
        ("e,f:0.3.wav", "{}/e,f:0.3.wav"),
        ("a.wav:0.333, g:2.wav:0.667", "{}/a.wav:0.333,{}/g:2.wav:0.667"),
        ("a.wav, b.npz", "{}/a.wav,{}/b.npz"),
    ],
)
def test_paths_are_relative_to_a_folder_and_named_from_anywhere(sounds, text, located):
    parts = parse_source(text, sounds)
    assert ",".join(map(str, parts)) == located.format(*2 * [sounds])
    assert parse_source(",".join(map(str, parts))) == parts
    message = refusal(parse_source, "no.wav", sounds, "line 3")
    assert message.startswith(f"line 3 {sounds}/no.wav does not exist")


def test_audio_is_what_is_no_folder_and_no_style_file(sounds):
    named = ["a.wav", "b.npz", "c d.flac", "1", "jazz"]
    parts = parse_source(",".join(named), sounds)
    assert [part.is_audio_file for part in parts] == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty part"]),
        (" ", ["empty part"]),
        ("a.wav,", ["empty part", "'a.wav,'"]),
        (",a.wav", ["empty part"]),
        ("a.wav,,b.npz", ["empty part"]),
        (":0.5", ["'0.5' of nothing"]),
        ("a.wav:0.5, :0.5", ["'0.5' of nothing"]),
        ("no.wav", ["no.wav does not exist"]),
        ("no.wav:0.5,a.wav:0.5", ["no.wav does not exist"]),
        ("a.wav,no.wav", ["no.wav does not exist"]),
        ("https://no.where/a.wav", ["https://no.where/a.wav does not exist"]),
        ("~nobody_of_that_name/a.wav", ["~nobody_of_that_name/a.wav does not exist"]),
        ("a\0.wav", ["does not exist"]),
        ("n" * 999, ["does not exist"]),
        ("a.wav:0.5,b.npz", ["none to b.npz", "all or to none"]),
        ("a.wav:", ["a.wav the weight ''", "no number above 0"]),
        ("a.wav:half,b.npz:0.5", ["a.wav the weight 'half'", "no number above 0"]),
        ("a.wav:nan,b.npz:0.5", ["'nan'", "no number above 0"]),
        ("a.wav:inf", ["'inf'", "no number above 0"]),
        ("a.wav:1.5,b.npz:-0.5", ["b.npz the weight '-0.5'", "no number above 0"]),
        ("a.wav:1,b.npz:0", ["b.npz the weight '0'", "no number above 0"]),
        ("a.wav:0.7", ["sum to 0.7, not to 1"]),
        ("a.wav:0.7,b.npz:0.2", ["sum to 0.9, not to 1"]),
        ("a.wav:70,b.npz:30", ["sum to 100, not to 1"]),
        ("a.wav:0.5,b.npz:0.502", ["sum to 1.002, not to 1"]),
        ("a.wav:1e308,b.npz:1e308", ["sum to inf, not to 1"]),
    ],
)
@pytest.mark.usefixtures("inside")
def test_what_the_flag_cannot_mean_is_refused_in_one_line(text, words):
    message = refusal(parse_source, text)
    assert all(word in message for word in ("--style", *words)), message


@hypothesis.given(
    st.lists(st.floats(0.01, 1), min_size=1, max_size=30), st.sampled_from(["{!r}", "{:.4f}"])
)
def test_any_weights_come_back_in_their_proportions(sounds, raw, form):
    weights = [weight / sum(raw) for weight in raw]
    said = [form.format(weight) for weight in weights]
    hypothesis.assume(all(float(weight) > 0 for weight in said))
    hypothesis.assume(abs(sum(map(float, said)) - 1) < 1e-3)
    paths = list(
        itertools.islice(itertools.cycle([sounds / "a.wav", sounds / "g:2.wav"]), len(raw))
    )
    found = parse_source(",".join(f"{path}:{w}" for path, w in zip(paths, said, strict=True)))
    assert [part.path for part in found] == paths
    assert math.fsum(part.weight for part in found) == pytest.approx(1, abs=1e-12)
    for part, theirs in zip(found, said, strict=True):
        ratio = part.weight / found[0].weight
        assert ratio == pytest.approx(float(theirs) / float(said[0]), rel=1e-12)


def test_a_single_style_is_as_it_was():
    style = make_style()
    assert mix_styles([style], [1.0]) is style


@hypothesis.given(st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
def test_a_mix_is_the_weighted_mean_of_all_arrays(raw):
    """Of variances once they are second moments."""

    def with_second_moments(style: Style) -> Style:
        return jax.tree.map(
            lambda part: (
                part._replace(variance=part.variance + jnp.square(part.mean))
                if isinstance(part, Moments)
                else part
            ),
            style,
            is_leaf=lambda part: isinstance(part, Moments),
        )

    weights = [weight / sum(raw) for weight in raw]
    styles = [make_style(seed) for seed in range(len(raw))]
    mix = with_second_moments(mix_styles(styles, weights))
    assert jax.tree.structure(mix) == jax.tree.structure(styles[0])
    styles = [with_second_moments(style) for style in styles]
    for mixed, *arrays in zip(*map(jax.tree.leaves, (mix, *styles)), strict=True):
        assert isinstance(mixed, jax.Array) and mixed.dtype == jnp.float32
        expected = np.average(np.asarray(arrays, np.float64), axis=0, weights=weights)
        np.testing.assert_allclose(mixed, expected, rtol=1e-5, atol=1e-6)


def test_a_style_mixed_with_itself_is_itself():
    assert_same(mix_styles([make_style()] * 3, [0.25, 0.25, 0.5]), make_style())


def test_gram_matrices_become_those_of_the_pieces_put_together():
    frames = np.random.default_rng(0).standard_normal((1, 40, 3)).astype(np.float32)
    parts = frames[:, :30], frames[:, 30:]
    styles = [Style({"gram": gram(part) / part.shape[1]}, {}, None) for part in parts]
    mix = mix_styles(styles, [0.75, 0.25])
    np.testing.assert_allclose(mix.descriptions["gram"], gram(frames) / 40, rtol=1e-5)


def test_quantiles_become_those_of_the_barycentre():
    # That of two normal distributions has the mean of their means and of their deviations.
    ranks = (np.arange(4096) + 0.5) / 4096
    normals = [(-2.0, 0.5), (3.0, 2.0)]
    styles = [
        Style({}, {}, quantiles(Frames.of(jnp.float32(norm.ppf(ranks, *normal))[None, :, None])))
        for normal in normals
    ]
    mix = mix_styles(styles, [0.7, 0.3])
    at = (np.arange(256) + 0.5) / 256
    np.testing.assert_allclose(mix.levels[0, :, 0], norm.ppf(at, -0.5, 0.95), atol=1e-3)


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.25, 0.75)])
def test_moments_of_a_mix_are_those_of_the_frames_put_together(weights):
    random = np.random.default_rng(3)
    frames = [random.normal(5.0 * i, 1 + i, (1, round(400 * w), 6)) for i, w in enumerate(weights)]
    parts = [moments(Frames.of(jnp.asarray(each, jnp.float32))) for each in frames]
    mix = mix_styles([Style({}, {"features": {"width_3": each}}, None) for each in parts], weights)
    together = np.concatenate(frames, axis=1)[0]
    found = mix.profiles["features"]["width_3"]
    np.testing.assert_allclose(found.mean, together.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.variance, together.var(axis=0), rtol=1e-4)
