"""No configuration twice: policies that repeat themselves, and searches of small spaces."""

from dataclasses import replace

import pytest

from search.core.distinct import Distinct, key, unique
from search.core.history import History
from search.core.job import Job
from search.core.policies.base import Policy, Problem
from search.core.policies.registry import POLICIES
from search.core.rungs import Done, Sample
from spaces.params import Choice, Range
from tests.formula import Formula
from tests.history import RUNGS, SPACE

GRID = {"x": Choice((0.1, 0.2, 0.3)), "n": Range(1, 4, log=True)}


def test_unique_keeps_the_first_of_equal_configurations():
    assert unique([{"x": 1, "y": 2}, {"x": 3}, {"y": 2, "x": 1.0}]) == ({"x": 1, "y": 2}, {"x": 3})


class Stubborn(Policy):
    """Proposes the default configuration alone."""

    def __init__(self):
        self.asked = []

    def decide(self, trials, left, count, min_lanes):
        self.asked.append(count)
        return Sample((SPACE.default(),) * count)


def test_a_policy_that_repeats_itself_is_asked_a_few_times_and_then_random_ones_are_taken():
    def decide(seed, begun):
        stubborn = Stubborn()
        decision = Distinct(stubborn, SPACE, seed, begun).decide(History(), 9, 3, (1, 1, 1))
        return decision.params, stubborn.asked

    first, asked = decide(0, [])
    assert len(asked) == 3 and asked[0] == 3
    assert first[0] == SPACE.default() and len(set(map(key, first))) == 3
    assert all(SPACE.holds(params) for params in first)
    assert decide(0, [])[0] == first != decide(1, [])[0]
    without, _ = decide(0, [SPACE.default()])
    assert SPACE.default() not in without and len(set(map(key, without))) == 3


def test_the_last_free_configuration_is_found_where_random_draws_miss_it():
    space = replace(SPACE, params={"n": Range(1, 10**5)})
    begun = ({"n": n} for n in range(1, 10**5))
    decision = Distinct(POLICIES["qmc"](Problem(space, RUNGS, 3, 0)), space, 0, begun).decide(
        History(), 1, 1, (1, 1, 1)
    )
    assert decision == Sample(({"n": 10**5},))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_search_of_a_small_space_ends_with_its_last_configuration(make_queue, formula_space, workers):
    """With packs and with several jobs at once; known points come first, and count."""
    space = replace(formula_space, params=GRID, structure=())
    known = ({"x": 0.3, "n": 2}, {"x": 0.1, "n": 4}, {"n": 2, "x": 0.3})
    queue = make_queue(trials=50, space=space, lanes=3, known=known, workers=workers)
    running = []
    while True:
        while len(running) < workers and isinstance(job := queue.next_job(), Job):
            running.append(job)
        if not running:
            break
        job = running.pop(0)
        for report in Formula()(job):
            queue.report(report)
        queue.finish(job, job.checkpoint)
    begun = [key(trial.params) for trial in queue.trials.values()]
    assert len(begun) == len(set(begun)) == queue.plan.trials == 12
    assert begun[:2] == [key(known[0]), key(known[1])]
    assert queue.best().params["x"] == 0.3
    again = make_queue(trials=50, space=space, lanes=3, known=known)
    assert isinstance(again.next_job(), Done)
