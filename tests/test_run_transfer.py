"""The real script, run as a user runs it."""

import concurrent.futures
import csv
import functools
import json
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from conftest import ROOT

# Few steps, and compiled without most optimisations.
QUICK = (
    "--config.num_iterations=6",
    "--config.optimiser.log_every=6",
    "--config.checkpoint=",
)
LAYERS = ("logits", "conv1", "pool1", "conv2", "pool2", "features")


@pytest.fixture(scope="module")
def run(run_script) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the script."""
    return functools.partial(run_script, "run_transfer.py")


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
        "report.html",
        "spectrograms.png",
    }
    assert {path.name for path in output.parent.iterdir()} == {"made", "out.flac"}
    [line] = result.stdout.splitlines()
    assert line.startswith(f"Wrote {output} (1.0 s of audio) in ")
    assert f"listen, look and compare in {workdir / 'report.html'}" in line
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
    assert set(seconds) == {"load", "compile", "start", "optimise", "phase", "judge"}
    assert all(taken >= 0 for taken in seconds.values())


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
    assert result.stdout.rstrip().endswith(f"; predicted genres: {', '.join(heard)}")


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
def others(run, pair, first, banks, tmp_path_factory):
    """Three more runs and their folders, two at a time."""
    mix = f"--style={banks['file']}:0.25,{banks['records']}:0.75"
    explosive = (
        "--config=configs/transfer.py:alishdipani",
        "--config.num_iterations=2",
        "--config.checkpoint=",
        "--config.optimiser.learning_rate=1e20",
        "--config.features.num_filters=16",
        "--config.phase.num_iterations=5",
    )
    # Where nothing else is said, the shipped weights give their verdict.
    shipped = [flag for flag in QUICK if "checkpoint" not in flag]
    folders = {name: tmp_path_factory.mktemp(name) for name in ("again", "mixed", "exploded")}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ends = [
            pool.submit(run, *pair, *QUICK, f"--workdir={folders['again']}"),
            # From another folder, where the default workdir is made, and with another seed.
            pool.submit(run, pair[0], mix, *shipped, "--config.seed=1", cwd=folders["mixed"]),
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
    assert "predicted" not in result.stdout


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
    assert all(len(verdict["probabilities"]) == 10 for verdict in metrics["genres"].values())
    assert re.search(
        r"predicted genres: content \w+ \(\d+ %\), output \w+ \(\d+ %\)$", result.stdout
    )


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
    (["--style={sounds}/style.flac,{bank}", "--output={out}/o.wav"], ["--output", "are 2"]),
    (["--pairs={sounds}/text.wav"], ["--pairs names contents and styles"]),
    (["--config.sweep.style_wieght=1"], ["style_wieght", 'Did you mean "style_weight"']),
    (["--config.sweep.style_weight=1,x"], ["config.sweep.style_weight is '1,x'"]),
    (["--mode=compare"], ["--mode=compare needs --input"]),
    (["--mode=compare", "--input={sounds}"], ["--input {sounds} holds no take"]),
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


SWEEP = (*QUICK, "--config.sweep.style_weight=0.5,4", "--config.sweep.content.chroma=0,2")


@pytest.fixture(scope="module")
def swept(run, pair, sounds, script_environment, tmp_path_factory) -> dict[str, tuple]:
    """A sweep on four devices, and the same on one, killed after its first take and started again.

    Of two pairs, a line each in a table; with what was done when it was killed.
    """
    table = sounds.parent / "pairs.tsv"
    folder = sounds.name
    table.write_text(
        f"content\tstyle\n{folder}/content.wav\t{folder}/style.flac\n"
        f"\n{folder}/content.wav\t{folder}/records/a.wav\n"
    )
    given = [f"--pairs={table}", *SWEEP]
    folders = {name: tmp_path_factory.mktemp(name) for name in ("killed", "four")}
    first = folders["killed"] / "takes" / "000" / "metrics.json"
    one_device = {"JAX_NUM_CPU_DEVICES": "1"}
    with subprocess.Popen(
        [sys.executable, "run_transfer.py", *given, f"--workdir={folders['killed']}"],
        cwd=ROOT,
        env=script_environment | one_device,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and not first.exists():
            time.sleep(0.02)
        process.kill()
    kept = {path: path.stat().st_mtime_ns for path in folders["killed"].rglob("metrics.json")}
    ends = {
        "killed": run(*given, f"--workdir={folders['killed']}", **one_device),
        "four": run(*given, f"--workdir={folders['four']}", JAX_NUM_CPU_DEVICES="4"),
    }
    return {name: (end, folders[name]) for name, end in ends.items()} | {"kept": kept}


def test_a_sweep_leaves_a_folder_a_take_a_table_and_a_page(swept):
    result, workdir = swept["four"]
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "8 takes"
    assert lines[-1].startswith(f"Wrote 8 takes into {workdir} in ")
    assert str(workdir / "report.html") in lines[-1]
    assert {path.name for path in workdir.iterdir()} == {
        "config.json",
        "environment.json",
        "report.html",
        "takes",
        "takes.csv",
        "takes.json",
    }
    with (workdir / "takes.csv").open() as file:
        rows = list(csv.DictReader(file))
    settings = [(weight, chroma) for weight in (0.5, 4.0) for chroma in (0.0, 2.0)]
    found = [(float(row["style_weight"]), float(row["content.chroma"])) for row in rows]
    assert found == 2 * settings
    assert [row["take"] for row in rows] == [f"{number:03d}" for number in range(8)]
    styles = [pathlib.Path(row["style"]).name for row in rows]
    assert styles == 4 * ["style.flac"] + 4 * ["a.wav"]
    for row, number in zip(rows, range(8), strict=True):
        folder = workdir / "takes" / f"{number:03d}"
        assert {path.name for path in folder.iterdir()} == {"metrics.json", "output.wav"}
        metrics = read(folder)
        judge = metrics["judge"]
        assert float(row["score"]) == judge["score"]
        assert float(row["loss"]) == metrics["loss"]["final"] < metrics["loss"]["initial"]
        assert 0 <= judge["naturalness"] <= 1
        assert [one["share"] for one in judge["crossfades"]][::8] == [0.0, 1.0]
        samples, rate = soundfile.read(folder / "output.wav")
        assert (samples.shape, rate) == ((44100, 2), 44100)
    page = (workdir / "report.html").read_text()
    assert page.count("<audio") == 2 * (3 + 4)


def test_more_style_weight_ends_nearer_to_the_style(swept):
    _, workdir = swept["four"]
    terms = [read(workdir / "takes" / f"{number:03d}")["loss"]["terms"] for number in (1, 3)]
    assert all(set(each) == set(terms[0]) for each in terms)
    bands = [each["bands"] for each in terms]
    assert bands[1] < 0.9 * bands[0]


def test_a_killed_sweep_goes_on_and_ends_like_an_unbroken_one_on_more_devices(swept):
    result, workdir = swept["killed"]
    assert result.returncode == 0, result.stderr
    kept, other = swept["kept"], swept["four"][1]
    assert 1 <= len(kept) < 8
    assert f"8 takes, {len(kept)} of them done before" in result.stdout
    for path, written in kept.items():
        assert path.stat().st_mtime_ns == written
    devices = [read(one, "environment.json")["device"]["count"] for one in (workdir, other)]
    assert devices == [1, 4]
    for number in range(8):
        takes = [one / "takes" / f"{number:03d}" for one in (workdir, other)]
        losses = [read(take)["losses"] for take in takes]
        np.testing.assert_allclose(*losses, rtol=2e-3)
        sounds = [soundfile.read(take / "output.wav")[0] for take in takes]
        error = np.sqrt(np.mean(np.square(sounds[0] - sounds[1])) / np.mean(np.square(sounds[0])))
        assert error < 0.02


def test_another_sweep_or_a_single_run_does_not_take_its_place(swept, run, pair, assert_refused):
    _, workdir = swept["four"]
    before = (workdir / "takes.csv").read_bytes()
    other = run(*pair, *SWEEP, "--config.sweep.seed=1,2", f"--workdir={workdir}")
    assert_refused(other, "holds another run: sweep.seed", "give another --workdir")
    assert_refused(run(*pair, *QUICK, f"--workdir={workdir}"), "holds a sweep")
    assert (workdir / "takes.csv").read_bytes() == before


def test_memory_that_does_not_do_for_one_take_is_told(run, pair, assert_refused, tmp_path):
    budget = "--config.sweep.memory_gb=1e-4"
    result = run(*pair, *SWEEP, budget, f"--workdir={tmp_path}")
    assert result.stdout.splitlines() == ["4 takes"]
    result.stdout = ""
    assert_refused(result, "config.sweep.memory_gb is 0.0001", "one take of 1.0 s needs about 0.0")
    assert not (tmp_path / "takes").exists()


def test_runs_are_compared_by_what_differs_in_their_configs(swept, first, run, tmp_path):
    inputs = f"--input={first[1]},{swept['four'][1]}"
    result = run("--mode=compare", inputs, f"--workdir={tmp_path}")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"Wrote 9 takes into {tmp_path / 'comparison.csv'} and .html\n"
    with (tmp_path / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    name = swept["four"][1].name
    assert [row["run"] for row in rows] == ["work", *(f"{name}/{i:03d}" for i in range(8))]
    differing = list(rows[0])[3 : list(rows[0]).index("content_kept")]
    assert set(differing) == {"checkpoint", "style_weight", "content.chroma"}
    assert [float(row["style_weight"]) for row in rows[:4]] == [1.5, 0.5, 0.5, 4.0]
    assert float(rows[0]["score"]) == read(first[1])["judge"]["score"]
    page = (tmp_path / "comparison.html").read_text()
    assert page.count("<audio") == 2 * 3 + 9
    assert f"{name}/003" in page and "Side by side" in page


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
