"""Audio files that are written, and what cannot be."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from encoding import assert_one_line_about, stereo

from research.audio.levels import rms
from research.audio.waveform import Waveform, load_waveform
from research.audio.writing import check_writable, save_waveform
from research.errors import InputError


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize(
    ("suffix", "tolerance"), [(".wav", 1e-6), (".flac", 1e-6), (".au", 2**-15), (".FLAC", 1e-6)]
)
def test_lossless_files_give_back_the_samples(
    tmp_path, chord, suffix, tolerance, num_channels, rate
):
    samples = stereo(chord)[:num_channels]
    save_waveform(tmp_path / f"a{suffix}", Waveform(samples, rate))
    loaded = load_waveform(tmp_path / f"a{suffix}")
    assert loaded.sample_rate == rate
    assert loaded.samples.dtype == np.float32
    assert loaded.seconds == samples.shape[-1] / rate
    np.testing.assert_allclose(loaded.samples, samples, rtol=0, atol=tolerance)


@pytest.mark.parametrize("rate", [22050, 44100])
@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_files_give_back_the_sound(tmp_path, chord, suffix, num_channels, rate):
    samples = stereo(chord)[:num_channels]
    save_waveform(tmp_path / f"a{suffix}", Waveform(samples, rate))
    loaded = load_waveform(tmp_path / f"a{suffix}")
    assert loaded.sample_rate == rate
    assert loaded.samples.shape == samples.shape
    for result, expected in zip(loaded.samples, samples, strict=True):
        assert np.corrcoef(result, expected)[0, 1] > 0.99
        assert abs(20 * np.log10(rms(result) / rms(expected))) < 0.2


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_files_for_the_studio_are_24_bit(tmp_path, chord, suffix):
    save_waveform(tmp_path / f"a{suffix}", Waveform(chord[None], 22050))
    assert soundfile.info(tmp_path / f"a{suffix}").subtype == "PCM_24"


def test_long_ogg_is_written(tmp_path):
    # libvorbis overflows the stack when it gets minutes of audio at once; hence another process.
    program = """
import sys
import numpy as np
from research.audio.waveform import Waveform
from research.audio.writing import save_waveform
samples = np.zeros((1, 3_000_000), np.float32)
samples[0, ::1000] = 0.5
save_waveform(sys.argv[1], Waveform(samples, 8000))
"""
    root = pathlib.Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", program, tmp_path / "a.ogg"], cwd=root, check=True)
    assert soundfile.info(tmp_path / "a.ogg").frames == 3_000_000


def unwritable(tmp_path):
    """Paths by what is wrong with them."""
    (tmp_path / "folder.wav").mkdir(exist_ok=True)
    (tmp_path / "file").touch()
    return {
        "directory": tmp_path / "folder.wav",
        "suffix": tmp_path / "out.doc",
        "no suffix": tmp_path / "out",
        "missing folder": tmp_path / "nowhere" / "out.wav",
        "file as a parent": tmp_path / "file" / "out.wav",
    }


@pytest.mark.parametrize("act", ["check", "save"])
@pytest.mark.parametrize(
    "kind", ["directory", "suffix", "no suffix", "missing folder", "file as a parent"]
)
def test_unwritable_output_is_told_in_one_line(tmp_path, chord, kind, act):
    path = unwritable(tmp_path)[kind]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as error:
        if act == "check":
            check_writable(path, 1, 22050)
        else:
            save_waveform(path, Waveform(chord[None], 22050))
    assert_one_line_about(path, error)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac", ".ogg", ".mp3", ".au"])
def test_writable_output_is_left_as_it_was(tmp_path, suffix):
    (tmp_path / f"old{suffix}").write_text("old")
    check_writable(tmp_path / f"old{suffix}", 2, 44100)
    check_writable(tmp_path / f"new{suffix}", 2, 44100)
    assert [path.name for path in tmp_path.iterdir()] == [f"old{suffix}"]
    assert (tmp_path / f"old{suffix}").read_text() == "old"


@pytest.mark.parametrize("suffix", sorted(soundfile.available_formats()))
def test_what_check_writable_lets_pass_can_be_saved_and_loaded(tmp_path, chord, suffix):
    path = tmp_path / f"a.{suffix.lower()}"
    try:
        check_writable(path, 1, 22050)
    except InputError:
        return
    save_waveform(path, Waveform(stereo(chord), 22050))
    loaded = load_waveform(path)
    assert (loaded.samples.shape, loaded.sample_rate) == ((2, 22050), 22050)


@pytest.mark.parametrize(
    "failure", [soundfile.SoundFileRuntimeError("full"), OSError(28, "No space left on device")]
)
def test_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, chord, monkeypatch, failure):
    path = tmp_path / "out.wav"
    path.write_text("old")
    write = soundfile.SoundFile.write

    def write_half(self, data):
        write(self, data[: len(data) // 2])
        raise failure

    monkeypatch.setattr(soundfile.SoundFile, "write", write_half)
    with pytest.raises(InputError, match="cannot be written") as error:
        save_waveform(path, Waveform(chord[None], 22050))
    assert_one_line_about(path, error)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.wav"]
    assert path.read_text() == "old"


def noise(num_channels=1, rate=44100, seconds=1.0):
    """White noise that is clipped at full scale."""
    samples = np.random.default_rng(0).standard_normal((num_channels, int(seconds * rate)))
    return Waveform(samples.clip(-1, 1).astype(np.float32), rate)


@pytest.mark.parametrize("sound", ["noise", "square wave"])
@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_files_of_loud_sound_decode_to_full_scale_at_most(
    tmp_path, suffix, num_channels, sound
):
    path, waveform = tmp_path / f"a{suffix}", noise(num_channels)
    if sound == "square wave":
        waveform = Waveform(np.sign(np.sin(np.arange(44100) / 30))[None].astype(np.float32), 44100)
    soundfile.write(path, waveform.samples.T, 44100)
    assert np.abs(soundfile.read(path)[0]).max() > 1.02
    save_waveform(path, waveform)
    decoded = soundfile.read(path)[0]
    assert 0.95 < np.abs(decoded).max() <= 1
    assert len(decoded) == 44100


def test_quiet_lossy_files_are_not_turned_down(tmp_path, chord):
    path = tmp_path / "a.mp3"
    save_waveform(path, Waveform(0.5 * chord[None], 22050))
    plain = tmp_path / "plain.mp3"
    soundfile.write(plain, 0.5 * chord, 22050)
    np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(plain)[0])


@pytest.mark.parametrize(
    ("suffix", "num_channels", "rate"),
    [
        (".mp3", 6, 44100),
        (".mp3", 3, 8000),
        (".mp3", 1, 192000),
        (".mp3", 2, 44101),
        (".mp3", 1, 4000),
        (".ogg", 256, 44100),
        (".ogg", 1, 384000),
        (".ogg", 2, 200001),
        (".flac", 9, 44100),
        (".flac", 1, 768000),
        (".flac", 1, 200001),
        (".wav", 1025, 44100),
    ],
)
def test_what_a_format_cannot_hold_is_told_before_and_when_it_is_written(
    tmp_path, suffix, num_channels, rate
):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(
        InputError, match=f"{num_channels}.* at {rate} Hz; give the name of"
    ) as told:
        check_writable(path, num_channels, rate)
    assert_one_line_about(path, told)
    assert f"a{suffix}: {suffix[1:].upper()} " in str(told.value)
    with pytest.raises(InputError) as error:
        save_waveform(path, noise(num_channels, rate, 0.01))
    assert_one_line_about(path, error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("suffix", "num_channels", "rate"),
    [
        (".mp3", 2, 48000),
        (".mp3", 1, 8000),
        (".ogg", 8, 48000),
        (".ogg", 1, 200000),
        (".ogg", 255, 8000),
        (".ogg", 1, 1000),
        (".flac", 8, 192000),
        (".flac", 1, 384000),
        (".wav", 24, 384000),
        (".au", 6, 96000),
    ],
)
def test_what_a_format_can_hold_is_written(tmp_path, suffix, num_channels, rate):
    path = tmp_path / f"a{suffix}"
    check_writable(path, num_channels, rate)
    save_waveform(path, noise(num_channels, rate, 0.1))
    info = soundfile.info(path)
    assert (info.channels, info.samplerate) == (num_channels, rate)


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_names_that_are_long_or_not_unicode(tmp_path, chord, suffix):
    waveform = Waveform(chord[None], 22050)
    for name in (b"x" * 240, b"\xff\xfe", b"$HOME %s {}"):
        path = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + suffix.encode()))
        check_writable(path, 1, 22050)
        save_waveform(path, waveform)
        assert load_waveform(path).samples.shape == (1, 22050)
