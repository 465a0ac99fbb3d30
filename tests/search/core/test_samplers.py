"""Proposals: pure, within the space, better than chance, and fitted to one rung at a time."""

import random

import pytest

from search.core.samplers.all import ENOUGH, MOST, Observation, distribution, model_rung, observed, propose
from spaces.params import Choice, Range
from spaces.space import Objective, Space

SPACE = Space(
    name="s",
    about="",
    trainable="a:b",
    data="a:b",
    objective=Objective("val/f", "min"),
    params={
        "x": Range(0.0, 1.0),
        "n": Range(1, 8),
        "lr": Range(1e-5, 1.0, log=True),
        "c": Choice(("a", None, 3)),
    },
)


def history(count, rungs=1, seed=0):
    rng = random.Random(seed)
    return [
        Observation(params, tuple((params["x"] - 0.3) ** 2 for _ in range(rungs)), busy=False)
        for params in (SPACE.sample(rng) for _ in range(count))
    ]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_proposals_are_in_the_space_and_pure(sampler):
    for count in (0, 5, 40):
        first = propose(SPACE, history(count), 3, sampler=sampler, seed=1)
        assert first == propose(SPACE, history(count), 3, sampler=sampler, seed=1)
        for params in first:
            assert all(params[name] in param for name, param in SPACE.params.items())
            assert isinstance(params["n"], int)


def test_tpe_comes_nearer_than_chance():
    seen = history(60)
    error = {
        name: sum(
            abs(params["x"] - 0.3)
            for seed in range(5)
            for params in propose(SPACE, seen, 5, sampler=name, seed=seed)
        )
        for name in ("tpe", "random")
    }
    assert error["tpe"] < 0.5 * error["random"]


def test_the_model_is_of_the_highest_rung_with_enough_values():
    assert model_rung([]) == 0
    assert model_rung(history(ENOUGH - 1, rungs=2)) == 0
    assert model_rung(history(ENOUGH, rungs=2)) == 1
    assert model_rung(history(ENOUGH, rungs=1) + history(3, rungs=2)) == 0


def test_running_trials_and_diverged_ones_are_seen():
    distributions = {name: distribution(param) for name, param in SPACE.params.items()}
    params = SPACE.sample(random.Random(0))
    seen = [
        *history(20),
        Observation(params, (), busy=True),
        Observation(params, (), busy=False),
        Observation(params, (float("inf"),), busy=False),
    ]
    trials = observed(seen, distributions)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 21 + ["RUNNING"]
    assert propose(SPACE, seen, 1, sampler="tpe", seed=0)


def test_a_long_history_is_thinned_but_keeps_its_best():
    distributions = {name: distribution(param) for name, param in SPACE.params.items()}
    seen = history(4 * MOST)
    trials = observed(seen, distributions)
    best = sorted(o.values[0] for o in seen)[:25]
    assert len(trials) == MOST
    assert sorted(trial.value for trial in trials)[:25] == best


def test_an_unknown_sampler_is_the_users_error():
    with pytest.raises(ValueError, match="sampler is 'grid'"):
        propose(SPACE, [], 1, sampler="grid", seed=0)
