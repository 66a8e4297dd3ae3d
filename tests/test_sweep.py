"""Sweeps: which takes there are, and what their problems share."""

import numpy as np
import pytest
from sweeps import CONTENT, STYLE, config_of

from configs import ablation_loss_weights
from configs.transfer import get_config
from research.errors import InputError
from research.settings import freeze
from research.transfer.config import ContentSweep, StyleSweep, SweepConfig, TransferConfig
from research.transfer.sweep import combinations, in_words, prepare_each, with_settings


def test_takes_are_all_combinations_the_last_key_the_fastest():
    swept = SweepConfig(
        style_weight=(1, 2.5),
        content=ContentSweep(chroma=(0.0, 3.0)),
        style=StyleSweep(bands=(1.0,)),
        seed=(0, 7),
    )
    found = combinations(swept)
    assert len(found) == 8
    assert [tuple(one.values()) for one in found[:3]] == [
        (1, 0.0, 1.0, 0),
        (1, 0.0, 1.0, 7),
        (1, 3.0, 1.0, 0),
    ]
    assert list(found[0]) == ["style_weight", "content.chroma", "style.bands", "seed"]
    assert combinations(SweepConfig()) == [{}]
    assert in_words(found[1]) == "style_weight=1, content.chroma=0, style.bands=1, seed=7"


def test_settings_take_the_place_of_the_values_of_a_config():
    config = config_of()
    changed = with_settings(config, {"style_weight": 9, "content.chroma": 0.5, "seed": 3})
    assert (changed.style_weight, changed.content.chroma, changed.seed) == (9, 0.5, 3)
    assert changed.content.harmonic == config.content.harmonic
    assert with_settings(config, {}) == config
    with pytest.raises(InputError, match=r"^config.sweep: style_amount is 3; give a number from 0"):
        with_settings(config, {"style_amount": 3})


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("seed", (0, 1.5), r"config\.sweep\.seed is 1\.5; give a whole number"),
        ("style_weight", ("1,x",), r"config\.sweep\.style_weight is '1,x'; give a number"),
        ("style_weight", (1.0, -1.0), r"config\.sweep\.style_weight is -1\.0; give a number"),
        ("style.bands", (), r"config\.sweep\.style\.bands is empty; give at least one number"),
        ("memory_gb", 0.0, r"config\.sweep\.memory_gb is 0\.0; give a number above 0"),
    ],
)
def test_values_that_are_none_are_told_with_their_key(key, values, message):
    config = get_config("texture")
    config.sweep.update_from_flattened_dict({key: values})
    with pytest.raises(InputError, match=f"^{message}"):
        freeze(TransferConfig, config)


def test_the_ready_example_is_sixteen_takes_around_the_preset_or_eight_if_none_is_random():
    for preset, count in (("texture", 16), ("ulyanov", 16), ("combined", 8)):
        chosen = freeze(TransferConfig, ablation_loss_weights.get_config(preset))
        assert len(combinations(chosen.sweep)) == count
        assert chosen.style_weight in chosen.sweep.style_weight


def test_takes_have_the_terms_of_all_and_share_what_does_not_differ():
    swept = SweepConfig(content=ContentSweep(chroma=(0.0, 2.0)), seed=(0, 1))
    takes = combinations(swept)
    problems = list(prepare_each(CONTENT, STYLE, config_of(swept=swept), takes))
    assert [problem.weights["chroma"] for problem in problems] == [0.0, 0.0, 2.0, 2.0]
    assert all("chroma" in problem.objective.content for problem in problems)
    assert problems[0].targets is problems[2].targets and problems[0].start is problems[2].start
    assert np.abs(np.asarray(problems[0].start) - np.asarray(problems[1].start)).max() > 0
    # Those of a part are the same as among all: a sweep that was killed goes on with them.
    [last] = prepare_each(CONTENT, STYLE, config_of(swept=swept), takes[-1:])
    assert last.weights == problems[-1].weights
    assert last.objective == problems[-1].objective
