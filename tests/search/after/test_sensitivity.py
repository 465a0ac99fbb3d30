"""Total effects against functions whose effects are known, and the skill of a model."""

import random
from dataclasses import replace

import numpy as np
import pytest

from search.after.sensitivity import hyperparameter_draws, mixed_samples, skill, total_effects
from search.core.model.encoding import Encoding
from search.core.model.gaussian_process import BOUND, fit
from search.core.model.kernel import prior
from search.core.model.results import Rows, Scale
from spaces.params import Choice, Range
from tests.history import SPACE

# `inner` is active for half of the configurations; `fixed` has one value.
CONDITIONAL = replace(
    SPACE,
    params={
        "x": Range(0.0, 1.0),
        "c": Choice(("a", "b")),
        "inner": Range(0.0, 1.0, when={"c": ("b",)}),
        "idle": Range(1, 9),
        "fixed": Choice((7,)),
    },
)


def rows_of(space, function, count=150, shuffled=False):
    """Rows at the last rung of random configurations, with the values of a function of them."""
    rng, encoding = random.Random(0), Encoding(space)
    configurations = [space.sample(rng) for _ in range(count)]
    values = np.array([function(configuration) for configuration in configurations])
    if shuffled:
        values = np.random.default_rng(0).permutation(values)
    features = encoding.features(np.array([encoding.point(one) for one in configurations]))
    scale = Scale.of(values, values)
    return encoding, Rows(features, np.ones(count), scale.to(values), scale)


def effects(space, function):
    encoding, rows = rows_of(space, function)
    theta = fit(encoding.groups, rows, 60)
    found = total_effects(encoding, hyperparameter_draws(theta, encoding.groups, rows, 4, 0), rows, 0)
    assert found.shape == (16, len(space.params))
    return dict(zip(space.params, np.median(found, axis=0).tolist(), strict=True))


def test_the_effects_of_a_sum_are_its_shares_of_the_variance():
    # Variances: x 1/12, n (1 to 8, its ends half as likely) 0.0697; the others have none.
    found = effects(SPACE, lambda one: one["x"] + one["n"] / 8)
    assert found["x"] == pytest.approx(0.54, abs=0.1)
    assert found["n"] == pytest.approx(0.46, abs=0.1)
    assert found["lr"] < 0.05 and found["c"] < 0.05


def test_an_interaction_counts_for_each_of_its_parameters():
    # inner counts where it is active: half of its variance, all of it an interaction with c.
    found = effects(CONDITIONAL, lambda one: one.get("inner", 0.5))
    assert found["inner"] > 0.8 and found["c"] == pytest.approx(0.5, abs=0.2)
    assert found["x"] < 0.2 and found["idle"] < 0.2
    assert found["fixed"] == 0


def test_a_space_of_choices_has_effects():
    choices = replace(SPACE, params={name: Choice((0, 1, 2)) for name in "abc"})
    found = effects(choices, lambda one: one["a"] + 0.1 * one["b"])
    assert found["a"] > 0.9 > 0.2 > found["b"] > found["c"]


def test_mixed_samples_differ_from_the_first_in_one_column():
    first, second, *mixed = mixed_samples(3, 8, seed=0).reshape(5, 8, 3)
    for column, sample in enumerate(mixed):
        assert (sample[:, column] == second[:, column]).all()
        others = [other for other in range(3) if other != column]
        assert (sample[:, others] == first[:, others]).all()


def test_draws_of_hyperparameters_are_narrower_where_the_rows_say_more():
    encoding, rows = rows_of(SPACE, lambda one: one["x"])
    theta, own = fit(encoding.groups, rows, 60), prior(4)
    drawn = hyperparameter_draws(theta, encoding.groups, rows, 400, 0)
    assert (np.abs(drawn - own.mean) <= BOUND * own.spread + 1e-9).all()
    spread = drawn.std(axis=0) / own.spread
    assert (spread < 1.1).all()
    assert spread[0] < 0.7  # of the length scale of x


@pytest.mark.parametrize(("shuffled", "low", "high"), [(False, 0.9, 1.0), (True, -0.5, 0.25)])
def test_noise_is_not_predicted(shuffled, low, high):
    encoding, rows = rows_of(SPACE, lambda one: one["x"] + one["n"] / 8, count=80, shuffled=shuffled)
    assert low <= skill(encoding.groups, rows, range(80), [0] * 80, seed=0) <= high


def test_later_results_of_a_trial_are_left_out_with_it():
    """Each trial has a value of its own at both rungs, which only its own later value could predict."""
    encoding, rows = rows_of(SPACE, lambda one: one["x"], count=80, shuffled=True)
    values = np.repeat(rows.values[:40], 2)
    rows = replace(rows, fidelity=np.tile([0.5, 1.0], 40), values=values)
    trials, rungs = [number // 2 for number in range(80)], [number % 2 for number in range(80)]
    rows = replace(rows, features=np.repeat(rows.features[:40], 2, axis=0))
    assert skill(encoding.groups, rows, trials, rungs, seed=0) < 0.3
    assert skill(encoding.groups, rows, range(80), rungs, seed=0) > 0.6


def test_equal_values_have_no_skill():
    encoding, rows = rows_of(SPACE, lambda one: 1.0, count=20)
    assert skill(encoding.groups, rows, range(20), [0] * 20, seed=0) == 0
