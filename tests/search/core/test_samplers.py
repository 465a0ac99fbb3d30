"""Samplers: the contract of all, and the model of TPE, which is fitted to one rung at a time."""

import random

import pytest

from search.config.run_config import resolve
from search.core.history import Observation
from search.core.samplers.base import MIN_VALUES
from search.core.samplers.optuna_space import distributions
from search.core.samplers.registry import SAMPLERS
from search.core.samplers.tpe import MAX_VALUES, model_rung, model_trials
from tests.history import RUNGS, SPACE, history
from tests.policy_contracts import SamplerContract


@pytest.mark.parametrize("name", SAMPLERS)
class TestSamplers(SamplerContract):
    """Every sampler in the registry."""

    @pytest.fixture
    def sampler(self, name):
        return SAMPLERS[name]


def test_tpe_comes_nearer_than_chance():
    trials = history(60)
    error = {
        name: sum(
            abs(params["x"] - 0.3)
            for seed in range(5)
            for params in SAMPLERS[name](SPACE, RUNGS, seed).propose(trials, 5)
        )
        for name in ("tpe", "random")
    }
    assert error["tpe"] < 0.5 * error["random"]


def test_the_model_is_of_the_highest_rung_with_enough_values():
    assert model_rung([]) == 0
    assert model_rung(history(MIN_VALUES - 1, rungs=2)) == 0
    assert model_rung(history(MIN_VALUES, rungs=2)) == 1
    assert model_rung(history(MIN_VALUES, rungs=1) + history(3, rungs=2)) == 0


def test_running_and_diverged_trials_are_modelled():
    params = SPACE.sample(random.Random(0))
    trials = [
        *history(20),
        Observation(params, (), busy=True),
        Observation(params, (), busy=False),
        Observation(params, (float("inf"),), busy=False),
    ]
    frozen = model_trials(trials, distributions(SPACE))
    assert [trial.state.name for trial in frozen] == ["COMPLETE"] * 21 + ["RUNNING"]
    assert SAMPLERS["tpe"](SPACE, RUNGS, 0).propose(trials, 1)


def test_a_long_history_is_thinned_but_keeps_its_best():
    trials = history(4 * MAX_VALUES)
    frozen = model_trials(trials, distributions(SPACE))
    best = sorted(o.values[0] for o in trials)[:25]
    assert len(frozen) == MAX_VALUES
    assert sorted(trial.value for trial in frozen)[:25] == best


def test_an_unknown_sampler_is_the_users_error():
    with pytest.raises(ValueError, match="sampler is 'grid'"):
        resolve(["sampler=grid"])
