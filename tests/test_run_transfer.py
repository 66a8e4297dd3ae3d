"""The real script, run as a user runs it."""

import concurrent.futures
import functools
import json
import pathlib
import re
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

# Few steps, and compiled without most optimisations.
QUICK = ("--config.num_iterations=6", "--config.optimiser.log_every=6")
LAYERS = ("logits", "conv1", "pool1", "conv2", "pool2", "features")


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_transfer.py", JAX_DISABLE_MOST_OPTIMIZATIONS="1")


def beats(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Noise that fades eight times a second, over a low tone."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(time.size)
    return 0.1 * noise * np.exp(-12 * (8 * time % 1)) + 0.05 * np.sin(2 * np.pi * 70 * time)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> pathlib.Path:
    """Stereo content at 44.1 kHz, a style at 16 kHz, a folder of two more, and what is no audio."""
    folder = tmp_path_factory.mktemp("sounds")
    seconds = np.arange(44100) / 44100
    fading = np.exp(-4 * (4 * seconds % 1))[:, None]
    notes = 0.2 * np.sin(2 * np.pi * 440 * seconds[:, None] * np.array([1.0, 1.5])) * fading
    soundfile.write(folder / "content.wav", notes, 44100)
    soundfile.write(folder / "style.flac", beats(0.8, 16000, 0), 16000)
    (folder / "text.wav").write_text("not audio")
    (folder / "records").mkdir()
    soundfile.write(folder / "records" / "a.wav", beats(1.0, 22050, 1), 22050)
    soundfile.write(folder / "records" / "b.wav", 3 * beats(2.0, 22050, 2), 22050)
    (folder / "records" / "broken.wav").write_text("not audio")
    (folder / "records" / "cover.png").write_text("a picture")
    return folder


@pytest.fixture(scope="module")
def pair(sounds) -> tuple[str, str]:
    """The flags that name the content and the style."""
    return f"--content={sounds / 'content.wav'}", f"--style={sounds / 'style.flac'}"


@pytest.fixture(scope="module")
def first(run, pair, untrained, tmp_path_factory):
    """A run with all it can be asked for, and its workdir."""
    folder = tmp_path_factory.mktemp("first")
    result = run(
        *pair,
        *QUICK,
        f"--config.checkpoint={untrained}",
        f"--workdir={folder / 'made' / 'work'}",
        f"--output={folder / 'out.flac'}",
    )
    assert result.returncode == 0, result.stderr
    return result, folder / "made" / "work"


def read(workdir: pathlib.Path, name: str = "metrics.json") -> dict:
    return json.loads((workdir / name).read_text())


def test_a_run_leaves_its_files_and_says_where(first, sounds):
    result, workdir = first
    output = workdir.parent.parent / "out.flac"
    assert {path.name for path in workdir.iterdir()} == {
        "config.json",
        "environment.json",
        "metrics.json",
        "output.wav",
        "spectrograms.png",
    }
    assert {path.name for path in output.parent.iterdir()} == {"made", "out.flac"}
    [line] = result.stdout.splitlines()
    assert line.startswith(f"Wrote {output} (1.0 s of audio) in ")
    assert f"numbers and spectrograms in {workdir}" in line
    assert "Traceback" not in result.stderr and "warning" not in result.stderr.lower()
    content, rate = soundfile.read(sounds / "content.wav")
    written = []
    for path in (output, workdir / "output.wav"):
        samples, sample_rate = soundfile.read(path)
        assert (samples.shape, sample_rate) == (content.shape, rate)
        assert soundfile.info(path).subtype == "PCM_24"
        assert 0 < np.abs(samples).max() <= 0.95 + 2**-23
        level, expected = (np.sqrt(np.mean(np.square(sound))) for sound in (samples, content))
        assert level == pytest.approx(expected, rel=0.01)
        written.append(samples)
    np.testing.assert_allclose(*written, atol=1.01 * 2**-23)  # Their formats round differently.
    assert np.abs(written[0] - content).max() > 0.05
    png = (workdir / "spectrograms.png").read_bytes()
    assert png.startswith(b"\x89PNG") and len(png) > 10000


def test_its_numbers_are_of_the_run(first, pair):
    _, workdir = first
    config, environment, metrics = (
        read(workdir, name) for name in ("config.json", "environment.json", "metrics.json")
    )
    assert config["num_iterations"] == config["optimiser"]["log_every"] == 6
    assert config["sample_rate"] == 22050
    assert environment["seed"] == config["seed"] == 0
    assert environment["packages"]["jax"] and environment["device"]["count"] >= 1
    assert [f"--{name}={metrics[name]}" for name in ("content", "style")] == list(pair)
    loss, history = metrics["loss"], metrics["history"]
    weighing = {
        name: config[f"{part}_weight"] * weight
        for part in ("content", "style")
        for name, weight in config[part].items()
        if weight > 0
    }
    assert set(loss["terms"]) == set(weighing)
    for terms, total in (
        (loss["terms"], loss["final"]),
        (history[0]["terms"], loss["initial"]),
        (history[-1]["terms"], history[-1]["loss"]),
    ):
        assert sum(weighing[name] * terms[name] for name in terms) == pytest.approx(total, rel=1e-4)
    assert loss["final"] < 0.95 * loss["initial"]
    assert 0.5 * loss["final"] < loss["rendered"] < 2 * loss["initial"]
    assert metrics["num_iterations"] == len(metrics["losses"]) == 6
    assert [step["iteration"] for step in history] == [0, 6]
    assert metrics["num_evaluations"] == history[-1]["evaluations"] >= 6
    assert metrics["stopped"] == "finished"
    seconds = metrics["seconds"]
    parts = {"load", "compile", "start", "optimise", "phase"}
    assert set(seconds) == parts | {"total"}
    assert 0 < sum(seconds[part] for part in parts) <= seconds["total"]


def test_a_checkpoint_gives_verdicts(first, untrained):
    result, workdir = first
    genres = read(workdir)["genres"]
    assert list(genres) == ["content", "style", "output"]
    heard = []
    for name, verdict in genres.items():
        shares = verdict["probabilities"]
        assert set(shares) == set(read(untrained, "data.json")["genres"])
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert sum(shares.values()) == pytest.approx(1.0)
        assert verdict["genre"] == next(iter(shares))
        heard.append(f"{name} {verdict['genre']} ({100 * shares[verdict['genre']]:.0f} %)")
    assert result.stdout.rstrip().endswith(f"; heard as: {', '.join(heard)}")


@pytest.fixture(scope="module")
def banks(run, sounds, tmp_path_factory) -> dict[str, pathlib.Path]:
    """Styles that were saved: of a file, of a folder, and of a mix of the two."""
    folder = tmp_path_factory.mktemp("banks")
    paths = {name: folder / f"{name}.npz" for name in ("file", "records", "mix")}

    def save(name: str, style: str) -> subprocess.CompletedProcess:
        result = run("--mode=style", f"--style={style}", f"--output={paths[name]}")
        assert result.returncode == 0, result.stderr
        return result

    file = save("file", f"{sounds / 'style.flac'}")
    records = save("records", f"{sounds / 'records'}")
    save("mix", f"{paths['file']}:0.25,{paths['records']}:0.75")
    assert file.stdout == f"Wrote {paths['file']}, the style of 1 file\n"
    assert records.stdout == f"Wrote {paths['records']}, the style of 2 files\n"
    [warning] = records.stderr.splitlines()
    assert warning.startswith("warning: skipped ") and "broken.wav" in warning
    assert {path.name for path in folder.iterdir()} == {path.name for path in paths.values()}
    return paths


def test_a_mix_that_is_saved_is_the_mean_by_weight(banks):
    arrays = {}
    for name, path in banks.items():
        with np.load(path) as archive:
            arrays[name] = {key: archive[key] for key in archive.files}
    origins = [json.loads(arrays[name].pop("origin").item()) for name in banks]
    assert origins == [["style.flac"], ["a.wav", "b.wav"], ["file.npz", "records.npz"]]
    numbers = [key for key, values in arrays["mix"].items() if values.dtype == np.float32]
    assert len(numbers) > 5
    for key in numbers:
        expected = 0.25 * arrays["file"][key] + 0.75 * arrays["records"][key]
        np.testing.assert_allclose(arrays["mix"][key], expected, rtol=1e-5, atol=1e-6)
    assert any(np.abs(arrays["file"][key] - arrays["records"][key]).max() > 0.1 for key in numbers)


@pytest.fixture(scope="module")
def others(run, pair, first, banks, untrained, tmp_path_factory):
    """Three more runs and their folders, two at a time."""
    mix = f"--style={banks['file']}:0.25,{banks['records']}:0.75"
    explosive = (
        "--config=configs/transfer.py:alishdipani",
        "--config.num_iterations=2",
        "--config.optimiser.learning_rate=1e20",
        "--config.features.num_filters=16",
        "--config.phase.num_iterations=5",
    )
    seeing = f"--config.checkpoint={untrained}"
    folders = {name: tmp_path_factory.mktemp(name) for name in ("again", "mixed", "exploded")}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ends = [
            pool.submit(run, *pair, *QUICK, f"--workdir={folders['again']}"),
            # From another folder, where the default workdir is made, and with another seed.
            pool.submit(run, pair[0], mix, *QUICK, "--config.seed=1", seeing, cwd=folders["mixed"]),
            pool.submit(run, *pair, *explosive, f"--workdir={folders['exploded']}"),
        ]
    return {name: (end.result(), folders[name]) for name, end in zip(folders, ends, strict=True)}


def test_the_same_seed_gives_the_same_bytes_with_or_without_verdicts(others, first):
    result, workdir = others["again"]
    assert result.returncode == 0, result.stderr
    assert (workdir / "output.wav").read_bytes() == (first[1] / "output.wav").read_bytes()
    metrics, before = read(workdir), read(first[1])
    assert metrics["losses"] == before["losses"]
    assert "genres" not in metrics
    assert result.stdout.startswith(f"Wrote {workdir / 'output.wav'} (1.0 s of audio)")
    assert "heard" not in result.stdout


def test_saved_styles_are_mixed_without_their_audio(others, first, banks):
    result, folder = others["mixed"]
    assert result.returncode == 0, result.stderr
    workdir = folder / "results" / "transfer"
    assert result.stdout.startswith("Wrote results/transfer/output.wav (1.0 s of audio)")
    metrics = read(workdir)
    assert metrics["style"] == f"{banks['file']}:0.25,{banks['records']}:0.75"
    assert metrics["loss"]["final"] < 0.95 * metrics["loss"]["initial"]
    assert read(workdir, "environment.json")["seed"] == 1
    assert (workdir / "output.wav").read_bytes() != (first[1] / "output.wav").read_bytes()
    assert (workdir / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    # There is no audio of the style to be heard.
    assert list(metrics["genres"]) == ["content", "output"]
    assert re.search(r"heard as: content \w \(\d+ %\), output \w \(\d+ %\)$", result.stdout)


def test_a_loss_that_explodes_leaves_the_best_iterate_and_says_so(others):
    result, workdir = others["exploded"]
    assert result.returncode == 1
    line = result.stderr.replace("\r", "\n").splitlines()[-1]
    assert line.startswith("run_transfer.py: the loss was no longer finite at iteration 1; ")
    assert str(workdir / "output.wav") in line
    assert "config.optimiser.learning_rate" in line
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    samples, _ = soundfile.read(workdir / "output.wav")
    assert np.isfinite(samples).all() and samples.any()
    metrics = read(workdir)
    assert metrics["stopped"] == "non-finite"
    assert metrics["loss"]["final"] == pytest.approx(metrics["loss"]["initial"], rel=1e-5)


CASES = [
    (["--content={sounds}/none.wav"], ["{sounds}/none.wav does not exist"]),
    (["--content={sounds}/text.wav"], ["{sounds}/text.wav cannot be read as audio"]),
    (["--style={sounds}/none.wav"], ["--style {sounds}/none.wav does not exist"]),
    (["--style={sounds}/style.flac,{sounds}/text.wav"], ["text.wav cannot be read as audio"]),
    (["--style={sounds}/style.flac:0.5,{sounds}/records:0.2"], ["--style sum to 0.7, not to 1"]),
    (["--style={bank}", "--config.sample_rate=16000"], ["{bank}", "sample_rate=22050"]),
    (["--mode=style"], ["--mode=style needs --output"]),
    (["--mode=styel"], ["mode", "styel"]),
    (["--config.style_wieght=1"], ["style_wieght", 'Did you mean "style_weight"']),
    (["--config.optimizer.name=adam"], ["optimizer", 'Did you mean "optimiser"']),
    (["--config.num_iterations=1e4"], ["config.num_iterations", "1e4"]),
    (["--config=configs/transfer.py:ulyano"], ["ulyano", "ulyanov"]),
    (["--config=configs/none.py"], ["configs/none.py", "does not exist"]),
    (["--wrokdir=x"], ["wrokdir", "workdir"]),
    (["a.wav"], ["a.wav", "--name=value"]),
    (
        [
            "--config=configs/transfer.py:multicomp",
            "--config.checkpoint={untrained}",
            "--config.layers=('conv9',)",
        ],
        ["config.layers", "'conv9'", "{untrained}", *LAYERS],
    ),
    (["--output={out}/none/out.wav"], ["there is no folder {out}/none"]),
    (["--workdir={sounds}/text.wav"], ["{sounds}/text.wav cannot be made"]),
]


@pytest.fixture(scope="module")
def refused(run, pair, sounds, banks, untrained, tmp_path_factory) -> list[tuple]:
    """How each of the cases ended, which words it is to say, and the folder it may write to."""

    def end(case: tuple[list[str], list[str]], out: pathlib.Path) -> tuple:
        names = {"sounds": sounds, "bank": banks["file"], "untrained": untrained, "out": out}
        given, words = ([text.format(**names) for text in texts] for texts in case)
        flags = {argument.split("=")[0] for argument in given}
        rest = [flag for flag in (*pair, f"--workdir={out}/w") if flag.split("=")[0] not in flags]
        return run(*given, *rest), words, out

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(end, CASES, [tmp_path_factory.mktemp("refused") for _ in CASES]))


@pytest.mark.parametrize("case", range(len(CASES)), ids=[" ".join(given) for given, _ in CASES])
def test_bad_input_is_refused_in_one_line(case, refused, assert_refused, sounds):
    result, words, folder = refused[case]
    assert_refused(result, *words)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert {path.name for path in sounds.iterdir()} == {
        "content.wav",
        "records",
        "style.flac",
        "text.wav",
    }
    assert (sounds / "text.wav").read_text() == "not audio"
