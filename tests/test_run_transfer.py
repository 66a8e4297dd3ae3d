"""`run_transfer.py`: its modes called as commands, and the script as a user runs it."""

import contextlib
import csv
import functools
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from conftest import CLIPS, ROOT

from configs.transfer import PRESETS, get_config
from research import style_transfer
from research.audio.waveform import Waveform, load_waveform
from research.audio.writing import save_waveform
from research.errors import InputError
from research.settings import freeze
from research.transfer import commands, single
from research.transfer.config import TransferConfig
from research.transfer.pairs import load_pairs

# Terms that compile quickly, and few steps.
LIGHT = {
    "content.harmonic": 0.0,
    "style.patches": 0.0,
    "style.fast_patches": 0.0,
    "style.correlation": 0.0,
}
QUICK = LIGHT | {"num_iterations": 6, "optimiser.log_every": 6, "checkpoint": ""}
SWEEP = {"sweep.style_weight": (0.5, 4.0), "sweep.content.chroma": (0.0, 2.0)}
SWEPT = {key.replace(".", "__"): values for key, values in SWEEP.items()}
LAYERS = ("logits", "conv1", "pool1", "conv2", "pool2", "features")
SECONDS = 0.6


def config_of(**changes) -> TransferConfig:
    """A config of few steps, with changes whose dots are double underscores."""
    config = get_config("texture")
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    config.update_from_flattened_dict(QUICK | dotted)
    return freeze(TransferConfig, config)


def flags_of(changes: dict) -> list[str]:
    """Changes of a config as flags."""
    return [
        f"--config.{key}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for key, value in changes.items()
    ]


class Printed(NamedTuple):
    """What a command printed, and its warnings."""

    text: str
    warnings: list[str]


def call(command: Callable, *arguments, **named) -> Printed:
    """Call a command."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        command(*arguments, **named)
    return Printed(out.getvalue(), [str(one.message) for one in caught])


def refusal(command: Callable, *arguments, **named) -> str:
    """What an InputError says, in one line."""
    with pytest.raises(InputError) as error:
        command(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


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
    seconds = np.arange(round(SECONDS * 44100)) / 44100
    fading = np.exp(-4 * (4 * seconds % 1))[:, None]
    notes = 0.2 * np.sin(2 * np.pi * 440 * seconds[:, None] * np.array([1.0, 1.5])) * fading
    soundfile.write(folder / "content.wav", notes, 44100)
    soundfile.write(folder / "style.flac", beats(0.8, 16000, 0), 16000)
    (folder / "text.wav").write_text("not audio")
    (folder / "records").mkdir()
    soundfile.write(folder / "records" / "a.wav", beats(0.8, 22050, 1), 22050)
    soundfile.write(folder / "records" / "b.wav", 3 * beats(1.6, 22050, 2), 22050)
    (folder / "records" / "broken.wav").write_text("not audio")
    (folder / "records" / "cover.png").write_text("an image")
    return folder


@pytest.fixture(scope="module")
def pair(sounds) -> tuple[str, str]:
    """The content and the style."""
    return str(sounds / "content.wav"), str(sounds / "style.flac")


@pytest.fixture(scope="module")
def first(pair, untrained, tmp_path_factory) -> tuple[Printed, pathlib.Path]:
    """A transfer with all it can be asked for, and its workdir."""
    folder = tmp_path_factory.mktemp("first")
    workdir, config = folder / "made" / "work", config_of(checkpoint=str(untrained))
    return call(commands.transfer, config, [pair], workdir, folder / "out.flac"), workdir


def read(workdir: pathlib.Path, name: str = "metrics.json") -> dict:
    return json.loads((workdir / name).read_text())


FILES = {
    "config.json",
    "environment.json",
    "metrics.json",
    "output.wav",
    "report.html",
    "spectrograms.png",
}


def test_a_run_leaves_its_files_and_says_where(first, sounds):
    printed, workdir = first
    output = workdir.parent.parent / "out.flac"
    assert {path.name for path in workdir.iterdir()} == FILES
    assert {path.name for path in output.parent.iterdir()} == {"made", "out.flac"}
    [line] = printed.text.splitlines()
    assert line.startswith(f"Wrote {output} ({SECONDS} s of audio) in ")
    assert f"listen, look and compare in {workdir / 'report.html'}" in line
    assert printed.warnings == []
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
    assert (metrics["content"], metrics["style"]) == pair
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


def test_a_checkpoint_gives_genres(first, untrained):
    printed, workdir = first
    genres = read(workdir)["genres"]
    assert list(genres) == ["content", "style", "output"]
    predicted = []
    for name, verdict in genres.items():
        probabilities = verdict["probabilities"]
        assert set(probabilities) == set(read(untrained, "data.json")["genres"])
        assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
        assert sum(probabilities.values()) == pytest.approx(1.0)
        assert verdict["genre"] == next(iter(probabilities))
        percent = 100 * probabilities[verdict["genre"]]
        predicted.append(f"{name} {verdict['genre']} ({percent:.0f} %)")
    assert printed.text.rstrip().endswith(f": {', '.join(predicted)}")


def test_the_same_seed_gives_the_same_bytes_with_or_without_genres(pair, first, tmp_path):
    printed = call(commands.transfer, config_of(), [pair], tmp_path)
    assert (tmp_path / "output.wav").read_bytes() == (first[1] / "output.wav").read_bytes()
    metrics, before = read(tmp_path), read(first[1])
    assert metrics["losses"] == before["losses"]
    assert "genres" not in metrics
    assert printed.text.startswith(f"Wrote {tmp_path / 'output.wav'} ({SECONDS} s of audio)")
    assert printed.text.rstrip().endswith("report.html")


def test_a_call_on_arrays_gives_the_same_bytes(pair, first, tmp_path):
    content, style = map(load_waveform, pair)
    output = style_transfer(
        content.samples,
        style.samples,
        content.sample_rate,
        style_sample_rate=style.sample_rate,
        preset="texture",
        **QUICK,
    )
    save_waveform(tmp_path / "output.wav", Waveform(output, content.sample_rate))
    assert (tmp_path / "output.wav").read_bytes() == (first[1] / "output.wav").read_bytes()


@pytest.fixture(scope="module")
def style_files(sounds, tmp_path_factory) -> dict[str, pathlib.Path]:
    """Styles that were saved: of a file, of a folder, and of a mix of the two."""
    folder = tmp_path_factory.mktemp("styles")
    paths = {name: folder / f"{name}.npz" for name in ("file", "records", "mix")}
    styles = {
        "file": f"{sounds / 'style.flac'}",
        "records": f"{sounds / 'records'}",
        "mix": f"{paths['file']}:0.25,{paths['records']}:0.75",
    }
    # Of all terms: a transfer may read a part of a style file.
    config = PRESETS["texture"]
    printed = {name: call(commands.save_style, paths[name], styles[name], config) for name in paths}
    assert printed["file"].text == f"Wrote {paths['file']}, the style of 1 file\n"
    assert printed["records"].text == f"Wrote {paths['records']}, the style of 2 files\n"
    [warning] = printed["records"].warnings
    assert warning.startswith("skipped ") and "broken.wav" in warning
    assert {path.name for path in folder.iterdir()} == {path.name for path in paths.values()}
    return paths


def test_a_mix_that_is_saved_is_the_mean_by_weight(style_files):
    arrays = {}
    for name, path in style_files.items():
        with np.load(path) as archive:
            arrays[name] = {key: archive[key] for key in archive.files}
    origins = [json.loads(arrays[name].pop("origin").item()) for name in style_files]
    assert origins == [["style.flac"], ["a.wav", "b.wav"], ["file.npz", "records.npz"]]
    numbers = [key for key, values in arrays["mix"].items() if values.dtype == np.float32]
    assert len(numbers) > 5
    for key in numbers:
        expected = 0.25 * arrays["file"][key] + 0.75 * arrays["records"][key]
        np.testing.assert_allclose(arrays["mix"][key], expected, rtol=1e-5, atol=1e-6)
    assert any(np.abs(arrays["file"][key] - arrays["records"][key]).max() > 0.1 for key in numbers)


def test_saved_styles_are_mixed_without_their_audio(pair, first, style_files, tmp_path):
    mix = f"{style_files['file']}:0.25,{style_files['records']}:0.75"
    # The shipped weights predict genres.
    config = config_of(seed=1, checkpoint="shipped")
    printed = call(commands.transfer, config, [(pair[0], mix)], tmp_path)
    metrics = read(tmp_path)
    assert metrics["style"] == mix
    assert metrics["loss"]["final"] < 0.95 * metrics["loss"]["initial"]
    assert read(tmp_path, "environment.json")["seed"] == 1
    assert (tmp_path / "output.wav").read_bytes() != (first[1] / "output.wav").read_bytes()
    assert (tmp_path / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    # There is no audio of the style.
    assert list(metrics["genres"]) == ["content", "output"]
    assert all(len(verdict["probabilities"]) == 10 for verdict in metrics["genres"].values())
    assert re.search(r": content \w+ \(\d+ %\), output \w+ \(\d+ %\)$", printed.text)


def test_a_loss_that_explodes_leaves_the_best_iterate_and_says_so(pair, tmp_path, capsys):
    config = config_of(optimiser__name="adam", optimiser__learning_rate=1e20)
    message = refusal(commands.transfer, config, [pair], tmp_path)
    assert message.startswith("the loss was no longer finite at iteration 1; ")
    assert str(tmp_path / "output.wav") in message
    assert "config.optimiser.learning_rate" in message
    assert capsys.readouterr().out == ""
    samples, _ = soundfile.read(tmp_path / "output.wav")
    assert np.isfinite(samples).all() and samples.any()
    metrics = read(tmp_path)
    assert metrics["stopped"] == "non-finite"
    assert metrics["loss"]["final"] == pytest.approx(metrics["loss"]["initial"], rel=1e-5)


def test_the_script_transfers_the_shipped_pair_unless_told_otherwise(run, tmp_path):
    """From another folder, where the default workdir is made."""
    changes = {"num_iterations": 1, "optimiser.log_every": 1}
    result = run(*flags_of(changes), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    workdir = tmp_path / "results" / "transfer"
    assert {path.name for path in workdir.iterdir()} == FILES
    [line] = result.stdout.splitlines()
    assert line.startswith("Wrote results/transfer/output.wav (10.0 s of audio) in ")
    assert "Traceback" not in result.stderr and "warning" not in result.stderr.lower()
    assert "loss " in result.stderr and "1/1" in result.stderr
    metrics, config = read(workdir), read(workdir, "config.json")
    assert [metrics["content"], metrics["style"]] == [
        str(CLIPS / "piano.ogg"),
        str(CLIPS / "band.ogg"),
    ]
    # What the commands save, which know no flags, is what flags say.
    expected = get_config()
    expected.update_from_flattened_dict(changes)
    assert config == json.loads(expected.to_json())
    assert list(metrics["genres"]) == ["content", "style", "output"]
    assert metrics["judge"]["score"] > 0
    assert len(metrics["judge"]["crossfades"]) == 9
    assert [one["share"] for one in metrics["judge"]["equalised"]] == [0.0, 0.1]


CASES = [
    (["--content={sounds}/none.wav"], ["{sounds}/none.wav does not exist"]),
    (["--content={sounds}/text.wav"], ["{sounds}/text.wav cannot be read as audio"]),
    (["--style={sounds}/none.wav"], ["--style {sounds}/none.wav does not exist"]),
    (["--style={sounds}/style.flac,{sounds}/text.wav"], ["text.wav cannot be read as audio"]),
    (["--style={sounds}/style.flac,{file}", "--output={out}/o.wav"], ["--output", "are 2"]),
    (["--pairs={sounds}/text.wav"], ["--pairs names contents and styles"]),
    (["--config.sweep.style_wieght=1"], ["style_wieght", 'Did you mean "style_weight"']),
    (["--config.sweep.style_weight=1,x"], ["config.sweep.style_weight is '1,x'"]),
    (["--mode=compare"], ["--content does not apply to --mode=compare"]),
    (["--style={sounds}/style.flac:0.5,{sounds}/records:0.2"], ["--style sum to 0.7, not to 1"]),
    (["--style={file}", "--config.sample_rate=16000"], ["{file}", "sample_rate=22050"]),
    (["--mode=style"], ["--content does not apply to --mode=style", "--mode=transfer"]),
    (["--config.style_weight=2"], ["config.style_weight is for a loss", "transfer.py:combined"]),
    (["--config.sweep.seed=0,1"], ["config.sweep.seed changes nothing", "leave it out"]),
    (["--preview={out}/p.wav"], ["--preview is for presets that optimise a waveform"]),
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
def refused(run, pair, sounds, style_files, untrained, tmp_path_factory) -> list[tuple]:
    """How each of the cases ended, which words it is to say, and the folder it may write to."""
    names = {"sounds": sounds, "file": style_files["file"], "untrained": untrained}
    ended = []
    for given, words in CASES:
        out = tmp_path_factory.mktemp("refused")
        given, words = ([text.format(**names, out=out) for text in each] for each in (given, words))
        flags = {argument.split("=")[0] for argument in given}
        rest = (f"--content={pair[0]}", f"--style={pair[1]}", f"--workdir={out}/w")
        result = run(*given, *(flag for flag in rest if flag.split("=")[0] not in flags))
        ended.append((result, words, out))
    return ended


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


def test_a_run_of_its_own_is_refused_as_a_fork_is(run, pair, refused, assert_refused, sounds):
    result = run(f"--content={sounds}/none.wav", f"--style={pair[1]}", PYTHONHASHSEED="0")
    assert_refused(result, *refused[0][1])
    assert result.stderr == refused[0][0].stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--mode=style", "--style={style}"], ["--mode=style needs --output"]),
        (
            ["--mode=style", "--style={style}", "--output={out}/a.wav"],
            ["--output {out}/a.wav", ".npz"],
        ),
        (["--mode=style", "--output={out}/a.npz"], ["--mode=style needs --style"]),
        (["--mode=compare"], ["--mode=compare needs --input"]),
        (["--mode=compare", "--input={out}"], ["--input {out} holds no take"]),
    ],
)
def test_other_modes_need_what_they_are_for(run, pair, assert_refused, tmp_path, given, words):
    given, words = (
        [text.format(style=pair[1], out=tmp_path) for text in each] for each in (given, words)
    )
    workdir = [f"--workdir={tmp_path / 'w'}"] * ("--mode=compare" in given)
    assert_refused(run(*given, *workdir), *words)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_content_is_not_paired_with_the_shipped_style_unasked(run, pair, assert_refused):
    assert_refused(run(f"--content={pair[0]}"), "--style is missing; give --content and --style")


@pytest.fixture(scope="module")
def table(sounds) -> pathlib.Path:
    """Two pairs, a line each."""
    folder = sounds.name
    path = sounds.parent / "pairs.tsv"
    path.write_text(
        f"content\tstyle\n{folder}/content.wav\t{folder}/style.flac\n"
        f"\n{folder}/content.wav\t{folder}/records/a.wav\n"
    )
    return path


@pytest.fixture(scope="module")
def swept(table, tmp_path_factory) -> tuple[Printed, pathlib.Path]:
    """A sweep of two pairs, and its workdir."""
    folder = tmp_path_factory.mktemp("sweep")
    return call(commands.transfer, config_of(**SWEPT), load_pairs(table), folder), folder


def test_a_sweep_leaves_a_folder_a_take_a_table_and_a_page(swept):
    printed, workdir = swept
    assert printed.warnings == []
    lines = printed.text.splitlines()
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
        assert (samples.shape, rate) == ((round(SECONDS * 44100), 2), 44100)
    page = (workdir / "report.html").read_text()
    assert page.count("<audio") == 2 * (5 + 4)


def test_more_style_weight_ends_nearer_to_the_style(swept):
    _, workdir = swept
    terms = [read(workdir / "takes" / f"{number:03d}")["loss"]["terms"] for number in (1, 3)]
    assert all(set(each) == set(terms[0]) for each in terms)
    bands = [each["bands"] for each in terms]
    assert bands[1] < 0.9 * bands[0]


def test_a_killed_sweep_on_four_devices_goes_on_and_ends_like_an_unbroken_one(
    swept, table, script_environment, tmp_path
):
    """The script is killed after its first take, and its sweep goes on in this process."""
    other = swept[1]
    config = "--config=configs/transfer.py:texture"
    given = [config, f"--pairs={table}", *flags_of(QUICK | SWEEP), f"--workdir={tmp_path}"]
    with subprocess.Popen(
        [sys.executable, "run_transfer.py", *given],
        cwd=ROOT,
        env=script_environment | {"JAX_NUM_CPU_DEVICES": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not [*tmp_path.rglob("metrics.json")]:
            time.sleep(0.02)
        process.kill()
        printed = process.stdout.read()
    assert printed == "8 takes\n"
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}
    assert 1 <= len(kept) < 8
    devices = [read(one, "environment.json")["device"]["count"] for one in (tmp_path, other)]
    assert devices == [4, 1]
    ended = call(commands.transfer, config_of(**SWEPT), load_pairs(table), tmp_path)
    first, *_, last = ended.text.splitlines()
    assert first == f"8 takes, {len(kept)} of them done before"
    assert last.startswith(f"Wrote {8 - len(kept)} takes into {tmp_path} in ")
    for path, written in kept.items():
        assert path.stat().st_mtime_ns == written
    # What flags say is what a config says.
    for name in ("config.json", "takes.json"):
        assert (tmp_path / name).read_bytes() == (other / name).read_bytes()
    for number in range(8):
        takes = [one / "takes" / f"{number:03d}" for one in (tmp_path, other)]
        losses = [read(take)["losses"] for take in takes]
        np.testing.assert_allclose(*losses, rtol=2e-3)
        sounds = [soundfile.read(take / "output.wav")[0] for take in takes]
        error = np.sqrt(np.mean(np.square(sounds[0] - sounds[1])) / np.mean(np.square(sounds[0])))
        assert error < 0.02


def test_another_sweep_or_a_single_run_does_not_take_its_place(swept, first, pair, capsys):
    _, workdir = swept
    before = (workdir / "takes.csv").read_bytes()
    other = config_of(**SWEPT, sweep__seed=(1, 2))
    message = refusal(commands.transfer, other, [pair], workdir)
    assert "holds another run: sweep.seed" in message and "give another --workdir" in message
    assert "holds a sweep" in refusal(commands.transfer, config_of(), [pair], workdir)
    assert (workdir / "takes.csv").read_bytes() == before
    message = refusal(commands.transfer, config_of(**SWEPT), [pair], first[1])
    assert "holds a single run" in message
    assert capsys.readouterr().out == ""


def test_memory_that_does_not_do_for_one_take_is_told(pair, tmp_path, capsys):
    config = config_of(**SWEPT, sweep__memory_gb=1e-4)
    message = refusal(commands.transfer, config, [pair], tmp_path)
    assert message.startswith("config.sweep.memory_gb is 0.0001")
    assert f"one take of {SECONDS} s needs about 0.0" in message
    assert capsys.readouterr().out == "4 takes\n"
    assert not (tmp_path / "takes").exists()


def test_runs_are_compared_by_what_differs_in_their_configs(swept, first, tmp_path):
    runs = [first[1], swept[1]]
    printed = call(commands.compare, runs, tmp_path)
    assert printed.text == f"Wrote 9 takes into {tmp_path / 'comparison.csv'} and .html\n"
    with (tmp_path / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    name = runs[1].name
    assert [row["run"] for row in rows] == ["work", *(f"{name}/{i:03d}" for i in range(8))]
    differing = list(rows[0])[3 : list(rows[0]).index("content_kept")]
    assert set(differing) == {"checkpoint", "style_weight", "content.chroma"}
    assert [float(row["style_weight"]) for row in rows[:4]] == [1.5, 0.5, 0.5, 4.0]
    assert float(rows[0]["score"]) == read(first[1])["judge"]["score"]
    page = (tmp_path / "comparison.html").read_text()
    assert page.count("<audio") == 2 * 5 + 9
    assert f"{name}/003" in page and "Side by side" in page


def test_a_preview_is_the_start_and_then_the_best_so_far(pair, tmp_path, monkeypatch, capfd):
    preview, heard = tmp_path / "preview.wav", []

    def keep(path: pathlib.Path, *arguments) -> None:
        save_waveform(path, *arguments)
        if path == preview:
            heard.append(path.read_bytes())

    monkeypatch.setattr("research.transfer.single.save_waveform", keep)
    config = config_of(optimiser__log_every=3)
    commands.transfer(config, [pair], tmp_path / "run", preview=preview)
    line = f"wrote {preview}, which gets better until the end\n"
    assert capfd.readouterr().err.count(line) == 1
    assert len(heard) == len(set(heard)) == 3
    call(commands.transfer, config_of(num_iterations=0), [pair], tmp_path / "start")
    assert heard[0] == (tmp_path / "start" / "output.wav").read_bytes()
    output, distances = load_waveform(tmp_path / "run" / "output.wav").samples, []
    for sound in heard:
        preview.write_bytes(sound)
        distances.append(np.abs(load_waveform(preview).samples - output).mean())
    assert distances == sorted(distances, reverse=True)
    many = config_of(sweep__seed=(0, 1))
    assert "--preview is for a single take, and these are 2" in refusal(
        commands.transfer, many, [pair], tmp_path / "many", preview=preview
    )


def test_a_page_of_the_piece_before_does_not_stay(pair, tmp_path, monkeypatch):
    config = freeze(TransferConfig, get_config("default"))
    for name in ("report.html", "spectrograms.png"):
        (tmp_path / name).write_text("of another piece")

    def fail(*_):
        raise RuntimeError("a defect of the page")

    monkeypatch.setattr(single, "write_report", fail)
    monkeypatch.setattr(single, "draw_spectrograms", fail)
    printed = call(commands.transfer, config, [pair], tmp_path)
    assert not {"report.html", "spectrograms.png"} & {path.name for path in tmp_path.iterdir()}
    assert "report.html" not in printed.text
    assert sum("a defect of the page" in str(each) for each in printed.warnings) == 2


def test_workers_find_what_one_process_finds(swept, table, tmp_path, monkeypatch):
    _, alone = swept
    monkeypatch.setattr(commands, "spare_cores", lambda: 1)
    printed = call(commands.transfer, config_of(**SWEPT), load_pairs(table), tmp_path / "sweep")
    assert printed.warnings == []
    takes = [path.relative_to(alone) for path in sorted(alone.glob("takes/*"))]
    assert len(takes) == 8
    for take in takes:
        wav = take / "output.wav"
        assert (tmp_path / "sweep" / wav).read_bytes() == (alone / wav).read_bytes()
        found, expected = (read(root / take)["judge"] for root in (tmp_path / "sweep", alone))
        assert found.keys() == expected.keys()
        assert found["measures"] == pytest.approx(expected["measures"], rel=1e-4, abs=1e-6)
    assert (tmp_path / "sweep" / "report.html").stat().st_size > 100_000


def test_a_run_of_its_own_judges_and_draws_in_workers(run, pair, tmp_path):
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        result = run(
            "--config=configs/transfer.py:texture",
            f"--content={pair[0]}",
            f"--style={pair[1]}",
            f"--workdir={tmp_path}",
            "--config.num_iterations=0",
            "--config.checkpoint=",
            "--config.init=content",
            LOKY_MAX_CPU_COUNT="2",
        )
    finally:
        os.sched_setaffinity(0, allowed)
    assert result.returncode == 0, result.stderr
    assert "warning" not in result.stderr
    assert "Traceback" not in result.stderr
    assert read(tmp_path)["judge"]["score"] > 0
    assert {"report.html", "spectrograms.png"} <= {path.name for path in tmp_path.iterdir()}


def test_a_sweep_takes_every_core_before_jax_counts_its_devices(pair, tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(commands, "use_every_core", lambda count: order.append(count))
    monkeypatch.setattr(
        commands, "check_recordings", lambda *_: order.append("devices are counted")
    )
    monkeypatch.setattr(commands, "find_takes", lambda workdir: [workdir])  # And so it ends.
    refusal(commands.transfer, config_of(sweep__seed=(0, 1, 2)), [pair], tmp_path)
    assert order == [3, "devices are counted"]
