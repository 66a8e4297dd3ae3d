"""The contracts of content and style terms; a new line in a registry is checked by all of this."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representing import (
    FEATURE_DIMS,
    context_of,
    padded,
    random_representations,
    silent_representations,
)

from configs.transfer import PRESETS
from research.settings import freeze, to_config_dict
from research.transfer.config import TransferConfig
from research.transfer.representations import Representations
from research.transfer.terms.base import ContentTerm, StyleTerm, Term
from research.transfer.terms.registry import CONTENT_TERMS, STYLE_TERMS

GROUPS = {"content": (CONTENT_TERMS, ContentTerm), "style": (STYLE_TERMS, StyleTerm)}
KEYS = [f"{group}.{name}" for group, (terms, _) in GROUPS.items() for name in terms]
CONTENT = [key for key in KEYS if key.startswith("content.")]
STYLE = [key for key in KEYS if key.startswith("style.")]
# Frames at which every layer of features has one position.
ONE_POSITION = 5


def term_of(key: str) -> Term:
    group, name = key.split(".")
    return GROUPS[group][0][name]


def observe(term: Term, representations: Representations):
    return term.observe(representations, context_of(term))


def target_of(term: Term, observed):
    """What a distance is taken to."""
    return term.describe(observed) if isinstance(term, StyleTerm) else observed


@functools.cache
def compiled(key: str):
    """Everything that a term computes of an output, and of what it is compared with."""
    term = term_of(key)

    @jax.jit
    def compute(output: Representations, wanted: Representations):
        def distance(output):
            observed = observe(term, output)
            distance = term.distance(observed, target_of(term, observe(term, wanted)))
            return sum(jax.tree.leaves(distance)), (distance, observed)

        every = jax.value_and_grad(distance, has_aux=True, allow_int=True)
        (_, (apart, observed)), gradient = every(output)
        other = observe(term, wanted)
        if isinstance(term, StyleTerm):
            unit = term.energy(term.describe(other))
            summary = term.describe(other)
        else:
            summary = term.profile(other)
            unit = term.unrelated(observed, summary)
        return {
            "distance": apart,
            "gradient": [leaf for leaf in jax.tree.leaves(gradient) if leaf.ndim],
            "summary": summary,
            "unit": unit,
            "count": term.count(observed),
        }

    return lambda output, wanted: jax.device_get(compute(output, wanted))


def leaves(tree) -> np.ndarray:
    """All numbers of a tree."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)] or [np.zeros(0)])


@pytest.mark.parametrize("key", KEYS)
def test_a_term_states_its_name_weight_meaning_and_what_it_reads(key):
    group, name = key.split(".")
    term = term_of(key)
    assert isinstance(term, GROUPS[group][1])
    assert term.name == name
    assert 0 <= term.weight < math.inf
    assert type(term).__doc__ and type(term).__doc__.splitlines()[0].endswith(".")
    assert term.reads and {*term.reads} <= {*Representations._fields}


def test_every_name_is_that_of_one_term():
    assert not {*CONTENT_TERMS} & {*STYLE_TERMS}


@pytest.mark.parametrize("key", KEYS)
def test_a_weight_is_a_key_of_the_config_and_of_a_sweep(key):
    group, name = key.split(".")
    assert getattr(getattr(PRESETS["texture"], group), name) == term_of(key).weight
    config = to_config_dict(TransferConfig())
    config.update_from_flattened_dict({key: 3.0, f"sweep.{key}": (0.0, 4.5)})
    changed = freeze(TransferConfig, config)
    assert getattr(getattr(changed, group), name) == 3.0
    assert getattr(getattr(changed.sweep, group), name) == (0.0, 4.5)
    assert changed.terms[key] is term_of(key)


@pytest.mark.parametrize("key", KEYS)
def test_a_term_reads_the_representations_that_it_declares_and_no_others(key):
    term, every = term_of(key), random_representations(12)
    declared = Representations(**{name: getattr(every, name) for name in term.reads})

    def observed(given: Representations):
        return jax.eval_shape(functools.partial(observe, term), given)

    assert observed(declared) == observed(every)
    for name in term.reads:
        try:
            found = observed(declared._replace(**{name: None}))
        except (AttributeError, TypeError):
            continue
        assert found != observed(every), name


@pytest.mark.parametrize("key", KEYS)
def test_a_recording_is_at_no_distance_from_itself_and_at_some_from_another(key):
    one, other = (random_representations(ONE_POSITION, seed, 2) for seed in (1, 2))
    same = leaves(compiled(key)(one, one)["distance"])
    assert same == pytest.approx(np.zeros(len(same)), abs=1e-5)
    assert (leaves(compiled(key)(one, other)["distance"]) > 0.01).all()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("silent", ["output", "target", "both"])
def test_silence_has_finite_distances_units_and_gradients(key, silent):
    sound, silence = random_representations(12, 1, 2), silent_representations(12, 2)
    output = sound if silent == "target" else silence
    target = sound if silent == "output" else silence
    found = compiled(key)(output, target)
    for name in ("distance", "unit", "count", "gradient"):
        assert np.isfinite(leaves(found[name])).all(), name


@pytest.mark.parametrize("key", KEYS)
def test_counts_and_units_are_of_the_structure_of_distances(key):
    found = compiled(key)(random_representations(12, 1, 2), random_representations(12, 2))
    structure = jax.tree.structure(found["distance"])
    assert all(np.ndim(leaf) == 0 for leaf in jax.tree.leaves(found["distance"]))
    for name in ("unit", "count"):
        assert jax.tree.structure(found[name]) == structure, name
        assert np.isfinite(leaves(found[name])).all(), name
    assert (leaves(found["count"]) >= 1).all()
    assert (leaves(found["unit"]) > 0).all()


@pytest.mark.parametrize("key", KEYS)
def test_frames_after_a_recording_change_nothing(key):
    output, wanted = random_representations(12, 1, 2), random_representations(12, 2)
    expected, found = (
        compiled(key)(padded(output, num_frames), padded(wanted, num_frames))
        for num_frames in (0, 7)
    )
    for name in ("distance", "summary", "unit", "count"):
        for one, other in zip(*map(jax.tree.leaves, (expected[name], found[name])), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, err_msg=name)
    for one, other in zip(expected["gradient"], found["gradient"], strict=True):
        np.testing.assert_allclose(other[:, : one.shape[1]], one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("key", KEYS)
def test_what_is_kept_of_a_style_has_no_time_axis(key):
    term = term_of(key)

    def kept(representations):
        observed = observe(term, representations)
        return term.describe(observed) if isinstance(term, StyleTerm) else term.profile(observed)

    short, long = (
        jax.eval_shape(kept, random_representations(num_frames)) for num_frames in (8, 20)
    )
    assert short == long
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(short))


@pytest.mark.parametrize("key", KEYS)
def test_a_mean_of_two_styles_is_a_style(key):
    term = term_of(key)
    content, *styles = (random_representations(12, seed, 2) for seed in (1, 2, 3))
    kept = [compiled(key)(content, style)["summary"] for style in styles]
    mean = jax.tree.map(lambda one, other: (one + other) / 2, *kept)

    @jax.jit
    def use(content, mean):
        observed = observe(term, content)
        if isinstance(term, StyleTerm):
            return term.distance(observed, mean), term.energy(mean)
        return term.unrelated(observed, mean)

    used = leaves(use(content, mean))
    assert np.isfinite(used).all() and (used > 0).all()


@pytest.mark.parametrize("key", STYLE)
def test_the_energy_of_a_style_is_its_distance_from_nothing(key):
    term = term_of(key)

    @jax.jit
    def both(representations):
        observed = observe(term, representations)
        target = term.describe(observed)
        nothing = jax.tree.map(  # One frame, where there is a number of them.
            lambda leaf: jnp.zeros_like(leaf[:, :1]) if np.ndim(leaf) else 1, observed
        )
        return term.energy(target), term.distance(nothing, target)

    energy, distance = (leaves(found) for found in both(random_representations(12, 1)))
    assert energy == pytest.approx(distance, rel=1e-5)


@pytest.mark.parametrize("key", STYLE)
def test_a_target_for_one_length_is_at_the_distance_of_the_description(key):
    term = term_of(key)

    @jax.jit
    def both(output, style):
        output, style = observe(term, output), observe(term, style)
        targets = term.describe(style), term.describe_for_length(style, 12)
        return [(term.distance(output, target), term.energy(target)) for target in targets]

    described, for_length = both(random_representations(12, 1, 2), random_representations(12, 2))
    assert leaves(for_length) == pytest.approx(leaves(described), rel=1e-4)


@pytest.mark.parametrize("key", KEYS)
def test_constants_depend_on_the_seed_alone(key):
    first, again, other = (
        jax.tree.leaves(term_of(key).make_constants(seed, FEATURE_DIMS)) for seed in (0, 0, 1)
    )
    for one, same, another in zip(first, again, other, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, same)
        assert np.abs(one - another).max() > 0
