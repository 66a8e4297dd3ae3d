"""A triple with known truth, made here: its sounds and its notes."""

import numpy as np
from playing import SAMPLE_RATE, play

from research.audio.waveform import Waveform
from research.benchmarks.known_truth import render

FLUTE, SAWTOOTH = 0.5 ** np.arange(12), 1.0 / np.arange(1, 21)
TUNE, OTHER = (60, 67, 64, 72, 69, 65, 62, 71), (57, 61, 64, 68, 66, 61, 59, 69, 64, 57)
STEP = 4 / len(TUNE)
NOTES = np.array([(i * STEP, (i + 1) * STEP, pitch) for i, pitch in enumerate(TUNE)])
CONTENT, STYLE, TRUTH, OTHER_TRUTH = (
    0.1 * sound / sound.std()
    for sound in (
        play(TUNE, FLUTE, decay=0.5, hiss=0.1),
        play(OTHER, SAWTOOTH, decay=2.0, hiss=0.1, seed=1),
        play(TUNE, SAWTOOTH, decay=2.0, hiss=0.1, seed=2),
        play(TUNE, SAWTOOTH, decay=3.0, hiss=0.1, seed=3),
    )
)


def make_rendered() -> render.Rendered:
    """A flute's tune; the truth on a sawtooth with hiss, which plays another tune in the style."""
    sounds = {"content": CONTENT, "style": STYLE, "truth": TRUTH}
    sounds |= {"other_performance": TRUTH, "other_soundfont": OTHER_TRUTH}
    return render.Rendered(
        {name: Waveform(sound[None], SAMPLE_RATE) for name, sound in sounds.items()}, NOTES
    )
