"""The real script, run as a user runs it."""

import functools
import json
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

SMALL = (
    "--config.num_iterations=6",
    "--config.features.num_filters=32",
    "--config.stft.n_fft=512",
    "--config.stft.hop_length=256",
)


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_transfer.py")


@pytest.fixture
def pieces(tmp_path):
    """A stereo content at 44.1 kHz and a shorter mono style at 16 kHz."""
    rng = np.random.default_rng(0)
    seconds = np.arange(44100) / 44100
    notes = 0.2 * np.sin(2 * np.pi * 440 * seconds[:, None] * np.array([1.0, 1.5]))
    soundfile.write(tmp_path / "content.wav", notes, 44100)
    soundfile.write(tmp_path / "style.flac", 0.1 * rng.standard_normal(9600), 16000)
    return [f"--content={tmp_path / 'content.wav'}", f"--style={tmp_path / 'style.flac'}"]


def test_leaves_what_it_promises(run, pieces, tmp_path):
    workdir, output = tmp_path / "work", tmp_path / "out.flac"
    result = run(*pieces, *SMALL, f"--workdir={workdir}", f"--output={output}")
    assert result.returncode == 0, result.stderr
    assert str(output) in result.stdout.splitlines()[-1]
    assert str(workdir) in result.stdout.splitlines()[-1]
    assert {path.name for path in workdir.iterdir()} == {
        "config.json",
        "environment.json",
        "metrics.json",
        "output.wav",
        "spectrograms.png",
    }
    for path in (output, workdir / "output.wav"):
        samples, rate = soundfile.read(path)
        content, content_rate = soundfile.read(tmp_path / "content.wav")
        assert samples.shape == content.shape
        assert rate == content_rate
        assert np.abs(samples).max() < 1
        loudness = 20 * np.log10(np.sqrt(np.mean(samples**2) / np.mean(content**2)))
        assert abs(loudness) < 0.1

    config = json.loads((workdir / "config.json").read_text())
    assert config["num_iterations"] == 6
    assert config["features"]["num_filters"] == 32
    environment = json.loads((workdir / "environment.json").read_text())
    assert environment["packages"]["jax"]
    assert environment["seed"] == config["seed"]
    metrics = json.loads((workdir / "metrics.json").read_text())
    assert metrics["loss"]["final"] < metrics["loss"]["initial"]
    assert metrics["loss"]["rendered"] < 1.2 * metrics["loss"]["final"]
    assert set(metrics["loss"]["terms"]) == {"content", "style"}
    assert metrics["num_evaluations"] >= 6
    assert {"load", "compile", "optimise", "phase", "total"} <= set(metrics["seconds"])
    assert metrics["seconds"]["total"] >= sum(
        metrics["seconds"][part] for part in ("load", "compile", "optimise", "phase")
    )
    assert (workdir / "spectrograms.png").read_bytes().startswith(b"\x89PNG")


def test_same_seed_same_bytes_another_seed_others(run, pieces, tmp_path):
    def output(name: str, seed: int) -> bytes:
        result = run(
            *pieces,
            "--config=configs/transfer.py:ulyanov",
            *SMALL,
            f"--config.seed={seed}",
            f"--workdir={tmp_path / name}",
        )
        assert result.returncode == 0, result.stderr
        return (tmp_path / name / "output.wav").read_bytes()

    first = output("first", 0)
    assert first == output("again", 0)
    assert first != output("other", 1)


def test_runs_from_another_folder_on_the_embedded_pair(run, tmp_path):
    result = run(*SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    samples, rate = soundfile.read(tmp_path / "results" / "transfer" / "output.wav")
    assert len(samples) == 10 * rate
    assert np.isfinite(samples).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--content={}/none.wav"], ["none.wav", "does not exist"]),
        (["--style={}"], ["is a directory"]),
        (["--content={}/text.wav"], ["text.wav", "cannot be read as audio"]),
        (["--config.style_wieght=1"], ["style_wieght", 'Did you mean "style_weight"']),
        (["--config.optimizer.name=adam"], ["optimizer", 'Did you mean "optimiser"']),
        (["--config.style_weight=-1"], ["config.style_weight is -1.0", "at least 0"]),
        (["--config.style_weight=nan"], ["config.style_weight is nan"]),
        (["--config.num_iterations=1e4"], ["config.num_iterations", "1e4"]),
        (["--config.variable=wave"], ["config.variable", "raw_spectrogram"]),
        (["--config.stft.window=round"], ["config.stft", "round"]),
        (["--config=configs/transfer.py:ulyano"], ["ulyano", "ulyanov"]),
        (["--config=configs/none.py"], ["configs/none.py", "does not exist"]),
        (["--wrokdir=x"], ["wrokdir", "workdir"]),
        (["a.wav"], ["a.wav", "--name=value"]),
        (["--output={}/none/out.wav"], ["there is no folder"]),
        (["--output={}/text.wav/out.wav"], ["there is no folder"]),
        (["--output={}/out.xyz"], ["unknown audio format"]),
        (["--workdir={}/text.wav"], ["text.wav", "cannot be made"]),
    ],
)
def test_bad_input_is_refused_in_one_line(run, assert_refused, arguments, words, tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    arguments = [argument.format(tmp_path) for argument in arguments]
    if not any(argument.startswith("--workdir") for argument in arguments):
        arguments.append(f"--workdir={tmp_path / 'work'}")
    assert_refused(run(*arguments), *words)
    assert (tmp_path / "text.wav").read_text() == "not audio"
    assert not (tmp_path / "work" / "output.wav").exists()


def test_a_loss_that_explodes_leaves_the_best_iterate_and_says_so(run, pieces, tmp_path):
    result = run(*pieces, *SMALL, "--config.style_weight=1e37", f"--workdir={tmp_path / 'work'}")
    assert result.returncode == 1
    assert "no longer finite" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    samples, _ = soundfile.read(tmp_path / "work" / "output.wav")
    assert np.isfinite(samples).all()
    assert json.loads((tmp_path / "work" / "metrics.json").read_text())["stopped"] == "non-finite"
