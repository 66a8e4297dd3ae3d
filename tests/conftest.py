"""Sounds and settings shared by the tests."""

import gc
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import cores  # noqa: F401
import hypothesis
import numpy as np
import pytest
from absl import flags
from forking import ScriptServer
from playing import make_content, make_style
from programs import Programs

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIPS = ROOT / "research" / "clips"
REAL = ROOT.parent / "shared" / "data" / "clips"  # Real recordings, where there are any.
CHROMIUM, DRIVER = pathlib.Path("/usr/bin/chromium"), pathlib.Path("/usr/bin/chromedriver")
RECORDINGS = [*sorted(REAL.glob("*.*")), CLIPS / "band.ogg", CLIPS / "piano.ogg"]

PROGRAMS = Programs()  # Before jax and numba are imported.

hypothesis.settings.register_profile("few", max_examples=20, deadline=None, derandomize=True)
hypothesis.settings.load_profile("few")


# Files that take longest, which start first, so that all processes have work until the end.
LONGEST = (
    "test_devices.py",
    "test_style_transfer.py",
    "test_run_transfer.py",
    "test_app.py",
    "test_run_train.py",
    "test_side_by_side.py",
    "test_shipped.py",
    "test_page.py",
    "test_objective.py",
    "test_reorchestration.py",
    "test_networks.py",
    "test_phase.py",
    "test_start.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep xdist from its order, in which files of many tests come first; collect garbage less.

    To look through all that jax and pytest keep, again and again, took a tenth of the tests' time.
    """
    if "ROUND_PRODUCTS" in os.environ:
        import rounding  # noqa: F401
    config.option.loadscopereorder = False
    gc.set_threshold(50_000, 10, 10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where less was checked than can be."""
    if not REAL.is_dir():
        terminalreporter.write_line(
            f"Without real recordings in {REAL}, two shipped clips alone were tested in their place"
        )


@pytest.fixture(scope="session", autouse=True)
def started():
    """Flags at their defaults, as if the command line were empty, and jax on one device.

    A sweep, which is in one process with others, would else start jax on a device a core.
    """
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["pytest"])
    import jax

    jax.devices()


@pytest.fixture
def full_products() -> Iterator[None]:
    """Products of the classifiers in full precision; accelerators round their factors."""
    import jax

    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="session")
def chord() -> np.ndarray:
    """One second at 22050 Hz: four decaying notes, one after the other, and a click."""
    rate = 22050
    samples = np.zeros(rate)
    for i, pitch in enumerate((220.0, 277.2, 329.6, 440.0)):
        time = np.arange(rate - 2000 * i) / rate
        for harmonic in range(1, 7):
            partial = np.sin(2 * np.pi * pitch * harmonic * time + i + harmonic)
            samples[2000 * i :] += partial * np.exp(-(2.0 + harmonic) * time) / harmonic
    samples *= 0.8 / np.abs(samples).max()
    samples[15000:15003] += [0.5, -0.9, 0.4]
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def content() -> np.ndarray:
    """A melody, `[samples]`, for the judge."""
    return make_content()


@pytest.fixture(scope="module")
def style() -> np.ndarray:
    """A riff, the same."""
    return make_style()


@pytest.fixture(scope="session")
def script_environment(tmp_path_factory) -> dict[str, str]:
    """Environment of a script that keeps its caches out of the home folder."""
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="session")
def script_server(script_environment, tmp_path_factory) -> Iterator[ScriptServer]:
    """Runs scripts in forks of a process."""
    server = ScriptServer(tmp_path_factory.mktemp("printed"), script_environment)
    yield server
    server.close()


@pytest.fixture(scope="session")
def run_script(script_environment, script_server) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a script of the top folder, or a module by its name, as a user does.

    A run with an environment of its own imports all anew; the others are forks.
    """

    def run(
        script: str, *arguments: str, cwd: pathlib.Path = ROOT, **environment: str
    ) -> subprocess.CompletedProcess:
        if not environment:
            return script_server.run(script, arguments, cwd)
        return subprocess.run(
            [sys.executable, str(ROOT / script), *arguments],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=300,
            env=script_environment | environment,
        )

    return run


@pytest.fixture(scope="session")
def assert_refused() -> Callable[..., None]:
    """Asserts one line that says all the words, exit code 1, no traceback, nothing printed."""

    def check(result: subprocess.CompletedProcess, *words: str) -> None:
        assert result.returncode == 1
        *drawn, line = result.stderr.replace("\r", "\n").rstrip().split("\n")
        drawn = [text for text in drawn if text.strip() and "|" not in text]
        assert all(text.startswith("warning: ") for text in drawn), result.stderr
        assert line.startswith(f"{pathlib.Path(result.args[1]).name}: ")
        assert all(word in line for word in words), line
        assert result.stdout == ""

    return check


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> pathlib.Path:
    """A workdir as `run_train.py` leaves it, of a small network that sees what `multicomp` does."""
    from configs import single_channel
    from research.models.network import Network
    from research.settings import freeze
    from research.training.checkpoints import Checkpoints
    from research.training.config import TrainConfig
    from research.training.loop import StepConfig, start_state, to_saved

    workdir = tmp_path_factory.mktemp("untrained")
    chosen = single_channel.get_config("smoke")
    chosen.spectrogram.sample_rate = 22050
    chosen.spectrogram.stft.update(n_fft=512, hop_length=258)
    chosen.segments.seconds = 0.5
    chosen.model.update(num_filters=(2, 3), width=3, num_features=7)
    config = freeze(TrainConfig, chosen)
    (workdir / "config.json").write_text(chosen.to_json())
    manifest = {"genres": ["a", "b", "c"], "tracks": {"a/1": ""}, "fits": {"seed_0": {}}}
    (workdir / "data.json").write_text(json.dumps(manifest))
    shape = config.segment_frames, config.spectrogram.stft.num_bins
    network = Network.init(config.model, shape, len(manifest["genres"]), seed=0)
    (workdir / "checkpoints").mkdir()
    with Checkpoints(workdir / "checkpoints" / "seed_0") as checkpoints:
        checkpoints.save(1, to_saved(start_state(network, StepConfig.of(config))), 0.5, [])
    return workdir


@pytest.fixture(scope="session")
def clips() -> dict[str, pathlib.Path]:
    """The two shipped clips."""
    return {name: CLIPS / f"{name}.ogg" for name in ("piano", "band")}


@pytest.fixture(scope="session")
def shared_clips() -> pathlib.Path:
    """Folder of real recordings; that of the shipped clips where there is none."""
    return REAL if REAL.is_dir() else CLIPS


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def recording(request) -> pathlib.Path:
    """Each clip there is, real ones and shipped ones."""
    return request.param


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium without a window; NEED_CHROMIUM says that there must be one."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        reason = f"no {CHROMIUM} or no {DRIVER}: install chromium and chromium-driver"
        (pytest.fail if os.environ.get("NEED_CHROMIUM") else pytest.skip)(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "autoplay-policy=no-user-gesture-required",
        "use-fake-ui-for-media-stream",  # A microphone that beeps.
        "use-fake-device-for-media-stream",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    driver.set_script_timeout(10)
    yield driver
    driver.quit()
