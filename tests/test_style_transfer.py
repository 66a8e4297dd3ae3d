"""A transfer from end to end: what comes out, what is repeatable, what is refused."""

import dataclasses
import functools
import pathlib

import numpy as np
import pytest
import scipy.signal
from compiling import compilations

from configs.transfer import get_config
from research.audio.stft import StftConfig
from research.audio.waveform import Waveform, resample
from research.data.front_ends.stft import SpectrogramConfig
from research.data.pca import PcaConfig, fit_pca, save_pca
from research.errors import InputError
from research.settings import freeze
from research.transfer.config import ContentWeights, StyleWeights, TransferConfig
from research.transfer.optimise import Minimum
from research.transfer.style_description import describe_style, style_settings, style_template
from research.transfer.style_file import load_style, save_style
from research.transfer.style_transfer import Transfer, prepare, transfer

RATE = 22050
ITERATIONS = 6
CLASSIFIER_STFT = StftConfig(512, 258)  # Of the preset multicomp.
LAYERS = ("logits", "conv1", "pool1", "conv2", "pool2", "features")


def melody(*pitches: float, rate: int = RATE, decay: float = 4.0) -> np.ndarray:
    """A second of decaying notes one after the other, of a peak of 0.1."""
    samples = np.zeros(rate)
    step = samples.size // len(pitches)
    for i, pitch in enumerate(pitches):
        time = np.arange(samples.size - i * step) / rate
        for harmonic in range(1, 7):
            partial = np.sin(2 * np.pi * pitch * harmonic * time + harmonic)
            samples[i * step :] += partial * np.exp(-(decay + harmonic) * time) / harmonic**1.5
    return 0.1 * samples / np.abs(samples).max()


def bursts(seconds: float, rate: int = RATE) -> np.ndarray:
    """Eight bursts of bright noise a second over a low tone."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.diff(np.random.default_rng(0).standard_normal(time.size), prepend=0.0)
    return 0.1 * noise * np.exp(-12 * (8 * time % 1)) + 0.05 * np.sin(2 * np.pi * 70 * time)


def piece(*channels: np.ndarray, rate: int = RATE) -> Waveform:
    return Waveform(np.stack(channels).astype(np.float32), rate)


UP, DOWN = (262.0, 330.0, 392.0, 523.0), (370.0, 294.0, 220.0, 185.0)
REST = 8820  # Samples of silence.
PIECES = {
    "melody": piece(melody(*UP), melody(*DOWN)),
    "bright": piece(melody(*UP, rate=44100), melody(*DOWN, rate=44100), rate=44100),
    "loud": piece(9 * melody(*UP), 9 * melody(*DOWN)),
    "mono": piece(melody(*UP, rate=44100), rate=44100),
    "rest": piece(*(np.pad(melody(*tune), (REST, 0))[:RATE] for tune in (UP, DOWN))),
    "fading": piece(
        *(np.geomspace(1.0, 0.1, RATE) * melody(*tune, decay=1) for tune in (UP, DOWN))
    ),
    "centre": piece(melody(*UP), melody(*UP)),
    "left": piece(melody(*UP), 0.1 * melody(*DOWN)),
    "band": piece(bursts(0.8)),
    "band and rest": piece(np.pad(bursts(0.8), (0, REST))),
    "wide band": piece(bursts(0.8, 16000), 0.5 * bursts(0.8, 16000)[::-1], rate=16000),
    "instant": piece(bursts(0.1)),
}


def changed(preset: str = "texture", **changes) -> TransferConfig:
    """A preset with few iterations, and `changes` whose dots are double underscores."""
    config = get_config(preset)
    config.num_iterations = config.optimiser.log_every = ITERATIONS
    if preset != "texture":
        config.features.num_filters = min(16, config.features.num_filters)
        config.phase.num_iterations = 5
    config.update_from_flattened_dict({k.replace("__", "."): v for k, v in changes.items()})
    return freeze(TransferConfig, config)


def only(**weights: float) -> dict[str, float]:
    """Changes after which nothing has a weight but these terms, `content__chroma=1.0`."""
    groups = {"content": ContentWeights, "style": StyleWeights}
    terms = [
        f"{group}__{field.name}" for group in groups for field in dataclasses.fields(groups[group])
    ]
    assert set(weights) <= set(terms)
    return {term: weights.get(term, 0.0) for term in terms}


@functools.cache
def transferred(content: str, style: str, config: TransferConfig) -> Transfer:
    """Of two of the pieces; the same one again is not made again."""
    return transfer(PIECES[content], PIECES[style], config)


def decibels(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-30)


def check_format(result: Transfer, content: Waveform) -> None:
    output = result.output
    assert output.samples.shape == content.samples.shape
    assert output.sample_rate == content.sample_rate
    assert output.samples.dtype == np.float32
    assert np.isfinite(output.samples).all()
    assert np.abs(output.samples).max() <= 0.95
    assert decibels(output.samples) == pytest.approx(decibels(content.samples), abs=0.1)
    assert set(result.seconds) == {"compile", "start", "optimise", "phase"}
    assert min(result.seconds.values()) >= 0.0


def check_descent(minimum: Minimum, iterations: int = ITERATIONS) -> None:
    assert minimum.stopped == "finished"
    assert len(minimum.losses) == iterations
    assert minimum.losses[0] == pytest.approx(minimum.history[0].loss, rel=1e-5)
    best = min(*minimum.losses, minimum.history[-1].loss)
    assert minimum.loss == pytest.approx(best, rel=1e-5)
    assert minimum.loss < 0.95 * minimum.history[0].loss


def colour(waveform: Waveform) -> np.ndarray:
    """Share of the power in bands of a third of an octave, dB."""
    size = 2048 * waveform.sample_rate // RATE
    hertz, power = scipy.signal.welch(waveform.samples, waveform.sample_rate, nperseg=size)
    edges = np.geomspace(60, 9500, 22)
    bands = np.add.reduceat(power.mean(axis=0), np.searchsorted(hertz, edges))[:-1]
    return 10 * np.log10(bands / bands.sum() + 1e-9)


def colour_distance(one: Waveform, other: Waveform) -> float:
    return float(np.sqrt(np.mean(np.square(colour(one) - colour(other)))))


def pitch_classes(samples: np.ndarray, rate: int) -> np.ndarray:
    """Power by pitch class in each quarter of a piece, unit rows `[4, 12]`."""
    rows = []
    for quarter in np.split(samples[: samples.size // 4 * 4], 4):
        power = np.square(np.abs(np.fft.rfft(quarter * np.hanning(quarter.size), 4 * rate)))
        hertz = np.arange(power.size) / 4
        inside = (hertz > 170) & (hertz < 1100)
        classes = np.round(12 * np.log2(hertz[inside] / 440)).astype(int) % 12
        rows.append(np.bincount(classes, power[inside], 12))
    return np.stack(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def same_notes(one: np.ndarray, other: np.ndarray, rate: int) -> float:
    """Mean cosine of pitch classes, of pieces of one channel."""
    return float(np.mean(np.sum(pitch_classes(one, rate) * pitch_classes(other, rate), axis=1)))


@pytest.mark.parametrize("name", ["melody", "bright", "loud", "rest"])
def test_the_output_has_the_contents_format_and_loudness_and_a_lower_loss(name):
    result = transferred(name, "band", changed())
    check_format(result, PIECES[name])
    check_descent(result.minimum)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("melody", {}), ("bright", {}), ("mono", {"num_iterations": 0})],
)
def test_notes_stay_and_the_colour_is_the_styles(name, changes):
    content, style = PIECES[name], PIECES["band"]
    result = transferred(name, "band", changed(**changes))
    check_format(result, content)
    assert colour_distance(result.output, style) < 0.6 * colour_distance(content, style)
    assert colour_distance(result.output, style) < 0.6 * colour_distance(result.output, content)
    for heard, played in zip(result.output.samples, content.samples, strict=True):
        assert same_notes(heard, played, content.sample_rate) > 0.7


def test_channels_keep_their_own_notes_or_are_mixed_down():
    content = PIECES["bright"]
    output = transferred("bright", "band", changed()).output
    for channel in range(2):
        other = content.samples[1 - channel]
        assert same_notes(output.samples[channel], other, content.sample_rate) < 0.3
    result = transferred("bright", "band", changed(mono=True, num_iterations=0))
    check_format(result, content)
    np.testing.assert_array_equal(*result.output.samples)
    for played in content.samples:
        assert same_notes(result.output.samples[0], played, content.sample_rate) > 0.4


def test_channels_that_are_the_same_stay_so_and_soft_ones_soft():
    centre = transferred("centre", "band", changed()).output.samples
    np.testing.assert_allclose(centre[0], centre[1], atol=1e-3 * np.abs(centre).max())
    left, right = transferred("left", "band", changed()).output.samples
    assert decibels(left) - decibels(right) > 8


def test_no_iterations_give_the_start_back():
    config = changed(num_iterations=0)
    result = transferred("mono", "band", config)
    start = prepare(PIECES["mono"], PIECES["band"], config).start
    np.testing.assert_array_equal(result.minimum.variable, start)


def test_no_loss_is_computed_where_nothing_is_optimised():
    result = transferred("mono", "band", changed(num_iterations=0))
    assert result.rendered_loss is None
    assert result.minimum[1:] == (None, {}, [], [], 0, "finished")


def test_peaks_over_the_ceiling_are_turned_down():
    calm, loud = (transferred(name, "band", changed()).output for name in ("melody", "loud"))
    assert 9 * np.abs(calm.samples).max() > 2 * 0.95
    assert 0.9 < np.abs(loud.samples).max() <= 0.95


def test_a_content_far_above_full_scale_is_turned_down_first():
    def crest(samples: np.ndarray) -> float:
        return 20 * np.log10(np.abs(samples).max()) - decibels(samples)

    at_full_scale = Waveform(10 * PIECES["melody"].samples, RATE)
    far_above = Waveform(50 * at_full_scale.samples, RATE)
    outputs = [
        transfer(content, PIECES["band"], changed()) for content in (at_full_scale, far_above)
    ]
    expected, result = (crest(made.output.samples) for made in outputs)
    assert result == pytest.approx(expected, abs=3)


def treble(samples: np.ndarray) -> float:
    """Energy above 11.3 kHz as a fraction of all, of `[samples]` at 44.1 kHz."""
    power = np.square(np.abs(np.fft.rfft(samples * np.hanning(samples.size))))
    return power[np.fft.rfftfreq(samples.size, 1 / 44100) > 11300].sum() / power.sum()


def test_what_the_content_has_above_half_of_the_rate_is_kept_if_asked_for():
    hiss = np.diff(np.random.default_rng(1).standard_normal(44101)).astype(np.float32)
    content = Waveform(PIECES["bright"].samples + 0.001 * hiss, 44100)
    for full_band in (True, False):
        config = changed(full_band=full_band, num_iterations=0)
        output = transfer(content, PIECES["band"], config).output
        kept = treble(output.samples[0]) / treble(content.samples[0])
        # The octave below is raised by the style, by 12 dB at most.
        assert 0.1 < kept < 40 if full_band else kept < 1e-3


@pytest.mark.parametrize("name", ["wide band", "instant"])
def test_a_style_may_be_short_of_other_rate_and_channels(name):
    result = transferred("melody", name, changed())
    check_format(result, PIECES["melody"])
    check_descent(result.minimum)
    far = colour_distance(PIECES["melody"], PIECES["band"])
    assert colour_distance(result.output, PIECES["band"]) < 0.6 * far


def test_rests_of_the_content_stay_quiet_where_that_is_asked_for():
    def depth(**changes) -> float:
        """How far the rest is under the loud parts, dB."""
        result = transferred("rest", "band", changed(**changes))
        check_format(result, PIECES["rest"])
        samples = result.output.samples
        blocks = np.split(samples[:, REST : REST + 25 * 512], 25, axis=1)
        loud = np.percentile([decibels(block) for block in blocks], 90)
        return loud - decibels(samples[:, : REST - 1600])

    assert depth() > 20
    assert depth(rest_db=35.0) > 31
    assert depth(keep_rests=False) < 14


def test_offsets_are_no_sound():
    def shifted(name: str) -> Waveform:
        return Waveform(PIECES[name].samples + np.float32(0.05), PIECES[name].sample_rate)

    plain = transferred("rest", "band", changed()).output.samples
    output = transfer(shifted("rest"), shifted("band"), changed()).output.samples
    for part, tolerance in ((slice(REST - 1600), 4), (slice(REST, None), 0.5)):
        assert decibels(output[:, part]) == pytest.approx(decibels(plain[:, part]), abs=tolerance)
    assert np.abs(output.mean(axis=1)).max() < 0.001


def test_a_style_whose_channels_cancel_is_heard():
    band = PIECES["band"].samples
    cancelling = Waveform(np.concatenate([band, -band]), RATE)
    output = transfer(PIECES["melody"], cancelling, changed()).output
    expected = transferred("melody", "band", changed()).output
    np.testing.assert_allclose(output.samples, expected.samples, atol=1e-4)


def test_rests_of_the_style_are_left_out_where_that_is_asked_for():
    def median(name: str, **changes) -> np.ndarray:
        """Level of each band, log power."""
        return np.median(describe_style(PIECES[name], changed(**changes)).levels[0], axis=0)

    assert np.abs(median("band and rest") - median("band")).mean() < 0.5
    assert np.abs(median("band and rest", keep_rests=False) - median("band")).mean() > 1.5


def test_slow_dynamics_come_back_by_the_share_that_is_asked_for():
    def fall(samples: np.ndarray) -> float:
        return decibels(samples[0, :7000]) - decibels(samples[0, -7000:])

    quick = {"dynamics_seconds": 0.4}
    falls = [
        fall(transferred("fading", "band", changed(dynamics=amount, **quick)).output.samples)
        for amount in (0.0, 0.5, 1.0)
    ]
    assert fall(PIECES["fading"].samples) == pytest.approx(falls[2], abs=2.5)
    assert falls[0] < 5
    assert falls[0] + 3 < falls[1] < falls[2] - 3


def test_more_style_is_nearer_to_the_style_and_none_is_the_content_coloured():
    outputs = [
        transferred("melody", "band", changed(style_amount=amount)).output
        for amount in (0.0, 0.5, 1.0)
    ]
    content = PIECES["melody"]
    to_style = [colour_distance(output, PIECES["band"]) for output in outputs]
    to_content = [colour_distance(output, content) for output in outputs]
    assert (np.diff(to_style) < -0.5).all(), to_style
    assert (np.diff(to_content) > 0.5).all(), to_content
    assert to_content[0] < 0.5 * to_content[-1]
    assert same_notes(outputs[0].samples[0], content.samples[0], RATE) > 0.99


def test_the_loss_of_what_is_heard_is_that_of_what_was_optimised():
    config = changed(keep_rests=False, dynamics=0.0)
    result = transferred("melody", "band", config)
    assert result.rendered_loss(result.output) == pytest.approx(result.minimum.loss, rel=1e-3)
    louder = Waveform(3 * result.output.samples, RATE)
    assert result.rendered_loss(louder) == pytest.approx(result.minimum.loss, rel=1e-3)
    other = Waveform(result.output.samples[:, ::-1], RATE)
    assert result.rendered_loss(other) > 1.2 * result.minimum.loss


@pytest.mark.parametrize("preset", ["texture", "ulyanov"])
def test_the_same_seed_gives_the_same_bytes_and_another_others(preset):
    pair = PIECES["bright"], PIECES["band"]
    first, again, other = (
        transfer(*pair, changed(preset, seed=seed)).output.samples for seed in (3, 3, 4)
    )
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 0.001


@pytest.mark.parametrize("changes", [{}, {"style_amount": 0.5}])
def test_what_was_kept_of_a_style_does_as_well_as_its_audio(changes, tmp_path):
    config = changed(**changes)
    save_style(
        tmp_path / "a.npz", describe_style(PIECES["band"], config), style_settings(config), []
    )
    style = load_style(tmp_path / "a.npz", style_template(config), style_settings(config))
    again = transfer(PIECES["melody"], style, config)
    expected = transferred("melody", "band", config)
    assert again.minimum.losses == pytest.approx(expected.minimum.losses, rel=1e-4)
    np.testing.assert_allclose(again.output.samples, expected.output.samples, atol=1e-3)


def test_what_was_kept_of_a_style_has_its_gram_matrices():
    # Of more filters than frames, where the audio is compared frame by frame.
    config = changed("palaia", features__num_filters=128, num_iterations=1)
    style = describe_style(PIECES["band"], config)
    again, expected = (
        transfer(PIECES["mono"], one, config).minimum.history[0] for one in (style, PIECES["band"])
    )
    assert again.loss == pytest.approx(expected.loss, rel=1e-3)


def test_a_start_from_the_style_needs_its_audio():
    config = changed("ulyanov", init="style")
    assert transferred("melody", "band", config).minimum.loss > 0
    with pytest.raises(InputError, match=r"^config\.init=style needs the audio"):
        transfer(PIECES["melody"], describe_style(PIECES["band"], config), config)


def test_other_lengths_weights_and_seeds_compile_nothing():
    transfer(PIECES["melody"], PIECES["band"], changed())
    content, style = (
        dataclasses.replace(PIECES[name], samples=PIECES[name].samples[:, :-number])
        for name, number in (("melody", 321), ("band", 123))
    )
    with compilations() as compiled:
        result = transfer(content, style, changed(content_weight=0.3, style_weight=7.0, seed=9))
    assert compiled == []
    assert result.seconds["compile"] == 0.0


@pytest.mark.parametrize(
    ("preset", "name"), [("ulyanov", "bright"), ("palaia", "mono"), ("alishdipani", "melody")]
)
def test_published_presets_move_to_the_style_and_keep_the_format(preset, name):
    result = transferred(name, "band", changed(preset))
    check_format(result, PIECES[name])
    check_descent(result.minimum)
    for channel in result.output.samples:
        np.testing.assert_array_equal(channel, result.output.samples[0])
    minimum = result.minimum
    assert set(minimum.terms) <= {"features", "gram"}
    assert minimum.terms["gram"] < 0.8 * minimum.history[0].terms["gram"]
    assert result.rendered_loss(result.output) > minimum.loss


def test_a_transfer_starts_at_the_loss_of_its_formula():
    # From zeros, the distance to the content is the energy of its log-magnitude spectrogram.
    content = PIECES["melody"]
    config = changed(
        "multicomp", **only(content__spectrogram=1.0), layers=(), optimiser__unrolled=False
    )
    result = transfer(content, PIECES["band"], config)
    padded = np.pad(content.samples.mean(axis=0, dtype=np.float64), 256)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 512)[::258]
    seen = np.log1p(np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 512))))
    assert result.minimum.losses[0] == pytest.approx(np.square(seen).sum(), rel=1e-4)
    assert result.minimum.loss < 0.95 * result.minimum.losses[0]


def test_multicomp_goes_from_zeros_to_the_features_of_the_style(untrained):
    result = transferred("melody", "band", changed("multicomp", checkpoint=str(untrained)))
    check_format(result, PIECES["melody"])
    check_descent(result.minimum)
    terms = result.minimum.terms
    assert set(terms) == {"spectrogram", "activations"}
    assert all(terms[name] < result.minimum.history[0].terms[name] for name in terms)


@pytest.fixture(scope="module")
def components(tmp_path_factory) -> pathlib.Path:
    """Principal components of the pieces, seen as `multicomp` sees them."""
    config = SpectrogramConfig(RATE, CLASSIFIER_STFT)
    frames = np.concatenate(
        [config.frames(PIECES[name])[:48] for name in ("melody", "rest", "fading")]
    )
    path = tmp_path_factory.mktemp("pca") / "pca.npz"
    save_pca(path, fit_pca(frames.reshape(-1, 12, 257), config, PcaConfig(max_components=8)))
    return path


THROUGH_PCA = {
    "variable": "pca",
    "init": "noise",
    "noise_scale": 10.0,
    "optimiser__learning_rate": 1.0,
    "optimiser__unrolled": False,
}


def test_multicomp_goes_through_principal_components(untrained, components):
    config = changed("multicomp", checkpoint=str(untrained), pca=str(components), **THROUGH_PCA)
    result = transferred("melody", "band", config)
    check_format(result, PIECES["melody"])
    check_descent(result.minimum)
    with np.load(components) as archive:
        count = len(archive["components"])
    # The piece has 86 frames, which are eight segments of 12 frames.
    assert result.minimum.variable.shape == (1, 8, count)


def test_layers_of_a_classifier_are_features_of_the_default(untrained):
    layers = ("conv2", "features")
    config = changed(
        **only(content__features=1.0, style__gram=1.0, style__feature_levels=1.0),
        checkpoint=str(untrained),
        layers=layers,
        features__num_filters=0,
        num_iterations=2,
        optimiser__log_every=2,
    )
    result = transferred("mono", "band", config)
    check_format(result, PIECES["mono"])
    check_descent(result.minimum, 2)
    assert set(result.minimum.terms) == {"features", "gram", "feature_levels"}
    assert set(style_template(config).descriptions["gram"]) == set(layers)


def refusal(config: TransferConfig, content: str = "melody", style: str = "band") -> str:
    """What an InputError says, in one line."""
    with pytest.raises(InputError) as error:
        transfer(PIECES[content], PIECES[style], config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_layer_that_is_not_there_is_told_with_those_that_are(untrained):
    config = changed("multicomp", checkpoint=str(untrained), layers=("conv7",))
    message = refusal(config)
    for word in ("config.layers", "'conv7'", str(untrained), *LAYERS):
        assert word in message


def test_a_checkpoint_that_is_none_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        message = refusal(changed("multicomp", checkpoint=str(path)))
        assert message.startswith(f"config.checkpoint {path} ")
        assert "run_train.py" in message


def test_a_classifier_or_basis_of_another_front_end_is_refused(untrained, components, tmp_path):
    classifier = {"checkpoint": str(untrained)}
    basis = {**classifier, "pca": str(components), **THROUGH_PCA}
    for changes, name in (
        (classifier, f"config.checkpoint {untrained}"),
        (basis, f"config.pca {components}"),
    ):
        if name.startswith("config.pca"):
            changes = changes | only(content__spectrogram=1.0)
        message = refusal(changed("multicomp", **changes, sample_rate=16000))
        assert message == f"{name} was trained at 22050 Hz; give config.sample_rate=22050"
        message = refusal(changed("multicomp", **changes, stft__n_fft=1024))
        assert message.startswith(f"{name} was trained on another spectrogram; ")
        assert message.endswith("; give config.stft.n_fft=512")
    basis["pca"] = str(tmp_path / "none.npz")
    assert refusal(changed("multicomp", **basis)).startswith(f"there is no PCA in {basis['pca']}")


@pytest.mark.parametrize(("width", "short"), [(40, "style has 35"), (50, "content has 44")])
def test_a_filter_wider_than_a_piece_is_refused_by_the_name_of_its_key(width, short):
    message = refusal(changed("ulyanov", features__widths=(3, width)))
    assert message.startswith(f"{short} frames of 512 samples")
    assert message.endswith(f"config.features.widths spans {width}")


# Over the largest float32: the weight itself, and its product with a term.
@pytest.mark.parametrize("weight", [1e39, 3e38])
def test_weights_that_make_the_loss_infinite_are_refused(weight):
    config = changed("ulyanov", content_weight=weight, style_weight=weight)
    assert "lower config.content_weight, config.style_weight" in refusal(config)


def test_a_loss_that_explodes_ends_at_the_best_iterate():
    result = transferred("melody", "band", changed("alishdipani", optimiser__learning_rate=1e20))
    assert result.minimum.stopped == "non-finite"
    assert result.minimum.loss == pytest.approx(result.minimum.history[0].loss, rel=1e-5)
    assert not np.isfinite(result.minimum.history[-1].loss)
    assert np.isfinite(result.output.samples).all()
    assert decibels(result.output.samples) == pytest.approx(
        decibels(PIECES["melody"].samples), abs=0.1
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dynamics": 1.5}, "dynamics is 1.5; give a number from 0 to 1"),
        ({"style_amount": 1.01}, "style_amount is 1.01; give a number from 0 to 1"),
        (only(), "no term of content or style has a weight; give one to some"),
        (
            {**only(content__chroma=1.0), "variable": "spectrogram"},
            "content.chroma needs variable=waveform, not spectrogram",
        ),
        (
            {**only(content__features=1.0, style__bands=1.0), "variable": "raw_spectrogram"},
            "style.bands needs variable=waveform, not raw_spectrogram",
        ),
        (
            {**only(content__features=1.0), "variable": "spectrogram", "content_target": "start"},
            "content_target=start needs variable=waveform, not spectrogram",
        ),
        (
            {"style__gram": 1.0, "features__num_filters": 0},
            "terms of features need features.num_filters or layers",
        ),
        (
            {**only(content__features=1.0), "features__num_filters": 0},
            "terms of features need features.num_filters or layers",
        ),
        (
            {**only(content__spectrogram=1.0), "variable": "pca"},
            "variable=pca needs pca, a file of run_train.py --mode=pca",
        ),
        (
            {
                **only(content__spectrogram=1.0),
                "variable": "spectrogram",
                "stft__n_fft": 512,
                "stft__hop_length": 430,
            },
            "stft.hop_length is 430, so windows of 512 samples leave gaps in the waveform of a "
            "spectrogram; give at most 256, or variable=waveform",
        ),
    ],
)
def test_choices_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(InputError) as error:
        changed(**changes)
    assert str(error.value) == f"config: {message}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_amount": -0.1}, "config.style_amount is -0.1; give a number of at least 0"),
        ({"rest_db": 0.0}, "config.rest_db is 0.0; give a number above 0"),
        ({"style__bands": -1.0}, "config.style.bands is -1.0; give a number of at least 0"),
        ({"sample_rate": 999}, "config.sample_rate is 999; give a number of at least 1000"),
        (
            {"init": "matching"},
            "config.init is 'matching'; give one of matched, reorchestrated, content",
        ),
    ],
)
def test_values_out_of_range_are_refused_by_their_key(changes, message):
    with pytest.raises(InputError) as error:
        changed(**changes)
    assert str(error.value).startswith(message)


def test_only_terms_with_a_weight_are_computed():
    config = changed(**only(content__onset=2.0, style__spectrum=3.0), style_weight=0.5)
    assert config.weights == {"onset": 2.0, "spectrum": 1.5}
    assert not config.needs_features
    assert changed("ulyanov").needs_features


def test_a_description_is_not_used_under_other_filters():
    config = changed("ulyanov", init="content", content_weight=0.0)
    slow = resample(PIECES["band"], 16000)
    description = describe_style(PIECES["band"], config)
    with pytest.raises(
        InputError,
        match=r"16000 Hz has no sound above 7200 Hz, and .*features\.max_hz=7200 to both",
    ):
        transfer(slow, description, config)
    config = dataclasses.replace(config, features=dataclasses.replace(config.features, max_hz=7200))
    losses = [
        transfer(content, describe_style(PIECES["band"], config), config).minimum.history[0].loss
        for content in (slow, resample(PIECES["mono"], 16000))
    ]
    assert losses[0] < 0.01 * losses[1]
