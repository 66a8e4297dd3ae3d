"""The folder that keeps descriptors, and the real script that fills it."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import ROOT

from research.audio.waveform import load_waveform
from research.data.descriptor_cache import DescriptorCache
from research.data.descriptor_tables import load_descriptors
from research.data.descriptors import describe_track
from research.errors import InputError

RATE = 22050


def write_track(path: pathlib.Path, seconds: float, pitch: float, rate: int = RATE) -> None:
    """A tone in noise that beats twice a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(round(pitch)).standard_normal(time.size)
    samples = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.2 * noise * np.exp(-9 * (time % 0.5))
    soundfile.write(path, samples, rate, subtype="PCM_16")


def test_what_is_kept_is_not_computed_again_and_what_is_damaged_is(tmp_path, monkeypatch):
    write_track(tmp_path / "a.wav", 0.6, 300)
    cache = DescriptorCache(tmp_path / "kept")
    cache.folder.mkdir()
    digest, num_frames = cache.add_one(tmp_path / "a.wav")
    assert num_frames == 1 + round(0.6 * RATE) // 512
    rows, whole = cache.read(digest), cache.path(digest).read_bytes()
    np.testing.assert_array_equal(rows, describe_track(load_waveform(tmp_path / "a.wav")))
    flipped = whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]
    for damage in (b"", whole[:-8], whole[:-8] + b"\xff" * 8, b"PK\x03\x04", flipped):
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
