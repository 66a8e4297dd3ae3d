"""Audio files in and out, their errors, resampling and levels."""

import io
import os
import pathlib

import librosa
import numpy as np
import pytest
import soundfile
from encoding import assert_one_line_about, stereo

from research.audio.levels import rms
from research.audio.waveform import (
    Waveform,
    fit_length,
    load_waveform,
    match_channels,
    resample,
    without_offset,
)
from research.errors import InputError


@pytest.mark.parametrize(
    ("before", "after"), [(44100, 22050), (22050, 44100), (48000, 22050), (22050, 16000)]
)
def test_resample_equals_librosa_by_soxr(chord, before, after):
    samples = stereo(chord)[:, :22001]
    result = resample(Waveform(samples, before), after)
    expected = librosa.resample(samples, orig_sr=before, target_sr=after, res_type="soxr_hq")
    assert result.sample_rate == after
    assert result.samples.dtype == np.float32
    assert result.samples.shape == (2, int(np.ceil(22001 * after / before)))
    np.testing.assert_allclose(result.samples, expected, atol=1e-6)


def test_resample_to_its_own_rate_changes_nothing(chord):
    waveform = Waveform(chord[None], 22050)
    np.testing.assert_array_equal(resample(waveform, 22050).samples, waveform.samples)


def test_lengths_channels_and_rms_by_hand():
    samples = np.array([[1, 2, 3], [3, 4, -5]], np.float32)
    np.testing.assert_array_equal(fit_length(samples, 2), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(fit_length(samples, 4), [[1, 2, 3, 0], [3, 4, -5, 0]])
    np.testing.assert_array_equal(match_channels(samples, 2), samples)
    np.testing.assert_array_equal(match_channels(samples, 1), [[2, 3, -1]])
    np.testing.assert_array_equal(match_channels(samples, 3), 3 * [[2, 3, -1]])
    np.testing.assert_array_equal(match_channels(samples[:1], 2), 2 * [[1, 2, 3]])
    assert rms(np.array([[3, -4], [0, 5]], np.float32)) == pytest.approx(np.sqrt(12.5))


def write(path, samples):
    soundfile.write(path, samples, 22050, subtype="FLOAT")


def broken_by(value):
    """A writer of good audio but for one sample."""

    def write_broken(path):
        samples = np.full(22050, 0.1, np.float32)
        samples[77] = value
        write(path, samples)

    return write_broken


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("These are words.\n" * 99), "cannot be read as audio"),
        (lambda path: write(path, np.ones(10, np.float32)), r"10 samples\)"),
        (broken_by(np.nan), "1 samples are NaN or infinite"),
        (broken_by(-np.inf), "1 samples are NaN or infinite"),
        (lambda path: write(path, np.zeros(22050, np.float32)), "digital silence"),
    ],
    ids=["missing", "directory", "empty", "text", "10 samples", "NaN", "infinite", "silence"],
)
def test_what_is_no_sound_is_told_in_one_line(tmp_path, make, reason):
    path = tmp_path / "input.wav"
    make(path)
    with pytest.raises(InputError, match=reason) as error:
        load_waveform(path)
    assert_one_line_about(path, error)


def test_file_in_the_place_of_a_folder_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "input.wav"
    with pytest.raises(InputError, match="does not exist") as error:
        load_waveform(path)
    assert_one_line_about(path, error)


def mp3(chord, mode="VARIABLE"):
    """Two seconds of MP3 at 44100 Hz that begin with a frame stating the length: bytes."""
    file = io.BytesIO()
    samples = np.concatenate(4 * [chord])
    soundfile.write(file, samples, 44100, format="MP3", bitrate_mode=mode, compression_level=0.5)
    content = file.getvalue()
    assert {"VARIABLE": b"Xing", "CONSTANT": b"Info"}[mode] in content[:100]
    return content


def id3(size):
    """An ID3v2 tag of `size` bytes and a header of ten, its size in bytes of seven bits."""
    return b"ID3\x04\x00\x00" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("tag", [b"", id3(20000)], ids=["bare", "behind ID3"])
def test_mp3_cut_in_half_is_told_in_one_line_and_no_other(tmp_path, chord, tag, mode, capfd):
    path = tmp_path / "half.mp3"
    whole = mp3(chord, mode)
    path.write_bytes(tag + whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut short") as error:
        load_waveform(path)
    assert_one_line_about(path, error)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_mp3_behind_an_id3_tag_loads_as_without(tmp_path, chord):
    bare, tagged = tmp_path / "bare.mp3", tmp_path / "tagged.mp3"
    bare.write_bytes(mp3(chord))
    tagged.write_bytes(id3(20000) + mp3(chord))
    whole = load_waveform(bare)
    assert whole.samples.shape == (1, 88200)
    np.testing.assert_array_equal(load_waveform(tagged).samples, whole.samples)


def test_mp3_that_does_not_state_its_length_loads(tmp_path, chord):
    rates = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    whole = mp3(chord, "CONSTANT")
    assert whole[0] == 0xFF and whole[1] & 0xFE == 0xFA  # Frame sync, MPEG 1, layer III.
    assert whole[2] >> 2 & 3 == 0  # 44100 Hz.
    frame = 144000 * rates[whole[2] >> 4] // 44100 + (whole[2] >> 1 & 1)
    assert whole[frame : frame + 2] == whole[:2]  # The next frame begins there.
    path = tmp_path / "bare.mp3"
    path.write_bytes(whole[frame:])
    loaded = load_waveform(path)
    assert 2.0 <= loaded.seconds < 2.1  # Nothing says which samples are padding.
    assert abs(20 * np.log10(rms(loaded.samples) / rms(chord))) < 1.0


def test_shipped_clips_load(clips):
    for path in clips.values():
        waveform = load_waveform(path)
        assert waveform.samples.shape == (1, 441000)
        assert 0.01 < rms(waveform.samples) < 0.5


def test_real_recordings_load(recording):
    waveform = load_waveform(recording)
    info = soundfile.info(recording)
    assert waveform.samples.shape == (info.channels, info.frames)
    assert waveform.sample_rate == info.samplerate
    assert np.abs(waveform.samples).max() < 2.0


def test_a_length_that_cannot_be_is_told(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(22050) + 0.1, 22050)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # The 36 bits of the total number of samples, in the first metadata block.
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"long\.flac"):
        load_waveform(path)


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("ratio", [-1.0, -0.97])
def test_channels_that_cancel_are_the_loudest_one(chord, ratio, offset):
    samples = np.stack([0.9 * chord, chord, ratio * 0.95 * chord, -0.95 * chord]) + offset
    for channels in ([1, 3], [3, 1], [0, 1, 2, 3]):
        mixed = match_channels(samples[channels].astype(np.float32), 1)
        np.testing.assert_array_equal(mixed, samples[[1]].astype(np.float32))


def test_channels_that_cancel_in_part_are_mixed(chord):
    noise = np.random.default_rng(0).standard_normal((2, len(chord))).astype(np.float32)
    for samples in (
        np.stack([chord, -0.5 * chord]),
        0.1 * noise,
        np.stack([chord, np.zeros_like(chord)]),
        np.zeros((2, 99), np.float32),
        np.stack([chord, -chord]) + 0.3 * noise,
    ):
        np.testing.assert_array_equal(match_channels(samples, 1)[0], samples.mean(axis=0))


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_channels_that_cancel_are_told_by_a_warning(tmp_path, chord, subtype):
    path = tmp_path / "wrong plug.wav"
    soundfile.write(path, np.stack([chord, -chord], 1), 22050, subtype=subtype)
    with pytest.warns(UserWarning, match=r"wrong plug\.wav: its channels cancel") as record:
        waveform = load_waveform(path)
    assert len(record) == 1 and "\n" not in str(record[0].message)
    assert waveform.samples.shape == (2, 22050)


@pytest.mark.parametrize("offset", [0.01, 0.05, -0.4])
@pytest.mark.parametrize("seconds", [1, 30])
def test_an_offset_is_removed_from_the_channels_that_have_one(offset, seconds):
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, seconds * 22050))
    centred = (noise - noise.mean(axis=1, keepdims=True)).astype(np.float32)
    shifted = centred + np.float32([[offset], [0]])
    result = without_offset(Waveform(shifted, 22050)).samples
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], centred[0], atol=1e-6)
    np.testing.assert_array_equal(result[1], centred[1])


def test_ordinary_recordings_keep_their_samples(recording):
    waveform = load_waveform(recording)
    assert without_offset(waveform) is waveform


@pytest.mark.parametrize("frequency", [20.0, 55.3, 440.1])
@pytest.mark.parametrize("seconds", [0.5, 2.7])
def test_a_period_that_is_cut_off_is_no_offset(frequency, seconds):
    time = np.arange(int(seconds * 44100)) / 44100
    samples = np.sin(2 * np.pi * frequency * time + np.array([[0], [1.6]])).astype(np.float32)
    waveform = Waveform(samples, 44100)
    assert without_offset(waveform) is waveform


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.full(22050, 0.5), "is silence"),
        (np.full(22050, 0.5) + 1e-10 * np.arange(22050), "is silence"),
        (1e-30 * np.sin(np.arange(22050)), "is silence, more than 100 dB below full scale"),
        (1e-39 * np.sin(np.arange(22050)), "is silence, more than 100 dB below full scale"),
        (1e-45 * np.sign(np.sin(np.arange(22050))), "is silence"),
        (32768 * np.sin(np.arange(22050)), r"far above full scale, up to 3.28e\+04; export"),
        (1e9 * np.sin(np.arange(22050)), r"far above full scale, up to 1e\+09"),
        (3e38 * np.sin(np.arange(22050)), r"far above full scale, up to 3e\+38"),
        (1e60 * np.sin(np.arange(22050)), "NaN or infinite"),
    ],
    ids=["0.5", "a slope", "1e-30", "1e-39", "1e-45", "2**15", "1e9", "3e38", "1e60"],
)
@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_levels_that_no_sound_has_are_told_in_one_line(
    tmp_path, samples, reason, num_channels, subtype
):
    path = tmp_path / "input.wav"
    with np.errstate(over="ignore"):
        samples = np.outer(samples.astype({"FLOAT": "f4", "DOUBLE": "f8"}[subtype]), [1, 0.7])
    soundfile.write(path, samples[:, :num_channels], 22050, subtype=subtype)
    with pytest.raises(InputError, match=reason) as error:
        load_waveform(path)
    assert_one_line_about(path, error)


@pytest.mark.parametrize("level", [1e-4, 8.0])
def test_quiet_and_loud_recordings_load(tmp_path, chord, level):
    write(tmp_path / "input.wav", level * chord)
    np.testing.assert_array_equal(load_waveform(tmp_path / "input.wav").samples[0], level * chord)


@pytest.mark.parametrize("rate", [1, 100, 999, 768001, 2**31 - 1])
def test_sample_rates_that_no_recording_has_are_told(tmp_path, rate):
    path = tmp_path / "input.wav"
    # Long enough at low rates; at the others the rate comes first.
    soundfile.write(path, np.sin(np.arange(22050)), rate)
    with pytest.raises(InputError, match=f"sample rate is {rate} Hz; give one from 1000 to 768000"):
        load_waveform(path)
    with pytest.raises(InputError, match=f"is {rate} Hz; give one from 1000 to 768000"):
        resample(Waveform(np.ones((1, 99), np.float32), rate), 22050)
    with pytest.raises(InputError, match=f"is {rate} Hz"):
        resample(Waveform(np.ones((1, 99), np.float32), 22050), rate)


@pytest.mark.parametrize("rates", [(1000, 768000), (768000, 1000), (1001, 767999)])
def test_extreme_rates_are_resampled(rates):
    before, after = rates
    waveform = Waveform(np.sin(np.arange(before) / 10)[None].astype(np.float32), before)
    result = resample(waveform, after)
    assert result.samples.shape == (1, after)
    assert np.isfinite(result.samples).all()


def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", pathlib.Path("/dev/null")):
        with pytest.raises(InputError, match="is a pipe or a device; write it to a file"):
            load_waveform(path)
