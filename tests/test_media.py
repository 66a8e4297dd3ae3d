"""Files that libsndfile does not read: M4A, AAC, WMA, WebM and video, by PyAV, and tags."""

import pathlib
import sys

import av
import numpy as np
import pytest
import soundfile

from research.audio.decoding import decode
from research.audio.tags import read_tags
from research.audio.waveform import Waveform, load_waveform
from research.audio.writing import save_waveform
from research.errors import InputError

RATE = 44100
SECONDS = 2.0
TAGS = {"title": "Für Elise", "artist": "L. v. B.", "album": "WoO 59", "date": "1810"}
# Format, codec, and rate of each kind of file.
KINDS = {
    "song.m4a": ("ipod", "aac", RATE),
    "lossless.m4a": ("ipod", "alac", RATE),
    "stream.aac": ("adts", "aac", RATE),
    "old.wma": ("asf", "wmav2", RATE),
    "recorded.webm": ("webm", "libopus", 48000),
    "video.mp4": ("mp4", "aac", RATE),
    "video.mkv": ("matroska", "ac3", RATE),
    "video.avi": ("avi", "ac3", RATE),
}


def sound(rate: int) -> np.ndarray:
    """Two channels of gliding tones, `[channels, samples]`."""
    time = np.arange(round(SECONDS * rate)) / rate
    glide = 0.3 * np.sin(2 * np.pi * (300 * time + 100 * time**2))
    return np.stack([glide, -0.5 * glide[::-1]]).astype(np.float32)


def encode(path: pathlib.Path, layout: str, codec: str, rate: int, has_sound: bool = True) -> None:
    """Write a file by FFmpeg; those called video have a picture, those of music tags."""
    with av.open(str(path), "w", format=layout) as container:
        container.metadata.update(TAGS)
        if path.stem.startswith("video"):
            video = container.add_stream("mpeg4", rate=10)
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
        if has_sound:
            audio = container.add_stream(codec, rate=rate, layout="stereo")
            audio.bit_rate = 192000
        if path.stem.startswith("video"):
            for level in range(round(10 * SECONDS)):
                picture = np.full((64, 64, 3), 5 * level, np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(video.encode())
        if has_sound:
            frame = av.AudioFrame.from_ndarray(sound(rate), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, 0
            container.mux(audio.encode(frame))
            container.mux(audio.encode())


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("media")
    for name, (layout, codec, rate) in KINDS.items():
        encode(folder / name, layout, codec, rate)
    return {name: folder / name for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("renamed", [False, True])
def test_the_sound_is_read_whole_whatever_the_name(files, tmp_path, name, renamed):
    path, rate = files[name], KINDS[name][2]
    if renamed:
        path = tmp_path / "audio.wav"
        path.write_bytes(files[name].read_bytes())
    waveform, expected = load_waveform(path), sound(rate)
    assert waveform.sample_rate == rate
    # Caches take the digest, and other code the memory as it is.
    assert waveform.samples.flags.c_contiguous and waveform.digest()
    # Codecs pad; M4A and MP4 state how much of it is sound.
    longest = 0 if KINDS[name][0] in ("ipod", "mp4") else 0.1
    assert -0.01 < waveform.seconds - SECONDS <= longest  # An encoder of WMA leaves out the end.
    # Raw AAC and AC-3 do not say what their encoders put in front; of WMA, FFmpeg cuts it twice.
    spectra = [np.fft.rfft(each, 1 << 18) for each in (waveform.samples[0], expected[0])]
    lag = int(np.argmax(np.fft.irfft(spectra[0] * np.conj(spectra[1]))))
    if lag > 1 << 17:
        lag -= 1 << 18
    assert abs(lag) <= (2048 if longest else 0)
    found = waveform.samples[:, max(lag, 0) :][:, : expected.shape[1]]
    expected = expected[:, max(-lag, 0) :]
    for ours, theirs in zip(found, expected, strict=True):
        length = min(len(ours), len(theirs))
        assert np.corrcoef(ours[:length], theirs[:length])[0, 1] > 0.98
        assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.05)


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_short_is_told(files, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(files[name].read_bytes()[:-9000])
    with pytest.raises(InputError) as error:
        load_waveform(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message and "get a whole copy" in message


def test_what_is_no_media_and_media_without_sound_are_told(files, tmp_path):
    silent = tmp_path / "video.mp4"
    encode(silent, "mp4", "aac", RATE, has_sound=False)
    with pytest.raises(InputError, match=r"video.mp4 has no sound; give a file with sound"):
        load_waveform(silent)
    broken = tmp_path / "a.m4a"
    broken.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(range(256)) * 9)
    with pytest.raises(InputError, match=r"a.m4a cannot be read as audio \(.+\); get a whole"):
        load_waveform(broken)
    text = tmp_path / "b.m4a"
    text.write_text("not audio, whatever the name says")
    with pytest.raises(InputError, match=r"b.m4a cannot be read as audio \(.+\); give WAV"):
        load_waveform(text)


def test_damage_in_the_middle_of_an_mp4_is_told(files, tmp_path):
    data = bytearray(files["song.m4a"].read_bytes())
    data[12000:24000] = bytes(12000)
    path = tmp_path / "damaged.m4a"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"is cut short"):
        load_waveform(path)


def test_without_pyav_one_line_says_what_to_install(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError) as error:
        load_waveform(files["song.m4a"])
    assert str(error.value) == (
        f"{files['song.m4a']} is of a format that needs PyAV; pip install av, or give WAV, FLAC, "
        "Ogg, MP3 or AU"
    )
    assert read_tags(files["song.m4a"]) == {}


@pytest.mark.parametrize("name", ["song.m4a", "old.wma", "video.mkv"])
def test_tags_of_media_are_read(files, name):
    tags = read_tags(files[name])
    assert (tags["title"], tags["artist"]) == (TAGS["title"], TAGS["artist"])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "au"])
def test_tags_are_kept_where_the_format_has_them(tmp_path, suffix):
    plain, tagged = tmp_path / f"plain.{suffix}", tmp_path / f"tagged.{suffix}"
    waveform = Waveform(sound(RATE), RATE)
    save_waveform(plain, waveform)
    save_waveform(tagged, waveform, TAGS)
    assert read_tags(plain) == {}
    assert read_tags(tagged) == ({} if suffix == "au" else TAGS)
    np.testing.assert_array_equal(decode(tagged)[0], decode(plain)[0])
    assert soundfile.info(tagged).frames == round(SECONDS * RATE)


def test_tags_are_no_reason_to_fail(tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        file.title, file.artist, file.comment = 20000 * "ö", "  ", "not kept"
        file.write(sound(RATE)[0])
    assert read_tags(path) == {"title": 200 * "ö"}
    (tmp_path / "text.wav").write_text("no audio")
    assert read_tags(tmp_path / "text.wav") == read_tags(tmp_path / "none.wav") == {}
