"""Loads what the judge and pages need, for processes that are forked after this import.

What numba compiles is compiled here, by one process.
"""

import contextlib
import importlib

import numpy as np

from research.audio.waveform import Waveform
from research.judge.features import SAMPLE_RATE
from research.judge.verdict import Judge
from research.report.sound_views import view_sounds

_noise = np.random.default_rng(0).normal(0.0, 0.1, (2, round(0.6 * SAMPLE_RATE)))
_noise = _noise.astype(np.float32)
with contextlib.suppress(Exception):  # What fails here fails where it is asked for, too.
    Judge(_noise[0], _noise[1], SAMPLE_RATE)
    view_sounds([Waveform(_noise[:1], SAMPLE_RATE)], SAMPLE_RATE)
    for _name in ("jinja2", "matplotlib.figure", "research.report.page", "soundfile"):
        importlib.import_module(_name)
