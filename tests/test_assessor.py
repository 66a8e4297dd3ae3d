"""What is said of outputs: of long ones by an excerpt, as the judge says of it alone."""

import dataclasses
import functools

import numpy as np
import pytest
from playing import SAMPLE_RATE, SECONDS

from research.audio import excerpt
from research.audio.waveform import Waveform
from research.judge.verdict import Judge
from research.transfer import assessor
from research.transfer.assessor import Assessor


@pytest.fixture
def sounds(content, style) -> list[Waveform]:
    """A content, a style and an output of 4 s."""
    output = 0.5 * content + 0.5 * style
    return [Waveform(samples[None], SAMPLE_RATE) for samples in (content, style, output)]


def test_a_short_output_is_judged_whole(sounds):
    *pair, output = sounds
    _, found = Assessor(*pair, None)(output)()
    assert found.keys() == {"judge"}
    verdict = Judge(*(each.samples[0] for each in pair), SAMPLE_RATE)(output.samples[0])
    assert found["judge"].items() >= dataclasses.asdict(verdict).items()


def test_a_long_output_is_judged_by_its_middle(sounds, monkeypatch):
    for name in ("middle", "find_middle"):
        short = functools.partial(getattr(excerpt, name), longest=2.5)
        monkeypatch.setattr(assessor, name, short)
    *pair, output = sounds
    _, found = Assessor(*pair, None)(output)()
    assert found["excerpt"] == [SECONDS / 2 - 1.25, SECONDS / 2 + 1.25]
    first, last = (round(place * SAMPLE_RATE) for place in found["excerpt"])
    content, style, cut = (each.samples[0, first:last] for each in sounds)
    verdict = Judge(content, style, SAMPLE_RATE)(cut)
    assert found["judge"].items() >= dataclasses.asdict(verdict).items()


def test_pairs_cut_from_one_recording_are_not_taken_for_each_other(sounds):
    whole = sounds[0].samples
    pairs = [
        Assessor(*(Waveform(part, SAMPLE_RATE) for part in np.split(whole, [place], axis=1)), None)
        for place in (30000, 40000)
    ]
    assert pairs[0]._inputs != pairs[1]._inputs
