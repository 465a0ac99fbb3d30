"""Samplers: the contract of all, and the model of TPE, which is fitted to one rung at a time."""

import random
from dataclasses import replace

import pytest

from search.config.run_config import resolve
from search.core.history import History, Observation
from search.core.samplers.base import MIN_VALUES
from search.core.samplers.optuna_space import distributions
from search.core.samplers.registry import SAMPLERS
from search.core.samplers.tpe import MAX_VALUES, model_rung, model_trials
from tests.history import RANGES, RUNGS, SPACE, history, space_of
from tests.policy_contracts import SamplerContract


@pytest.mark.parametrize("name", SAMPLERS)
class TestSamplers(SamplerContract):
    """Every sampler in the registry."""

    @pytest.fixture
    def sampler(self, name):
        return SAMPLERS[name]

    @pytest.fixture
    def space(self, name):
        return space_of(name)


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_proposals_come_nearer_than_chance(name):
    trials = history(60, space=RANGES)
    error = {
        sampler: sum(
            abs(params["x"] - 0.3)
            for seed in range(5)
            for params in SAMPLERS[sampler](RANGES, RUNGS, seed).propose(trials, 5)
        )
        for sampler in (name, "random")
    }
    assert error[name] < 0.7 * error["random"]


def test_cmaes_ranks_the_trials_of_a_higher_rung_first():
    """Those were promoted; their values at other numbers of epochs are worse here."""
    trials = [
        replace(one, values=(*one.values, 9.0)) if one.params["x"] > 0.6 else one
        for one in history(60, space=RANGES)
    ]
    proposals = SAMPLERS["cmaes"](RANGES, RUNGS, 0).propose(trials, 20)
    assert sum(params["x"] for params in proposals) / 20 > 0.6


@pytest.mark.parametrize("space", [SPACE, replace(RANGES, params={"x": RANGES.params["x"]})])
def test_a_space_that_cmaes_cannot_search_is_the_users_error(space):
    with pytest.raises(ValueError, match="sampler=ladder"):
        SAMPLERS["cmaes"](space, RUNGS, 0)


def test_the_model_is_of_the_highest_rung_with_enough_values():
    assert model_rung(History()) == 0
    assert model_rung(History(history(MIN_VALUES - 1, rungs=2))) == 0
    assert model_rung(History(history(MIN_VALUES, rungs=2))) == 1
    assert model_rung(History(history(MIN_VALUES, rungs=1) + history(3, rungs=2))) == 0


def test_running_and_diverged_trials_are_modelled():
    params = SPACE.sample(random.Random(0))
    trials = [
        *history(20),
        Observation(params, (), busy=True),
        Observation(params, (), busy=False),
        Observation(params, (float("inf"),), busy=False),
    ]
    frozen = model_trials(History(trials), distributions(SPACE))
    assert [trial.state.name for trial in frozen] == ["COMPLETE"] * 21 + ["RUNNING"]
    assert SAMPLERS["tpe"](SPACE, RUNGS, 0).propose(trials, 1)


def test_a_long_history_is_thinned_but_keeps_its_best():
    trials = history(4 * MAX_VALUES)
    frozen = model_trials(History(trials), distributions(SPACE))
    best = sorted(o.values[0] for o in trials)[:25]
    assert len(frozen) == MAX_VALUES
    assert sorted(trial.value for trial in frozen)[:25] == best


def test_an_unknown_sampler_is_the_users_error():
    with pytest.raises(ValueError, match="sampler is 'grid'"):
        resolve(["sampler=grid"])
