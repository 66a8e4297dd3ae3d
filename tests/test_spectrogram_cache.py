"""Spectrograms against librosa, and the folder that keeps them."""

import json
import os
import subprocess
import sys
import threading
import warnings
import zlib

import hypothesis
import hypothesis.strategies as st
import librosa
import numpy as np
import pytest
import soundfile
from conftest import ROOT

from research.audio.stft import StftConfig
from research.audio.waveform import Waveform
from research.data import spectrogram_cache, track_cache
from research.data.front_ends import base as front_ends
from research.data.front_ends import stft as spectrograms
from research.data.front_ends.stft import SpectrogramConfig
from research.data.spectrogram_cache import SpectrogramCache, default_cache
from research.errors import InputError

SMALL = SpectrogramConfig(22050, StftConfig(256, 64))
# A block is 256 frames; a centred frame is whole once its middle is there.
BLOCK = 256 * 512


def by_librosa(samples, stft):
    """`log(1 + |STFT|)` in double precision, `[frames, bins]`."""
    with warnings.catch_warnings(action="ignore"):  # That a frame is longer than the sound.
        spectrum = librosa.stft(
            samples.astype(np.float64),
            n_fft=stft.n_fft,
            hop_length=stft.hop_length,
            center=stft.center,
            pad_mode="constant",
        )
    return np.log1p(np.abs(spectrum)).T


def assert_half_precision(result, expected):
    assert result.dtype == np.float16
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=2**-10, atol=1e-4)


def noise(length, seed=0):
    return np.random.default_rng(seed).uniform(-0.8, 0.8, length).astype(np.float32)


@pytest.fixture
def cache(tmp_path):
    """An empty cache of small spectrograms."""
    return SpectrogramCache(tmp_path / "cache", SMALL)


@pytest.fixture
def file(tmp_path, chord):
    """A second of sound."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, chord, 22050)
    return path


@pytest.mark.parametrize(
    ("length", "num_frames"),
    [
        (700, 2),
        (2048, 5),
        (BLOCK - 513, 255),
        (BLOCK - 512, 256),
        (BLOCK - 1, 256),
        (BLOCK, 257),
        (2 * BLOCK + 5000, 522),
    ],
)
def test_spectrogram_equals_librosa_around_block_boundaries(length, num_frames):
    config = SpectrogramConfig()
    samples = noise(length)
    result = config.frames(Waveform(samples[None], 22050))
    assert len(result) == num_frames
    assert_half_precision(result, by_librosa(samples, config.stft))


def test_music_keeps_half_precision(chord):
    samples = np.tile(chord, 3)
    result = SpectrogramConfig().frames(Waveform(samples[None], 22050))
    assert_half_precision(result, by_librosa(samples, StftConfig()))


@hypothesis.given(
    length=st.integers(1, 20000),
    stft=st.sampled_from(
        [
            StftConfig(64, 16),
            StftConfig(100, 33),
            StftConfig(63, 20),
            StftConfig(64, 64),
            StftConfig(60, 25, center=False),
        ]
    ),
)
def test_any_length_equals_librosa(length, stft):
    hypothesis.assume(stft.num_frames(length) > 0)
    samples = noise(length)
    result = SpectrogramConfig(22050, stft).frames(Waveform(samples[None], 22050))
    assert_half_precision(result, by_librosa(samples, stft))


def test_less_than_a_frame_is_refused():
    config = SpectrogramConfig(22050, StftConfig(64, 16, center=False))
    assert len(config.frames(Waveform(noise(64)[None], 22050))) == 1
    with pytest.raises(InputError, match="63 samples are less than one frame of 64"):
        config.frames(Waveform(noise(63)[None], 22050))


@pytest.mark.parametrize("num_channels", [2, 3])
def test_channels_are_averaged(num_channels):
    samples = np.stack([noise(30000, seed) for seed in range(num_channels)])
    result = SMALL.frames(Waveform(samples, 22050))
    assert_half_precision(result, by_librosa(samples.astype(np.float64).mean(axis=0), SMALL.stft))


@pytest.mark.parametrize("length", [60000, 60001])
def test_other_rates_are_resampled(length):
    samples = np.stack([noise(length, 1), noise(length, 2)])
    result = SMALL.frames(Waveform(samples, 44100))
    resampled = librosa.resample(samples, orig_sr=44100, target_sr=22050, res_type="soxr_hq")
    assert resampled.shape[-1] == -(-length // 2)
    assert len(result) == 1 + resampled.shape[-1] // 64
    assert_half_precision(result, by_librosa(resampled.mean(axis=0), SMALL.stft))


def test_all_lengths_share_one_compilation():
    config = SpectrogramConfig(22050, StftConfig(128, 77))
    before = spectrograms._log_magnitude._cache_size()
    for length in (200, 256 * 77 - 1, 256 * 77, 50000):
        config.frames(Waveform(noise(length)[None], 22050))
    assert spectrograms._log_magnitude._cache_size() == before + 1


@pytest.mark.parametrize(("seconds", "num_frames"), [(30.0, 1292), (5.0, 216), (1e-9, 1)])
def test_frames_of_a_duration(seconds, num_frames):
    assert SpectrogramConfig().num_frames(seconds) == num_frames


def test_no_frames_of_a_duration_under_a_frame():
    assert SpectrogramConfig(22050, StftConfig(center=False)).num_frames(0.001) == 0


def test_default_cache_is_in_the_user_s_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "music_style_transfer_jax" / "spectrograms"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache().is_relative_to(tmp_path / ".cache")
    assert list(tmp_path.iterdir()) == []


def test_cache_keeps_the_spectrogram_of_a_file(cache, file, chord):
    [(digest, num_frames)] = cache.add([file])
    kept = np.load(cache.path(digest))
    assert num_frames == len(kept) == SMALL.stft.num_frames(chord.size)
    written, _ = soundfile.read(file)
    assert_half_precision(kept, by_librosa(written, SMALL.stft))


def test_cache_holds_nothing_but_spectrograms_and_the_index(cache, file):
    [(digest, _)] = cache.add([file])
    paths = sorted(path for path in cache.root.rglob("*") if path.is_file())
    assert paths == sorted([cache.path(digest), cache.root / "digests.json"])


def test_files_that_change_places_are_decoded_anew(cache, tmp_path):
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for seed, file in enumerate(files):
        soundfile.write(file, noise(20000, seed), 22050)
        os.utime(file, (1585051200, 1585051200))
    first, second = cache.add(files)
    files[0].rename(tmp_path / "c.wav")
    files[1].rename(files[0])
    (tmp_path / "c.wav").rename(files[1])
    assert cache.add(files) == [second, first]


def test_a_file_written_over_in_place_with_its_old_times_is_decoded_anew(cache, file, tmp_path):
    [(before, _)] = cache.add([file])
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    with file.open("rb+") as out:
        out.write(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    [(after, _)] = cache.add([file])
    assert after != before


def test_a_changed_bit_of_a_spectrogram_is_found_and_computed_anew(cache, file):
    first = cache.add([file])
    path = cache.path(first[0][0])
    whole = path.read_bytes()
    assert whole[-8:] == f"{zlib.crc32(whole[:-8]):08x}".encode()
    for place in (200, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert cache.add([file]) == first
        assert path.read_bytes() == whole


def test_spectrograms_and_index_of_before_are_made_anew(cache, file, monkeypatch):
    first = cache.add([file])
    path, index = cache.path(first[0][0]), cache.root / "digests.json"
    whole = path.read_bytes()
    status = file.stat()
    index.write_text(
        json.dumps({str(file.resolve()): [status.st_size, status.st_mtime_ns, first[0][0]]})
    )
    path.write_bytes(whole[:-8])
    assert cache.add([file]) == first
    assert path.read_bytes() == whole
    assert len(json.loads(index.read_text())[str(file.resolve())]) == 5


def test_a_link_that_leads_nowhere_is_told_with_its_target(cache, file, tmp_path):
    (tmp_path / "gone.wav").symlink_to(".git/annex/objects/gone.wav")
    (tmp_path / "self.wav").symlink_to("self.wav")
    gone, itself, entry = cache.add([tmp_path / "gone.wav", tmp_path / "self.wav", file])
    assert str(gone).startswith(
        f"{tmp_path / 'gone.wav'} is a link to .git/annex/objects/gone.wav, which does not exist; "
    )
    assert "self.wav, which does not exist" in str(itself)
    assert [entry] == cache.add([file])


def test_read_copies_exactly_these_frames(cache, file):
    [(digest, num_frames)] = cache.add([file])
    kept = np.load(cache.path(digest))
    for start, length in [(0, num_frames), (0, 1), (17, 100), (num_frames - 5, 5)]:
        out = np.full((length, SMALL.stft.num_bins), np.nan, np.float16)
        cache.read(digest, start, out)
        np.testing.assert_array_equal(out, kept[start : start + length])


def test_read_past_the_end_is_refused(cache, file):
    [(digest, num_frames)] = cache.add([file])
    for start in (num_frames - 4, num_frames, num_frames + 99):
        with pytest.raises(InputError, match="damaged") as error:
            cache.read(digest, start, np.empty((5, SMALL.stft.num_bins), np.float16))
        assert str(cache.path(digest)) in str(error.value)


@pytest.fixture
def no_decoder(monkeypatch):
    """From its call on, decoding fails."""

    def refuse(path):
        raise AssertionError(f"{path} is decoded")

    return lambda: monkeypatch.setattr(front_ends, "load_waveform", refuse)


def test_file_seen_before_is_not_decoded_again(cache, file, no_decoder):
    first = cache.add([file])
    no_decoder()
    assert cache.add([file]) == first
    assert SpectrogramCache(cache.root, SMALL).add([file]) == first
    with pytest.raises(AssertionError, match="is decoded"):
        SpectrogramCache(cache.root.with_name("other"), SMALL).add([file])


def test_file_is_known_by_any_path_that_leads_to_it(cache, file, no_decoder, monkeypatch):
    first = cache.add([file])
    no_decoder()
    (file.parent / "link.wav").symlink_to(file)
    monkeypatch.chdir(file.parent)
    assert cache.add([type(file)(file.name), file.parent / "link.wav"]) == 2 * first


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage",
    [
        half,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00"),
        lambda path: path.write_text("These are words.\n" * 99),
        lambda path: path.unlink(),
        lambda path: np.save(path, np.zeros((400, 129), np.float32)),
        lambda path: np.save(path, np.zeros((400, 128), np.float16)),
        lambda path: np.save(path, np.zeros(129, np.float16)),
        lambda path: np.save(path, np.float16(0)),
    ],
    ids=[
        "half",
        "last byte",
        "empty",
        "header",
        "text",
        "missing",
        "float32",
        "bins",
        "vector",
        "scalar",
    ],
)
def test_damaged_spectrogram_is_computed_anew(cache, file, damage):
    [entry] = cache.add([file])
    whole = cache.path(entry[0]).read_bytes()
    damage(cache.path(entry[0]))
    out = np.empty((10, SMALL.stft.num_bins), np.float16)
    with pytest.raises(InputError) as error:
        cache.read(entry[0], 0, out)
    assert str(cache.path(entry[0])) in str(error.value)
    assert "\n" not in str(error.value)
    assert cache.add([file]) == [entry]
    assert cache.path(entry[0]).read_bytes() == whole
    cache.read(entry[0], 0, out)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'"x"', b"null", b"\xff\xfe\x00{"])
def test_damaged_index_is_tolerated(cache, file, content, no_decoder):
    first = cache.add([file])
    index = cache.root / "digests.json"
    index.write_bytes(content)
    assert cache.add([file]) == first
    no_decoder()
    assert cache.add([file]) == first


def test_index_keeps_files_of_other_folders(cache, file, tmp_path, no_decoder):
    other = tmp_path / "other.wav"
    soundfile.write(other, noise(20000), 22050)
    first, second = cache.add([file]), cache.add([other])
    assert len(json.loads((cache.root / "digests.json").read_text())) == 2
    no_decoder()
    assert cache.add([other, file]) == second + first


def test_same_samples_in_other_formats_share_one_spectrogram(cache, tmp_path, chord):
    files = [tmp_path / f"sound.{suffix}" for suffix in ("wav", "flac", "au")]
    for file in files:
        soundfile.write(file, (32767 * chord).astype(np.int16), 22050, subtype="PCM_16")
    entries = [cache.add([file])[0] for file in files]
    assert len(set(entries)) == 1
    assert len(list(cache.folder.iterdir())) == 1


def test_known_samples_are_not_transformed_again(cache, file, tmp_path, monkeypatch):
    first = cache.add([file])
    monkeypatch.setattr(spectrograms, "transform_blocks", None)
    copy = tmp_path / "copy.wav"
    copy.write_bytes(file.read_bytes())
    assert cache.add([copy]) == first


def test_digest_tells_samples_rates_and_channels_apart(cache, tmp_path, chord):
    changed = chord.copy()
    changed[-1] += 2**-10
    variants = [
        (chord, 22050),
        (changed, 22050),
        (chord[:-1], 22050),
        (chord, 22051),
        (np.stack([chord, chord], axis=1), 22050),
        (chord.reshape(-1, 2), 11025),
    ]
    files = [tmp_path / f"{i}.wav" for i in range(len(variants))]
    for file, (samples, rate) in zip(files, variants, strict=True):
        soundfile.write(file, samples, rate)
    assert len({digest for digest, _ in cache.add(files)}) == len(variants)


@pytest.mark.parametrize("same", ["time", "size"])
def test_changed_file_is_noticed(cache, file, chord, same):
    [(before, _)] = cache.add([file])
    status = file.stat()
    soundfile.write(file, chord[::-1] if same == "size" else chord[:-9], 22050)
    assert (file.stat().st_size == status.st_size) == (same == "size")
    changed = status.st_mtime_ns + (same == "size")
    os.utime(file, ns=(changed, changed))
    [(after, num_frames)] = cache.add([file])
    assert after != before
    written, _ = soundfile.read(file)
    assert_half_precision(np.load(cache.path(after)), by_librosa(written, SMALL.stft))
    assert num_frames == len(np.load(cache.path(after)))


@pytest.mark.parametrize(
    "other",
    [
        SpectrogramConfig(16000, StftConfig(256, 64)),
        SpectrogramConfig(22050, StftConfig(512, 64)),
        SpectrogramConfig(22050, StftConfig(256, 65)),
        SpectrogramConfig(22050, StftConfig(256, 64, window="hamming")),
        SpectrogramConfig(22050, StftConfig(256, 64, win_length=200)),
        SpectrogramConfig(22050, StftConfig(256, 64, center=False)),
    ],
)
def test_other_transforms_have_other_folders(cache, file, other):
    assert SpectrogramCache(cache.root, SMALL).folder == cache.folder
    others = SpectrogramCache(cache.root, other)
    assert others.folder != cache.folder
    [(digest, _)] = cache.add([file])
    before = cache.path(digest).read_bytes()
    [(again, num_frames)] = others.add([file])
    assert again == digest
    assert np.load(others.path(digest)).shape == (num_frames, other.stft.num_bins)
    assert cache.path(digest).read_bytes() == before


def test_entries_and_progress_follow_the_order_of_the_files(cache, tmp_path):
    lengths = [22050, 12000, 60000, 13000, 30000]
    files = [tmp_path / f"{length}.wav" for length in lengths]
    for file, length in zip(files, lengths, strict=True):
        soundfile.write(file, noise(length), 22050)
    seen = []
    entries = cache.add(files, lambda done, total: seen.append((done, total)))
    assert [frames for _, frames in entries] == [1 + length // 64 for length in lengths]
    assert seen == [(i + 1, 5) for i in range(5)]


def test_bad_files_are_told_among_good_ones(cache, file, tmp_path):
    bad, other = tmp_path / "bad.wav", tmp_path / "other.wav"
    bad.write_text("These are words.")
    soundfile.write(other, noise(20000), 22050)
    entries = cache.add([file, bad, other])
    assert isinstance(entries[1], InputError)
    assert str(bad) in str(entries[1])
    assert [entries[0]] == cache.add([file])
    assert [entries[2]] == cache.add([other])
    known = json.loads((cache.root / "digests.json").read_text())
    assert sorted(known) == sorted([str(file.resolve()), str(other.resolve())])


def test_no_files_make_no_spectrograms(cache):
    assert cache.add([]) == []


@pytest.mark.parametrize("place", ["cache", "below"])
def test_cache_that_cannot_be_made_is_told_in_one_line(tmp_path, file, place):
    (tmp_path / "cache").touch()
    folder = tmp_path / "cache" if place == "cache" else tmp_path / "cache" / "below"
    with pytest.raises(InputError, match=r"config\.data\.cache") as error:
        SpectrogramCache(folder, SMALL).add([file])
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_spectrogram_that_cannot_be_written_stops_the_work(cache, file, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(InputError, match="No space left on device") as error:
        cache.add([file])
    assert str(cache.folder) in str(error.value)
    assert list(cache.folder.iterdir()) == []


def test_disk_that_is_nearly_full_stops_the_work(cache, file, monkeypatch):
    usage = type("Usage", (), {"free": 9999})
    monkeypatch.setattr(track_cache.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="0 MiB left") as error:
        cache.add([file])
    assert "config.data.cache" in str(error.value)
    assert list(cache.folder.iterdir()) == []


def test_what_was_done_before_an_interruption_is_kept(cache, tmp_path, monkeypatch):
    files = [tmp_path / f"{i}.wav" for i in range(4)]
    for i, file in enumerate(files):
        soundfile.write(file, noise(20000, i), 22050)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.add(files, stop)
    known = json.loads((cache.root / "digests.json").read_text())
    assert sorted(known) == [str(file.resolve()) for file in files[:2]]


def test_reading_at_random_from_ten_times_gtzan_takes_little_memory(tmp_path):
    # All files are one: 26 GB to map, hardly any disk or page cache used.
    program = """
import resource, shutil, sys
import numpy as np
from research.data.batches import SegmentReader, TrainingBatches
from research.data.segments import SegmentConfig, place_segments
from research.data.spectrogram_cache import SpectrogramCache
from research.data.front_ends.stft import SpectrogramConfig
from research.data.tracks import Track

cache = SpectrogramCache(sys.argv[1], SpectrogramConfig())
cache.folder.mkdir(parents=True)
tracks = [Track(f"a/{i}.wav", 0, f"{i:032x}", 1292) for i in range(10000)]
np.save(cache.root / "one.npy", np.ones((1292, 1025), np.float16))
with open(cache.root / "one.npy", "ab") as file:
    file.write(bytes(8))  # The place of the checksum, which is not verified by every read.
for track in tracks:
    cache.path(track.digest).hardlink_to(cache.root / "one.npy")
segments = place_segments([1292] * 10000, 216, SegmentConfig(), 0)
reader = SegmentReader(cache, tracks, segments)
batches = TrainingBatches(reader, np.arange(60000), 32, seed=0)
batches(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(batches(step).spectrogram.nbytes for step in range(1, 251))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
shutil.rmtree(cache.root)
unit = 2**20 if sys.platform == "darwin" else 2**10
print((after - before) / unit, total / 2**30)
"""
    command = [sys.executable, "-c", program, tmp_path / "cache"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    growth_mib, read_gib = map(float, done.stdout.split())
    assert read_gib > 3.2
    assert growth_mib < 200


def test_duplicates_may_be_computed_at_the_same_time(cache, tmp_path, chord, monkeypatch):
    files = [tmp_path / f"{i}.wav" for i in range(2)]
    for file in files:
        soundfile.write(file, chord, 22050)
    meet, save = threading.Barrier(2, timeout=10), np.save

    def save_together(*arguments):
        meet.wait()
        save(*arguments)
        meet.wait()

    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr(np, "save", save_together)
    first, second = cache.add(files)
    assert first == second


@pytest.mark.parametrize("entry", [None, 3, "x", [1, 2]])
def test_damaged_entry_of_the_index_is_tolerated(cache, file, entry):
    first = cache.add([file])
    (cache.root / "digests.json").write_text(json.dumps({str(file.resolve()): entry}))
    assert cache.add([file]) == first


@pytest.mark.parametrize(
    "damage", [lambda b: b.replace(b"}", b" ", 1), lambda b: b"PK\x03\x04" + b[4:]]
)
def test_damaged_header_is_computed_anew(cache, file, damage):
    first = cache.add([file])
    path = cache.path(first[0][0])
    path.write_bytes(damage(path.read_bytes()))
    assert cache.add([file]) == first


def test_file_shorter_than_a_frame_is_told_by_name(tmp_path, file):
    cache = SpectrogramCache(
        tmp_path / "cache", SpectrogramConfig(22050, StftConfig(32768, 512, center=False))
    )
    [error] = cache.add([file])
    assert str(file) in str(error)


def test_samples_far_above_full_scale_are_refused_by_name(cache, tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.full(22050, 1e25), 22050, subtype="FLOAT")
    [error] = cache.add([tmp_path / "loud.wav"])
    assert "loud.wav" in str(error)
    assert "full scale" in str(error)


def test_a_full_cache_is_not_written_and_one_that_cannot_be_only_warns(cache, file, monkeypatch):
    found = cache.add([file])
    index = cache.root / "digests.json"
    before = index.stat()

    def refuse(path):
        raise InputError(f"{path} cannot be written (Read-only file system)")

    monkeypatch.setattr(spectrogram_cache, "atomic_write", refuse)
    assert cache.add([file]) == found
    assert index.stat().st_mtime_ns == before.st_mtime_ns
    index.unlink()
    with pytest.warns(UserWarning, match=r"digests\.json cannot be written .* again next time"):
        assert cache.add([file]) == found


def test_what_another_process_has_added_meanwhile_is_kept(cache, file, monkeypatch):
    index, add_one = cache.root / "digests.json", cache.add_one

    def add_beside_another(path):
        index.parent.mkdir(exist_ok=True)
        index.write_text(json.dumps({"/another": [1, 2, 3, 4, "digest"]}))
        return add_one(path)

    monkeypatch.setattr(cache, "add_one", add_beside_another)
    cache.add([file])
    assert set(json.loads(index.read_text())) == {"/another", os.path.realpath(file)}
