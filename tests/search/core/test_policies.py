"""Policies: the contract of all, and the decisions of the joint one."""

from dataclasses import replace
from math import inf

import pytest

from search.core.history import History, Observation
from search.core.job import Job
from search.core.policies.base import Problem
from search.core.policies.registry import POLICIES
from search.core.rungs import Done, Promote, Sample, Wait
from search.engines.local import LocalEngine
from tests.formula import Formula
from tests.history import RUNGS, SPACE, history, space_of
from tests.policy_contracts import PolicyContract


@pytest.mark.parametrize("name", POLICIES)
class TestPolicies(PolicyContract):
    """Every policy in the registry."""

    @pytest.fixture
    def make(self, name):
        return lambda seed=0, space=None: POLICIES[name](Problem(space or space_of(name), RUNGS, 3, seed))

    @pytest.fixture
    def make_for(self, name):
        return lambda space: POLICIES[name](Problem(space, RUNGS, 3, 0))

    @pytest.fixture
    def space(self, name):
        return space_of(name)


def ladder(seed=0):
    return POLICIES["ladder"](Problem(SPACE, RUNGS, 3, seed))


def decide(trials, policy=None, left=20, count=1, min_lanes=(1, 1, 1)):
    return (policy or ladder()).decide(trials, left, count, min_lanes)


def with_one_close(paused: bool) -> list[Observation]:
    """Complete trials whose best x is 0.3, and one near it: paused at the first rung or complete as well."""
    complete = [
        replace(o, values=o.values * 3) for o in history(12, seed=2) if abs(o.params["x"] - 0.3) > 0.2
    ]
    close = Observation({**SPACE.default(), "x": 0.31}, (1e-4,) if paused else (1e-4,) * 3)
    return [*complete, close]


@pytest.mark.parametrize("name", ["gp", "ladder"])
def test_three_trials_a_parameter_come_before_the_model(name):
    """A fixed sequence until then: the same configurations, whatever the values."""

    def proposal(count, seed):
        trials = [replace(o, busy=False) for o in history(count, seed=seed)]
        finished = [replace(o, values=(*o.values, 0.5, 0.5)) for o in trials]
        return decide(finished, POLICIES[name](Problem(SPACE, RUNGS, 3, 0)))

    count = 3 * len(SPACE.params)
    assert proposal(count - 1, seed=0) == proposal(count - 1, seed=1)
    assert proposal(count, seed=0) != proposal(count, seed=1)


def test_a_promising_trial_is_promoted():
    trials = with_one_close(paused=True)
    assert decide(trials) == Promote(1, (len(trials) - 1,))
    assert isinstance(decide(with_one_close(paused=False)), Sample)


def test_only_trials_that_the_rule_allows_are_promoted():
    for seed in range(5):
        trials = history(12, seed=seed)
        decision = decide(trials)
        if isinstance(decision, Promote):
            top = sorted(range(12), key=lambda n: trials[n].values[0])[:4]
            assert set(decision.trials) <= set(top)


def test_promotions_wait_for_company():
    trials = with_one_close(paused=True)
    assert isinstance(decide(trials, min_lanes=(1, 2, 1)), Sample)
    assert decide(trials, min_lanes=(1, 2, 1), left=0) == Promote(1, (len(trials) - 1,))


def test_earlier_results_inform_the_first_proposals():
    """The optimum of the earlier search is at x = 0.3."""
    first = decide(History(earlier=history(40, rungs=3)), count=6)
    assert isinstance(first, Sample)
    assert sum(abs(params["x"] - 0.3) for params in first.params) / 6 < 0.15


@pytest.mark.parametrize("name", ["gp", "ladder"])
@pytest.mark.parametrize("jobs_before", [12, 25])
def test_a_resumed_search_ends_like_an_uninterrupted_one(make_queue, tmp_path, name, jobs_before):
    options = {"trials": 20, "sampler": name}
    whole = make_queue(**options)
    LocalEngine(Formula()).run(whole)
    (tmp_path / "study.log").unlink()
    cut = make_queue(**options)
    for _ in range(jobs_before):
        job = cut.next_job()
        assert isinstance(job, Job)
        for report in Formula()(job):
            cut.report(report)
        cut.finish(job, job.checkpoint)
    cut.next_job()  # this job is lost with the process
    resumed = make_queue(**options)
    LocalEngine(Formula()).run(resumed)
    assert resumed.trials == whole.trials


def test_a_search_in_which_every_trial_diverges_goes_on():
    trials = [Observation(o.params, (inf,)) for o in history(20)]
    assert isinstance(decide(trials, count=3), Sample)
    assert isinstance(decide(trials, left=0), Done)
    busy = [*trials, Observation(SPACE.default(), busy=True)]
    assert isinstance(decide(busy, left=0), Wait)
