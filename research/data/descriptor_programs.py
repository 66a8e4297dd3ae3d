"""Compiles what descriptors need of librosa, for processes that are forked after this import."""

import numpy as np

from research.data.descriptors import SAMPLE_RATE, describe

describe(np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32))
