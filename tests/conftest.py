"""Sounds and settings shared by the tests."""

import pathlib

import hypothesis
import numpy as np
import pytest
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "research" / "clips"
REAL = ROOT.parent / "shared" / "data" / "clips"  # Real recordings, where there are any.
RECORDINGS = sorted(REAL.glob("*.*")) + sorted(SHIPPED.glob("*.ogg"))

hypothesis.settings.register_profile("few", max_examples=20, deadline=None, derandomize=True)
hypothesis.settings.load_profile("few")


@pytest.fixture(scope="session", autouse=True)
def parsed_flags():
    """Flags at their defaults, as if the command line were empty."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["pytest"])


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


@pytest.fixture(scope="session")
def clips() -> dict[str, pathlib.Path]:
    """The two shipped clips."""
    return {name: SHIPPED / f"{name}.ogg" for name in ("piano", "band")}


@pytest.fixture(scope="session")
def shared_clips() -> pathlib.Path:
    """Folder of real recordings; that of the shipped clips where there is none."""
    return REAL if REAL.is_dir() else SHIPPED


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def recording(request) -> pathlib.Path:
    """Each clip there is, real ones and shipped ones."""
    return request.param
