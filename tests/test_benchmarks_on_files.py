"""Benchmarks of files: what is wrong with the command line is one line."""

import runpy
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("full_band", ["a.wav"], "full_band: 1 files are no pairs; give a content and a style"),
        ("transfer_quality", ["a.wav", "b.wav", "c.wav"], "transfer_quality: 3 files are no pairs"),
        ("transfer_quality", ["a.wav", "b.wav"], "transfer_quality: a.wav does not exist"),
        ("phase_recovery", ["a.wav"], "phase_recovery: a.wav does not exist; give an audio file"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
def test_files_that_do_not_do_are_told(monkeypatch, tmp_path, name, files, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *files])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"research.benchmarks.{name}", run_name="__main__", alter_sys=True)
    assert str(ended.value).startswith(words)
