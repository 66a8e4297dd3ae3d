"""Descriptors against NumPy and SciPy by hand, published rows, their tables, the real script."""

import csv
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import soundfile
from conftest import ROOT

from research.audio.waveform import Waveform, load_waveform
from research.data.descriptor_cache import DescriptorCache
from research.data.descriptors import (
    COLUMNS,
    FEATURES,
    Descriptors,
    describe,
    describe_track,
    load_descriptors,
    save_descriptors,
    tables,
)
from research.errors import InputError

RATE = 22050
GTZAN = ROOT.parent / "shared" / "data" / "gtzan"


def write_track(path: pathlib.Path, seconds: float, pitch: float, rate: int = RATE) -> None:
    """A tone in noise that beats twice a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(round(pitch)).standard_normal(time.size)
    samples = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.2 * noise * np.exp(-9 * (time % 0.5))
    soundfile.write(path, samples, rate, subtype="PCM_16")


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Two seconds of a falling chord with clicks, at no whole number of hops."""
    time = np.arange(2 * RATE + 123) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * time * (1 - 0.02 * time)) for pitch in (196, 294, 466))
    clicks = np.random.default_rng(0).standard_normal(time.size) * np.exp(-20 * (time % 0.4))
    return (0.1 * chord * np.exp(-time) + 0.2 * clicks).astype(np.float32)


@pytest.fixture(scope="module")
def described(samples) -> dict[str, float]:
    return dict(zip(FEATURES, describe(samples), strict=True))


def frames_of(samples: np.ndarray, mode: str = "reflect") -> np.ndarray:
    """Frames of 2048 every 512, centred, `[frames, 2048]` float64."""
    padded = np.pad(samples.astype(np.float64), 1024, mode=mode)
    return np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512]


def magnitudes(samples: np.ndarray) -> np.ndarray:
    """`|STFT|` by NumPy, `[frames, 1025]`."""
    return np.abs(np.fft.rfft(frames_of(samples) * scipy.signal.get_window("hann", 2048)))


def assert_says(described: dict, name: str, values: np.ndarray, tolerance: float = 1e-5) -> None:
    """Asserts mean and population variance."""
    mean = described[f"{name}_mean"], described[f"{name}_var"]
    wanted = values.mean(), ((values - values.mean()) ** 2).sum() / values.size
    np.testing.assert_allclose(mean, wanted, rtol=tolerance)


def test_the_columns_are_the_published_ones_in_their_order():
    assert len(COLUMNS) == 60
    assert len(FEATURES) == 57 == len(set(FEATURES))
    assert COLUMNS[:4] == ("filename", "length", "chroma_stft_mean", "chroma_stft_var")
    assert COLUMNS[12:20] == (
        "zero_crossing_rate_mean",
        "zero_crossing_rate_var",
        "harmony_mean",
        "harmony_var",
        "perceptr_mean",
        "perceptr_var",
        "tempo",
        "mfcc1_mean",
    )
    assert COLUMNS[-3:] == ("mfcc20_mean", "mfcc20_var", "label")


def test_rms_and_zero_crossings(samples, described):
    assert_says(described, "rms", np.sqrt((frames_of(samples) ** 2).mean(1)))
    signs = np.signbit(frames_of(samples, "edge"))
    crossings = (signs[:, 1:] != signs[:, :-1]).sum(1) / 2048
    assert_says(described, "zero_crossing_rate", crossings)


def test_centroid_bandwidth_and_rolloff(samples, described):
    frequencies = np.arange(1025) * RATE / 2048
    weights = magnitudes(samples)
    weights /= weights.sum(1, keepdims=True)
    centroid = weights @ frequencies
    assert_says(described, "spectral_centroid", centroid)
    away = (frequencies - centroid[:, None]) ** 2
    assert_says(described, "spectral_bandwidth", np.sqrt((weights * away).sum(1)))
    bins = (np.cumsum(weights, 1) < 0.85).sum(1)
    # A bin here or there by rounding.
    assert_says(described, "rolloff", frequencies[bins], 2e-4)


def test_mfcc_is_the_cosine_transform_of_slaney_mel_bands(samples, described):
    def to_hz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    top = 15 + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    edges = to_hz(np.linspace(0, top, 130))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    frequencies = np.arange(1025) * RATE / 2048
    rise, fall = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    bands = np.maximum(0, np.minimum(rise, fall)) * 2 / (high - low)
    decibels = 10 * np.log10(np.maximum(magnitudes(samples) ** 2 @ bands.T, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    mfcc = scipy.fft.dct(decibels, norm="ortho")[:, :20]
    means, variances = (
        np.array([described[f"mfcc{i}_{what}"] for i in range(1, 21)]) for what in ("mean", "var")
    )
    np.testing.assert_allclose(means, mfcc.mean(0), atol=1e-3)
    np.testing.assert_allclose(variances, mfcc.var(0), rtol=1e-4)


def test_chroma_is_of_the_twelve_classes(described):
    found = []
    for pitch in (440.0, 587.3, 783.99):
        tone = np.sin(2 * np.pi * pitch * np.arange(RATE) / RATE).astype(np.float32)
        found.append(describe(tone)[:2])
    # One class of twelve at 1, its neighbours at next to nothing.
    assert np.allclose(found, found[0], atol=0.04)
    assert 1 / 12 <= found[0][0] < 0.25
    assert 0.05 < found[0][1] < 0.12
    # Loudest class at 1 in every frame, so the mean is between a twelfth and 1.
    assert 1 / 12 < described["chroma_stft_mean"] < 1


def test_chroma_and_tempo_are_those_of_librosa(samples, described):
    import librosa

    chroma = librosa.feature.chroma_stft(y=samples, sr=RATE, pad_mode="reflect")
    assert_says(described, "chroma_stft", chroma.astype(np.float64))
    assert 60 < described["tempo"] < 240


@pytest.mark.parametrize("interval", [40, 26])
def test_tempo_is_that_of_clicks(interval):
    clicks = np.zeros(8 * RATE, np.float32)
    clicks[interval * 256 :: interval * 512] = 0.9
    tempo = describe(clicks)[FEATURES.index("tempo")]
    assert tempo == pytest.approx(60 * RATE / 512 / interval, rel=1e-9)


def test_harmony_and_perceptr_are_two_parts_by_medians(samples, described):
    window = scipy.signal.get_window("hann", 2048)
    stft = np.fft.rfft(frames_of(samples) * window)
    magnitude = np.abs(stft)

    def medians(axis):
        padded = np.pad(magnitude, [(15 * (axis == i),) * 2 for i in (0, 1)], mode="symmetric")
        return np.median(np.lib.stride_tricks.sliding_window_view(padded, 31, axis), -1)

    def overlap_add(frames):
        out = np.zeros(2048 + 512 * (len(frames) - 1))
        for i, frame in enumerate(frames):
            out[512 * i :][:2048] += frame
        return out[1024:-1024]

    harmonic, percussive = medians(0) ** 2, medians(1) ** 2
    weight = overlap_add(np.tile(window**2, (len(stft), 1)))
    for name, part in (("harmony", harmonic), ("perceptr", percussive)):
        frames = np.fft.irfft(stft * part / (harmonic + percussive)) * window
        wanted = np.zeros(len(samples))
        wanted[: len(weight)] = overlap_add(frames) / weight
        assert len(samples) - 512 < len(weight) < len(samples)
        assert described[f"{name}_var"] == pytest.approx(wanted.var(), rel=1e-4)
        assert described[f"{name}_mean"] == pytest.approx(wanted.mean(), abs=1e-7)


@pytest.mark.parametrize("level", [0.0, 1e-20, 1e5])
@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_silence_and_extreme_levels_have_finite_descriptors(level, seconds):
    noise = np.random.default_rng(0).uniform(-1, 1, round(seconds * RATE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(describe((level * noise).astype(np.float32))).all()


def test_slices_begin_every_three_seconds_and_are_whole(samples):
    stride, length = 66150, 66149
    track = np.tile(samples, 4)[: stride + length]
    for size, count in ((length - 1, 0), (stride + length - 1, 1), (len(track), 2)):
        rows = describe_track(Waveform(track[None, :size], RATE))
        assert rows.shape == (1 + count, 58)
        assert rows[:, 0].tolist() == [size] + [length] * count
    np.testing.assert_array_equal(rows[0, 1:], describe(track))
    np.testing.assert_array_equal(rows[2, 1:], describe(track[stride:]))


def test_a_track_is_the_mean_of_its_channels_at_22050_hz(samples):
    both = np.stack([1.5 * samples, 0.5 * samples])
    np.testing.assert_allclose(
        describe_track(Waveform(both, RATE)),
        describe_track(Waveform(samples[None], RATE)),
        rtol=1e-4,
        atol=1e-6,
    )
    (row,) = describe_track(Waveform(samples[None], 2 * RATE))
    assert row[0] == -(-len(samples) // 2)


def test_samples_far_above_full_scale_are_refused(samples):
    with pytest.raises(InputError, match="far above full scale"):
        describe_track(Waveform(1e8 * samples[None], RATE))


@pytest.fixture
def table() -> Descriptors:
    random = np.random.default_rng(0)
    tracks = [
        ("blues/blues.00000.wav", random.standard_normal((3, 58)) / 3),
        ("rock/a, b/ü.au", random.standard_normal((2, 58)) * 1e9),
    ]
    for _, rows in tracks:
        rows[:, 0] = 66149
    whole, slices = tables(tracks)
    assert whole.names == ("blues.00000.wav", "a, b/ü.au")
    assert slices.names == ("blues.00000.0.wav", "blues.00000.1.wav", "a, b/ü.0.au")
    assert slices.labels == ("blues", "blues", "rock")
    np.testing.assert_array_equal(slices.features[2], tracks[1][1][1, 1:])
    return slices


def test_a_table_is_read_as_it_was_written(table, tmp_path):
    path = tmp_path / "table.csv"
    save_descriptors(path, table)
    again = load_descriptors(path)
    assert (again.names, again.labels) == (table.names, table.labels)
    np.testing.assert_array_equal(again.lengths, table.lengths)
    np.testing.assert_array_equal(again.features, table.features)
    before = path.read_bytes()
    save_descriptors(path, again)
    assert path.read_bytes() == before
    path.write_bytes(b"\xef\xbb\xbf" + before.replace(b"\n", b"\r\n") + b"\r\n")
    np.testing.assert_array_equal(load_descriptors(path).features, table.features)


def change_row(column: str, cell: str):
    def change(rows):
        rows[2][COLUMNS.index(column)] = cell

    return change


def take_out(rows):
    for row in rows:
        del row[COLUMNS.index("tempo")]


def swap(rows):
    for row in rows:
        row[4], row[5] = row[5], row[4]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (take_out, ["lacks the column tempo"]),
        (swap, ["'rms_var' as column 5", "not rms_mean"]),
        (lambda rows: [row.append("0") for row in rows], ["column '0' too many"]),
        (lambda rows: rows.clear(), ["lacks the column filename"]),
        (lambda rows: rows.__delitem__(slice(1, None)), ["no rows"]),
        (lambda rows: rows[2].pop(), ["line 3", "59 columns, not 60"]),
        (change_row("tempo", "nan"), ["line 3", "blues.00000.1.wav", "tempo", "'nan'"]),
        (change_row("mfcc3_var", ""), ["line 3", "mfcc3_var", "''"]),
        (change_row("rms_mean", "0,5"), ["line 3", "rms_mean", "'0,5'"]),
        (change_row("length", "inf"), ["line 3", "length", "'inf'"]),
        (change_row("label", " "), ["line 3", "label is empty"]),
        (change_row("filename", ""), ["line 3", "filename is empty"]),
    ],
)
def test_a_bad_table_is_refused_in_one_line(table, tmp_path, change, words):
    path = tmp_path / "table.csv"
    save_descriptors(path, table)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(InputError) as error:
        load_descriptors(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in [str(path), ";", *words]), message


@pytest.mark.parametrize("content", [None, b'"' + bytes(200000), "folder"])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, content):
    path = tmp_path / "table.csv"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.csv [^\n]*; give"):
        load_descriptors(path)


def test_what_is_kept_is_not_computed_again_and_what_is_damaged_is(tmp_path, monkeypatch):
    write_track(tmp_path / "a.wav", 0.6, 300)
    cache = DescriptorCache(tmp_path / "kept")
    cache.folder.mkdir()
    digest, num_frames = cache.add_one(tmp_path / "a.wav")
    assert num_frames == 1 + round(0.6 * RATE) // 512
    rows, whole = cache.read(digest), cache.path(digest).read_bytes()
    np.testing.assert_array_equal(rows, describe_track(load_waveform(tmp_path / "a.wav")))
    for damage in (b"", whole[:-8], whole[:-8] + b"\xff" * 8, b"PK\x03\x04"):
        cache.path(digest).write_bytes(damage)
        with pytest.raises(InputError, match="missing or damaged"):
            cache.read(digest)
        assert cache.add_one(tmp_path / "a.wav") == (digest, num_frames)
        assert cache.path(digest).read_bytes() == whole
    monkeypatch.setattr("research.data.descriptor_cache.describe_track", None)
    assert cache.add_one(tmp_path / "a.wav") == (digest, num_frames)


def test_files_that_cannot_be_used_are_said_and_not_raised(tmp_path):
    cache = DescriptorCache(tmp_path)
    (tmp_path / "text.wav").write_text("no audio")
    loud = np.full(RATE, 1e9, np.float32)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="FLOAT")
    for name in ("text.wav", "loud.wav", "none.wav"):
        error = cache.add_one(tmp_path / name)
        assert isinstance(error, InputError)
        assert str(tmp_path / name) in str(error)


def test_processes_that_describe_do_not_import_jax():
    code = "import sys, research.data.descriptor_cache; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_script_describes_a_tree_and_a_killed_run_goes_on(run_script, tmp_path):
    root, workdir = tmp_path / "gtzan", tmp_path / "work"
    files = []
    for genre, pitch in (("rock", 600), ("blues", 200)):
        for i in (1, 0):
            files.append(root / "genres" / genre / f"{genre}.{i:05d}.au")
            write_track(files[-1], 3.2 if genre == "rock" else 1.0, pitch + i)
    (root / "genres" / "blues" / "blues.00002.au").write_bytes(bytes(100))
    result = run_script(
        "run_train.py", "--mode=describe", f"--config.data.root={root}", f"--workdir={workdir}"
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("warning: ") == 1
    assert "blues.00002.au" in result.stderr
    (line,) = result.stdout.splitlines()
    for words in ("30_sec.csv (4 rows)", "3_sec.csv (2 rows)", " s; files skipped: 1"):
        assert words in line

    whole, slices = (load_descriptors(workdir / f"features_{name}_sec.csv") for name in (30, 3))
    assert whole.names == ("blues.00000.au", "blues.00001.au", "rock.00000.au", "rock.00001.au")
    assert whole.labels == ("blues", "blues", "rock", "rock")
    assert whole.lengths.tolist() == [RATE, RATE, 70560, 70560]
    assert slices.names == ("rock.00000.0.au", "rock.00001.0.au")
    assert slices.lengths.tolist() == [66149, 66149]
    rows = describe_track(load_waveform(files[0]))
    np.testing.assert_allclose(whole.features[3], rows[0, 1:], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(slices.features[1], rows[1, 1:], rtol=1e-5, atol=1e-7)

    cache = DescriptorCache(workdir / "descriptors")
    kept = sorted(cache.folder.iterdir())
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in kept]
    kept[0].unlink()
    assert sorted(cache.path(cache.add_one(file)[0]) for file in files) == kept
    assert cache.read(kept[0].stem).shape[1] == 58
    after = [(path.read_bytes(), path.stat().st_mtime_ns) for path in kept]
    assert after[1:] == before[1:]


def test_a_description_of_nothing_is_refused(run_script, assert_refused, tmp_path):
    workdir = tmp_path / "work"
    result = run_script("run_train.py", "--mode=describe", f"--workdir={workdir}")
    assert_refused(result, "--config.data.root", "one folder of audio files a genre")
    assert not workdir.exists()


@pytest.mark.skipif(not GTZAN.is_dir(), reason="the published tracks and rows are not here")
@pytest.mark.parametrize("name", ["blues.00000", "classical.00000", "disco.00000", "metal.00000"])
def test_published_rows_are_reproduced(name):
    published = load_descriptors(GTZAN / "features_30_sec.csv")
    place = published.names.index(f"{name}.wav")
    wanted = dict(zip(FEATURES, published.features[place], strict=True))
    (samples,) = load_waveform(GTZAN / "lossless" / f"{name}.flac").samples
    assert len(samples) == published.lengths[place]
    for feature, value in zip(FEATURES, describe(samples), strict=True):
        if feature.startswith("mfcc") and feature.endswith("mean"):
            tolerance = {"abs": 1e-3}
        elif feature in ("harmony_mean", "perceptr_mean"):
            tolerance = {"abs": 1e-8}
        else:
            tolerance = {"rel": 0 if feature == "tempo" else 1e-5}
        assert value == pytest.approx(wanted[feature], **tolerance), feature
